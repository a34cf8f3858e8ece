"""Questions, replies and reactions as the store takes them, with whatever a test does not care about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bot.context import new_id
from bot.events import Message, Person, Place, Platform, Reaction, Ref
from bot.store import Store
from bot.store.inbox import Item
from bot.store.recorded_replies import Branch, Draft
from engine.types import Mode, Prompt, Role, Turn

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWNER = "this process"
PLACE = Place(platform=Platform.DISCORD, channel="room", thread="t")


def person(key: str = "ann") -> Person:
    return Person(key=key, platform=Platform.DISCORD, name=key.title())


def ref(message_id: str) -> Ref:
    return Ref(platform=Platform.DISCORD, channel="room", id=message_id)


def message(event: str = "e1", *, who: str = "ann", text: str = "hello", **more: Any) -> Message:
    values: dict[str, Any] = {"ref": ref(f"q-{event}"), "place": PLACE, "at": NOON, **more}
    return Message(event=event, person=person(who), text=text, **values)


async def taken(store: Store, event: str = "e1", *, owner: str = OWNER, **more: Any) -> Item:
    """A question in the inbox."""
    kept = await store.inbox.take(message(event, **more), conversation="room/t", owner=owner)
    item = await store.inbox.get(kept.id)
    assert item is not None
    return item


def draft(item: Item, *, text: str = "an answer", **more: Any) -> Draft:
    values: dict[str, Any] = {
        "id": new_id(),
        "prompt": Prompt(turns=(Turn(role=Role.USER, text=item.text),), notes=("be brief",)),
        "model": "m@1",
        "lora": None,
        "seed": 2**31 - 1,
        "mode": Mode.BEST,
        "score": 0.5,
        "answers": {"is it good?": 0.75},
        "branches": (Branch(id="b1", text="another", score=0.1), Branch(id="b2", text="a third", score=0.0)),
        **more,
    }
    return Draft(
        message=item.id,
        cause=item.id,
        person=item.person.key,
        conversation=item.conversation,
        revision=item.revision,
        text=text,
        **values,
    )


async def answered(store: Store, event: str = "e1", *, text: str = "an answer", **more: Any) -> str:
    """A question with its reply; the reply's id."""
    made = draft(await taken(store, event, **more), text=text)
    assert await store.replies.record(made, owner=OWNER)
    return made.id


async def posted(store: Store, reply_id: str, *pieces: str) -> None:
    """The reply stands on its platform in these pieces."""
    found = await store.deliveries.outgoing(reply_id, owner=OWNER)
    assert found is not None
    await store.deliveries.sent(found[0], [ref(piece) for piece in pieces])


def reaction(
    emoji: str, on: str, *, event: str, who: str = "ann", is_on: bool = True, **more: Any
) -> Reaction:
    values: dict[str, Any] = {"at": NOON, **more}
    return Reaction(event=event, ref=ref(on), person=person(who), emoji=emoji, on=is_on, **values)
