"""A recorded reply keeps how it was made, where it stands, and what was thought of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.errors import Unknown
from bot.events import Choice, Edit
from bot.store import Store
from bot.store.feedback.choices import ChoiceKind
from bot.store.recorded_replies import Delivery
from engine.types import TreeNode
from tests.bot.store.conftest import Clock
from tests.bot.store.making import NOON, OWNER, PLACE, answered, draft, person, posted, reaction, ref, taken


async def test_everything_that_made_a_reply_is_read_back_as_it_was(store: Store) -> None:
    node = TreeNode(id=0, parent=None, text="an", score=0.25, is_finished=False, is_chosen=True)
    made = draft(await taken(store), tree=(node,), heading="Noted.", generated_tokens=7, seconds=0.5)
    await store.replies.record(made, owner=OWNER)
    kept = await store.replies.recorded(made.id)
    assert (kept.prompt, kept.answers, kept.branches) == (made.prompt, made.answers, made.branches)
    assert (kept.tree, kept.generated_tokens, kept.seconds) == (made.tree, 7, 0.5)
    assert (kept.reply.seed, kept.reply.heading, kept.delivery) == (made.seed, "Noted.", Delivery.STORED)


async def test_an_unknown_reply_is_said_to_be_unknown(store: Store) -> None:
    with pytest.raises(Unknown):
        await store.replies.get("nothing")


async def test_a_reply_is_sent_with_the_same_key_until_it_stands(store: Store) -> None:
    reply_id = await answered(store)
    first = await store.deliveries.outgoing(reply_id, owner=OWNER)
    again = await store.deliveries.outgoing(reply_id, owner=OWNER)
    assert first is not None
    assert again is not None
    assert first[0].key == again[0].key
    await posted(store, reply_id, "m1", "m2")
    assert await store.deliveries.outgoing(reply_id, owner=OWNER) is None
    assert await store.deliveries.pieces(reply_id) == (ref("m1"), ref("m2"))


async def test_every_piece_of_a_posted_reply_leads_to_it(store: Store) -> None:
    reply_id = await answered(store)
    await posted(store, reply_id, "m1", "m2")
    for piece in ("m1", "m2"):
        found = await store.replies.at(ref(piece))
        assert found is not None
        assert found.id == reply_id
    assert await store.replies.at(ref("q-e1")) is None


async def test_what_a_dead_process_did_not_send_is_adopted(store: Store) -> None:
    reply_id = await answered(store)
    assert await store.deliveries.outgoing(reply_id, owner="b") is None
    await store.leases.live("b", for_s=20)
    (unsent,) = await store.deliveries.adopt("b", limit=10)
    assert unsent.reply == reply_id
    assert await store.deliveries.outgoing(reply_id, owner="b") is not None
    assert await store.deliveries.adopt("b", limit=10) == []


async def test_the_answer_to_an_edited_question_takes_the_old_ones_place(store: Store) -> None:
    await posted(store, await answered(store), "m1", "m2")
    item = await store.inbox.at(ref("q-e1"))
    assert item is not None
    edit = Edit(event="x", ref=item.ref, person=item.person, text="new", at=NOON)
    await store.inbox.edit(edit, item.id, owner=OWNER)
    edited = await store.inbox.get(item.id)
    assert edited is not None
    made = draft(edited, text="new answer")
    await store.replies.record(made, owner=OWNER)
    found = await store.deliveries.outgoing(made.id, owner=OWNER)
    assert found is not None
    assert found[0].replaces == (ref("m1"), ref("m2"))
    await posted(store, made.id, "m1")
    first, second = await store.replies.at(ref("m1")), await store.replies.at(ref("m2"))
    assert first is not None
    assert first.id == made.id
    assert second is None


async def test_what_was_posted_is_listed_newest_first(store: Store, clock: Clock) -> None:
    for number in range(3):
        await posted(store, await answered(store, f"e{number}"), f"m{number}")
        clock.pass_s(60)
    platform = PLACE.platform
    found = await store.deliveries.posted(platform, since=NOON + timedelta(seconds=30), limit=10)
    assert found == [(ref("m2"), PLACE), (ref("m1"), PLACE)]
    assert len(await store.deliveries.posted(platform, since=NOON, limit=2)) == 2


async def test_the_latest_answer_in_a_place_is_this_persons(store: Store) -> None:
    await answered(store, "e1")
    latest = await answered(store, "e2")
    await answered(store, "e3", who="bob")
    found = await store.replies.latest_in(PLACE, "ann")
    assert found is not None
    assert found.id == latest


async def test_a_reply_carries_the_rating_of_whom_it_was_given_to(store: Store) -> None:
    reply_id = await answered(store)
    await posted(store, reply_id, "m1")
    await store.reactions.put(reaction("👎", "m1", event="r1", who="bob"), "👎")
    assert (await store.replies.get(reply_id)).rating is None
    await store.reactions.put(reaction("👍", "m1", event="r2"), "👍")
    assert (await store.replies.get(reply_id)).rating == 4


async def test_a_taken_alternative_becomes_the_text_and_the_pair_is_kept(store: Store) -> None:
    reply_id = await answered(store, text="the answer")
    await posted(store, reply_id, "m1")
    choice = Choice(event="c1", reply=reply_id, person=person(), alternative="b1", at=NOON)
    assert await store.choices.take(choice, owner=OWNER)
    assert not await store.choices.take(choice, owner=OWNER)
    reply = await store.replies.get(reply_id)
    assert reply.text == "another"
    assert [branch.text for branch in reply.alternatives] == ["the answer", "a third"]
    (pair,) = await store.choices.of_person("ann")
    assert (pair.kind, pair.chosen_text, pair.rejected_text) == (ChoiceKind.TAKEN, "another", "the answer")


async def test_a_taken_alternative_is_posted_in_the_old_place_under_a_new_key(store: Store) -> None:
    reply_id = await answered(store)
    before = await store.deliveries.outgoing(reply_id, owner=OWNER)
    await posted(store, reply_id, "m1")
    choice = Choice(event="c1", reply=reply_id, person=person(), alternative="b1", at=NOON)
    await store.choices.take(choice, owner=OWNER)
    after = await store.deliveries.outgoing(reply_id, owner=OWNER)
    assert before is not None
    assert after is not None
    assert after[0].key != before[0].key
    assert after[0].replaces == (ref("m1"),)


async def test_an_alternative_that_does_not_exist_changes_nothing(store: Store) -> None:
    reply_id = await answered(store)
    choice = Choice(event="c1", reply=reply_id, person=person(), alternative="b9", at=NOON)
    with pytest.raises(Unknown):
        await store.choices.take(choice, owner=OWNER)
    assert await store.choices.of_person("ann") == []


async def test_a_send_that_ends_after_a_choice_does_not_count_as_sending_it(store: Store) -> None:
    reply_id = await answered(store)
    sending = await store.deliveries.outgoing(reply_id, owner=OWNER)
    assert sending is not None
    choice = Choice(event="c1", reply=reply_id, person=person(), alternative="b1", at=NOON)
    await store.choices.take(choice, owner=OWNER)
    await store.deliveries.sent(sending[0], [ref("m1")])
    found = await store.deliveries.outgoing(reply_id, owner=OWNER)
    assert found is not None
    assert (found[0].reply.text, found[0].replaces) == ("another", (ref("m1"),))


async def test_an_undeliverable_reply_is_not_sent_again(store: Store) -> None:
    reply_id = await answered(store)
    await store.deliveries.undeliverable(reply_id, "the channel is gone")
    assert await store.deliveries.outgoing(reply_id, owner=OWNER) is None
    assert (await store.replies.recorded(reply_id)).delivery_problem == "the channel is gone"
