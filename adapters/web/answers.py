"""What the web calls share: the id of a delivery, and answers as JSON."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from functools import cache
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from adapters.web import schema
from adapters.web.guard import refusal
from adapters.web.operations import Rejected
from bot.door.app import App
from bot.events import MessageState, Outcome, Place, Platform, Reply
from bot.store.feedback.teachings import Teaching
from bot.store.inbox import Item

KEY_HEADER = "Idempotency-Key"
MAX_KEY_CHARS = 64


def place_of(conversation: str) -> Place:
    return Place(platform=Platform.WEB, channel=conversation)


def event_of(request: web.Request, key: str) -> str:
    """The id of this delivery: the client's own, so that it may send again, or a new one."""
    given = request.headers.get(KEY_HEADER)
    if given is None:
        return secrets.token_urlsafe(16)
    if not given.isascii() or not given.isprintable() or not 0 < len(given) <= MAX_KEY_CHARS:
        raise Rejected(422, "bad_key", f"{KEY_HEADER} may hold {MAX_KEY_CHARS} printable characters.")
    call = hashlib.sha256(f"{request.method} {request.path}".encode()).hexdigest()[:8]
    return f"{key}/{call}/{given}"


def shown(what: Any, kind: Any = None, *, status: int = 200) -> web.Response:
    """An answer as JSON. Any: a model, or what a TypeAdapter of `kind` takes."""
    if kind is None:
        text = what.model_dump_json(by_alias=True).encode()
    else:
        text = _adapter(kind).dump_json(what, by_alias=True)
    return web.Response(body=text, content_type="application/json", status=status)


def shown_reply(reply: Reply, emoji: Iterable[str] | None = None) -> schema.Reply:
    """A reply, with the emoji that its person has on it."""
    return schema.Reply.model_validate(reply).model_copy(update={"reactions": sorted(emoji or ())})


def shown_teaching(taught: Teaching, note: str | None, item: Item | None) -> schema.Teaching:
    """What was understood of a remark. `item`: the remark itself, unless it was imported or is a question."""
    return schema.Teaching(
        message=taught.message,
        reply=taught.reply,
        revision=taught.revision,
        text=taught.text,
        kind=taught.kind,
        note=note,
        holds=not taught.never_learn,
        state=MessageState.ANSWERED if item is None else item.state,
        problem=None if item is None else item.problem,
    )


def shown_remark(item: Item, reply: str) -> schema.Teaching:
    """A remark under a reply of which nothing is understood yet."""
    return schema.Teaching(
        message=item.id,
        reply=reply,
        revision=None,
        text=item.text,
        kind=None,
        note=None,
        holds=not item.never_learn,
        state=item.state,
        problem=item.problem,
    )


async def reply_of(app: App, reply: Reply) -> schema.Reply:
    return shown_reply(reply, await app.store.reactions.of(reply.id, reply.person))


def refusal_of(outcome: Outcome) -> web.Response:
    """What became of a message that has no answer."""
    if outcome.state is MessageState.FAILED:
        said = outcome.problem or "The answer could not be made. Ask again."
        if outcome.refused is not None:
            return refusal(409, outcome.refused, said, about=outcome.message)
        return refusal(503, "failed", said, about=outcome.message)
    said = "The question was withdrawn."
    return refusal(409, "cancelled", said, about=outcome.message)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # Any: whatever a TypeAdapter takes
    return TypeAdapter(kind)
