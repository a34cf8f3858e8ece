"""Questions are kept once, worked on by one process at a time, and survive whoever worked on them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from bot.events import Deletion, Edit, MessageState
from bot.store import Store
from tests.bot.store.conftest import Clock, open_store
from tests.bot.store.making import (
    NOON,
    OWNER,
    answered,
    draft,
    message,
    person,
    posted,
    reaction,
    ref,
    taken,
)


async def test_an_event_that_comes_again_is_the_same_question(store: Store) -> None:
    first = await store.inbox.take(message("e1"), conversation="c", owner=OWNER)
    again = await store.inbox.take(message("e1"), conversation="c", owner=OWNER)
    assert (first.is_new, again.is_new, again.id) == (True, False, first.id)
    assert len(await store.inbox.of_conversation("ann", "c")) == 1


async def test_the_same_event_from_everywhere_at_once_is_one_question(store: Store) -> None:
    took = (store.inbox.take(message("e1"), conversation="c", owner=OWNER) for _ in range(20))
    kept = await asyncio.gather(*took)
    assert len({acceptance.id for acceptance in kept}) == 1
    assert sum(acceptance.is_new for acceptance in kept) == 1


async def test_what_is_read_is_what_was_taken(store: Store) -> None:
    asked = message("e1", text="¿qué? 🦙", reply_to="r1")
    item = await taken(store, "e1", text="¿qué? 🦙", reply_to="r1")
    assert (item.person, item.ref, item.place) == (asked.person, asked.ref, asked.place)
    assert (item.text, item.at, item.reply_to) == (asked.text, asked.at, asked.reply_to)
    assert (item.state, item.attempts, item.revision) == (MessageState.WAITING, 0, 0)


async def test_what_a_living_process_owns_is_not_adopted(store: Store) -> None:
    await store.leases.live(OWNER, for_s=20)
    await taken(store)
    assert await store.inbox.adopt("another", limit=10) == []


async def test_what_a_dead_process_owned_is_adopted_once_and_oldest_first(store: Store, clock: Clock) -> None:
    await store.leases.live(OWNER, for_s=20)
    items = [await taken(store, f"e{number}") for number in range(5)]
    clock.pass_s(21)
    await store.leases.live("b", for_s=20)
    await store.leases.live("c", for_s=20)
    by_b, by_c = await asyncio.gather(store.inbox.adopt("b", limit=10), store.inbox.adopt("c", limit=10))
    assert sorted([item.id for item in by_b] + [item.id for item in by_c]) == sorted(i.id for i in items)
    for adopted in (by_b, by_c):
        assert [item.seq for item in adopted] == sorted(item.seq for item in adopted)


async def test_two_processes_that_adopt_at_once_never_take_the_same(store: Store) -> None:
    items = [await taken(store, f"e{number}", owner="dead") for number in range(30)]
    for name in "bcde":
        await store.leases.live(name, for_s=20)
    adopted = await asyncio.gather(*(store.inbox.adopt(name, limit=7) for name in "bcde" * 3))
    ids = [item.id for some in adopted for item in some]
    assert len(ids) == len(set(ids))
    assert set(ids) <= {item.id for item in items}


async def test_a_process_that_lost_an_item_cannot_settle_it(store: Store) -> None:
    item = await taken(store, owner="dead")
    await store.leases.live("b", for_s=20)
    await store.inbox.adopt("b", limit=10)
    assert await store.inbox.begin(item.id, owner="dead") is None
    assert not await store.replies.record(draft(item), owner="dead")
    assert await store.replies.record(draft(item), owner="b")


async def test_a_question_is_answered_once(store: Store) -> None:
    item = await taken(store)
    first, second = draft(item, text="first"), draft(item, text="second")
    assert await store.replies.record(first, owner=OWNER)
    assert not await store.replies.record(second, owner=OWNER)
    replies = (await store.replies.of_messages([item.id]))[item.id]
    assert [reply.text for reply in replies] == ["first"]


async def test_an_edit_makes_the_work_on_the_old_text_void(store: Store) -> None:
    item = await taken(store)
    edit = Edit(event="x", ref=item.ref, person=item.person, text="new", at=NOON)
    assert await store.inbox.edit(edit, item.id, owner=OWNER)
    assert not await store.replies.record(draft(item), owner=OWNER)
    edited = await store.inbox.get(item.id)
    assert edited is not None
    assert (edited.text, edited.revision) == ("new", 1)
    assert await store.replies.record(draft(edited), owner=OWNER)


async def test_an_edit_that_comes_again_or_changes_nothing_asks_nothing_anew(store: Store) -> None:
    item = await taken(store)
    edit = Edit(event="x", ref=item.ref, person=item.person, text="new", at=NOON)
    assert await store.inbox.edit(edit, item.id, owner=OWNER)
    assert not await store.inbox.edit(edit, item.id, owner=OWNER)
    same = Edit(event="y", ref=item.ref, person=item.person, text="new", at=NOON)
    assert not await store.inbox.edit(same, item.id, owner=OWNER)


async def test_after_an_edit_the_old_reply_is_no_longer_current(store: Store) -> None:
    reply_id = await answered(store)
    item = await store.inbox.at(ref("q-e1"))
    assert item is not None
    edit = Edit(event="x", ref=item.ref, person=item.person, text="new", at=NOON)
    await store.inbox.edit(edit, item.id, owner=OWNER)
    assert (await store.replies.of_messages([item.id]))[item.id] == ()
    assert not (await store.replies.recorded(reply_id)).is_current


async def test_a_withdrawn_question_is_cancelled_and_never_learned_from(store: Store) -> None:
    reply_id = await answered(store)
    item = await store.inbox.at(ref("q-e1"))
    assert item is not None
    assert await store.withdrawals.take(Deletion(event="d", ref=item.ref, at=NOON), item.id)
    assert not await store.withdrawals.take(Deletion(event="d", ref=item.ref, at=NOON), item.id)
    withdrawn = await store.inbox.get(item.id)
    assert withdrawn is not None
    assert (withdrawn.state, withdrawn.never_learn) == (MessageState.CANCELLED, True)
    assert (await store.replies.recorded(reply_id)).never_learn
    assert await store.deliveries.outgoing(reply_id, owner=OWNER) is None


async def test_a_late_edit_does_not_bring_back_what_was_withdrawn(store: Store) -> None:
    item = await taken(store)
    await store.withdrawals.take(Deletion(event="d", ref=item.ref, at=NOON), item.id)
    edit = Edit(event="x", ref=item.ref, person=item.person, text="new", at=NOON)
    assert not await store.inbox.edit(edit, item.id, owner=OWNER)
    withdrawn = await store.inbox.get(item.id)
    assert withdrawn is not None
    assert (withdrawn.state, withdrawn.text) == (MessageState.CANCELLED, "")
    assert await store.inbox.begin(item.id, owner=OWNER) is None


async def test_each_beginning_is_counted(store: Store) -> None:
    item = await taken(store)
    await store.inbox.begin(item.id, owner=OWNER)
    begun = await store.inbox.begin(item.id, owner=OWNER)
    assert begun is not None
    assert begun.attempts == 2


async def test_a_given_up_item_says_why_and_is_not_begun_again(store: Store) -> None:
    item = await taken(store)
    assert await store.inbox.fail(item.id, "too long", refused="too_long", owner=OWNER)
    assert not await store.inbox.fail(item.id, "again", owner=OWNER)
    failed = await store.inbox.get(item.id)
    assert failed is not None
    assert (failed.state, failed.problem, failed.refused) == (MessageState.FAILED, "too long", "too_long")
    assert await store.inbox.begin(item.id, owner=OWNER) is None


async def test_the_questions_before_are_the_same_persons_in_the_same_conversation(store: Store) -> None:
    await answered(store, "e1", text="one")
    await answered(store, "e2", who="bob")
    await taken(store, "e3")  # not answered
    item = await taken(store, "e4")
    earlier = await store.inbox.earlier(item, limit=10)
    assert [item.ref.id for item in earlier] == ["q-e1"]


async def test_conversations_are_listed_newest_first_with_their_first_question(store: Store) -> None:
    for event, conversation in (("e1", "a"), ("e2", "b"), ("e3", "a")):
        asked = message(event, text=f"text {event}")
        await store.inbox.take(asked, conversation=conversation, owner=OWNER)
    found = await store.inbox.conversations("ann")
    assert [(name, first) for name, first, _ in found] == [("a", "text e1"), ("b", "text e2")]
    assert await store.inbox.conversations("bob") == []


async def test_erasing_a_person_leaves_nothing_of_theirs_and_all_of_others(store: Store) -> None:
    await answered(store, "e1")
    await answered(store, "e2", who="bob")
    counts = await store.people.erase("ann")
    assert (counts["people"], counts["inbox"], counts["replies"]) == (1, 1, 1)
    assert await store.people.get("ann") is None
    assert await store.inbox.at(ref("q-e1")) is None
    assert await store.inbox.at(ref("q-e2")) is not None
    assert (await store.people.erase("ann"))["people"] == 0


async def test_what_was_erased_is_not_taken_again_where_a_platform_is_read_back(store: Store) -> None:
    await taken(store)
    await store.people.erase("ann")
    again = await store.inbox.take(message(), conversation="room/t", owner=OWNER)
    assert not again.is_new
    assert await store.people.get("ann") is None
    assert (await store.inbox.take(message("e2"), conversation="room/t", owner=OWNER)).is_new


async def test_no_id_of_an_erased_person_is_left_by_what_they_did_to_others_answers(
    tmp_path: Path, clock: Clock
) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'a.db'}", clock)
    await posted(store, await answered(store, "e1", who="bob"), "m1")
    liked = reaction("👍", "m1", event="reaction:m1:discord:4711", who="discord:4711")
    assert await store.reactions.put(liked, "👍") is not None
    await store.nights.start("night", ["discord:4711"], was_asked=True)
    await store.people.erase("discord:4711")
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    await store.close()
    assert b"4711" not in held


async def test_an_event_is_remembered_until_no_platform_repeats_it(store: Store, clock: Clock) -> None:
    await store.inbox.take(message("e1"), conversation="c", owner=OWNER)
    clock.pass_s(60)
    await store.inbox.take(message("e2"), conversation="c", owner=OWNER)
    assert await store.events.forget(before=clock() - timedelta(seconds=30)) == 1
    assert not (await store.inbox.take(message("e2"), conversation="c", owner=OWNER)).is_new


async def test_a_person_is_known_by_the_latest_name_they_gave(store: Store) -> None:
    await store.people.meet(person("ann"))
    await store.people.meet(type(person())(key="ann", platform=person().platform, name="Anna"))
    await store.people.meet(type(person())(key="ann", platform=person().platform, name=None))
    known = await store.people.get("ann")
    assert known is not None
    assert known.name == "Anna"
