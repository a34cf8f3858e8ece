"""The set of a person's emoji on a reply is what the platform's events add up to, in whatever order."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.events import ReactionState
from bot.store import Store
from tests.bot.store.making import NOON, answered, person, posted, reaction, ref

_labels = count(1)
PEOPLE, EMOJI = ("ann", "bob"), ("👍", "👎", "🎉")


async def test_an_emoji_put_on_and_taken_off_leaves_nothing(store: Store) -> None:
    await posted(store, await answered(store), "m1")
    on = await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    off = await store.reactions.put(reaction("👍", "m1", event="r2", is_on=False), "👍")
    assert on is not None
    assert off is not None
    assert (on.emoji, off.emoji) == (frozenset({"👍"}), frozenset())


async def test_an_event_that_comes_again_after_its_opposite_changes_nothing(store: Store) -> None:
    await posted(store, await answered(store), "m1")
    await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    await store.reactions.put(reaction("👍", "m1", event="r2", is_on=False), "👍")
    again = await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    assert again is not None
    assert again.emoji == frozenset()


async def test_a_reaction_to_no_reply_of_ours_is_none(store: Store) -> None:
    assert await store.reactions.put(reaction("👍", "m1", event="r1"), "👍") is None
    assert await store.people.get("ann") is None


async def test_a_standing_says_whose_the_reply_is(store: Store) -> None:
    await posted(store, await answered(store), "m1")
    own = await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    others = await store.reactions.put(reaction("👍", "m1", event="r2", who="bob"), "👍")
    assert own is not None
    assert others is not None
    assert (own.is_theirs, others.is_theirs) == (True, False)


async def test_what_stands_on_the_platform_replaces_what_is_stored(store: Store) -> None:
    await posted(store, await answered(store), "m1")
    await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    state = ReactionState(ref=ref("m1"), person=person(), emoji=frozenset({"👎"}))
    changed = await store.reactions.replace(state, state.emoji)
    assert changed is not None
    assert await store.reactions.replace(state, state.emoji) is None
    assert await store.reactions.of(changed.reply, "ann") == frozenset({"👎"})


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_order_of_events_ends_in_what_the_latest_of_each_says(
    store: Store, data: st.DataObject
) -> None:
    label = str(next(_labels))  # not drawn: a repeated example meets the same database again
    piece = f"m-{label}"
    reply_id = await answered(store, f"e-{label}")
    await posted(store, reply_id, piece)
    count = data.draw(st.integers(1, 12))
    drawn = [
        (data.draw(st.sampled_from(PEOPLE)), data.draw(st.sampled_from(EMOJI)), data.draw(st.booleans()))
        for _ in range(count)
    ]
    events = [
        reaction(
            emoji, piece, event=f"{label}-{number}", who=who, is_on=is_on, at=NOON + timedelta(seconds=number)
        )
        for number, (who, emoji, is_on) in enumerate(drawn)
    ]
    delivered = data.draw(st.permutations([*events, *events[: count // 2]]))
    for event in delivered:
        await store.reactions.put(event, event.emoji)
    latest = {(who, emoji): is_on for who, emoji, is_on in drawn}
    for who in PEOPLE:
        wanted = {emoji for emoji in EMOJI if latest.get((who, emoji))}
        assert await store.reactions.of(reply_id, who) == wanted
