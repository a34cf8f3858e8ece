"""Carries out the calls of the web interface that talk: ask, read, react. Knows no page.

Every call is checked against `operations` before its handler sees it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeAlias

from aiohttp import web

from adapters.web import operations, requests, schema
from adapters.web.answers import (
    event_of,
    place_of,
    refusal_of,
    reply_of,
    shown,
    shown_remark,
    shown_reply,
    shown_teaching,
)
from adapters.web.handlers.people import People
from adapters.web.handlers.teaching import Teaching
from adapters.web.operations import Operation, Rejected
from adapters.web.streams import EventStreams
from bot import ratings
from bot.door.app import App
from bot.errors import NotYours, Refused, Unknown
from bot.events import (
    Deletion,
    Edit,
    Message,
    MessageState,
    Platform,
    Reaction,
    Ref,
    person_of,
)
from bot.store.inbox import Item, ItemKind

# Any: each handler takes the parameters and the body of its own operation.
Handler: TypeAlias = Callable[[web.Request, Any, Any], Awaitable[web.StreamResponse]]

TITLE_CHARS = 80
MARKUP = re.compile(r"[`*#>]+")
EVENTS = Operation(
    method="GET", path="/api/events", name="_events", summary="", parameters=requests.OfPerson, answers={}
)


class Api:
    def __init__(self, app: App, streams: EventStreams) -> None:
        self._app = app
        self._streams = streams
        self._owners = app.context.caches.reply_owners

    def add_to(self, served: web.Application) -> None:
        """Every operation of the table gets its route and the handler of its name."""
        parts = (self, Teaching(self._app), People(self._app))
        for operation in operations.OPERATIONS:
            part = next(part for part in parts if hasattr(part, operation.name))
            handler: Handler = getattr(part, operation.name)
            served.router.add_route(operation.method, operation.path, _checked(operation, handler))
        served.router.add_get("/api/events", self._events)

    async def about(
        self, request: web.Request, given: requests.NoParameters, body: None
    ) -> web.StreamResponse:
        del request, given, body
        settings, card = self._app.context.settings, self._app.context.backend.card
        return shown(
            schema.About(
                model=settings.model,
                card=None if card is None else schema.ModelCard(**asdict(card), sentence=card.sentence()),
                ratings=dict(settings.reactions),
                never_learn=ratings.NEVER_LEARN,
                max_text_chars=min(requests.MAX_TEXT_CHARS, settings.limits.max_message_chars),
                mode=settings.limits.mode,
            )
        )

    async def ask(
        self, request: web.Request, given: requests.WaitParameters, body: requests.NewMessage
    ) -> web.StreamResponse:
        event = event_of(request, body.person)
        message = Message(
            event=event,
            ref=Ref(platform=Platform.WEB, channel=body.conversation, id=event),
            place=place_of(body.conversation),
            person=person_of(body.person),
            text=body.text,
            at=datetime.now(UTC),
            mode=body.mode,
        )
        return await self._answered(await self._app.message(message), given.wait)

    async def message(self, request: web.Request, given: requests.OfId, body: None) -> web.StreamResponse:
        del request, body
        return shown(await self._message(given.id))

    async def edit(
        self, request: web.Request, given: requests.OfIdAndWait, body: requests.ChangedMessage
    ) -> web.StreamResponse:
        item = await self._own_item(given.id, body.person)
        if item.kind is ItemKind.THREAD_REPLY:
            raise Refused("no_question", "What was said under an answer stays as it was: say it anew there.")
        await self._app.edit(
            Edit(
                event=event_of(request, body.person),
                ref=item.ref,
                person=item.person,
                text=body.text,
                at=datetime.now(UTC),
            )
        )
        return await self._answered(given.id, given.wait)

    async def withdraw(
        self, request: web.Request, given: requests.OfIdAndPerson, body: None
    ) -> web.StreamResponse:
        del body
        item = await self._own_item(given.id, given.person)
        await self._app.delete(
            Deletion(event=event_of(request, given.person), ref=item.ref, at=datetime.now(UTC))
        )
        return shown(await self._message(given.id))

    async def conversations(
        self, request: web.Request, given: requests.OfPerson, body: None
    ) -> web.StreamResponse:
        del request, body
        found = await self._app.store.inbox.conversations(given.person)
        lines = [
            schema.ConversationLine(conversation=name, title=_title(first), last=last)
            for name, first, last in found
        ]
        return shown(lines, list[schema.ConversationLine])

    async def conversation(
        self, request: web.Request, given: requests.OfConversation, body: None
    ) -> web.StreamResponse:
        del request, body
        store = self._app.store
        items = await store.inbox.of_conversation(given.person, given.conversation)
        if not items:
            raise Unknown("unknown_conversation", f"{given.person} has no conversation of that name.")
        replies = await store.replies.of_messages([item.id for item in items])
        emoji = await store.reactions.of_person(given.person)
        teachings = await self._teachings(given.person, given.conversation)
        messages = [
            schema.ConversationMessage(
                id=item.id,
                person=item.person.key,
                text=item.text,
                replies=[shown_reply(reply, emoji.get(reply.id)) for reply in replies[item.id]],
                state=item.state,
                at=item.at,
                problem=item.problem,
                teachings=[taught for reply in replies[item.id] for taught in teachings.get(reply.id, ())],
            )
            for item in items
        ]
        return shown(schema.Conversation(messages=messages))

    async def reply(self, request: web.Request, given: requests.OfId, body: None) -> web.StreamResponse:
        del request, body
        return shown(await reply_of(self._app, await self._app.store.replies.get(given.id)))

    async def react(
        self, request: web.Request, given: requests.OfIdAndWait, body: requests.NewReaction
    ) -> web.StreamResponse:
        if not ratings.is_emoji(body.emoji):
            raise Rejected(
                422, "not_an_emoji", f"{body.emoji!r} is no emoji. Send one such as 👍 or :thumbsup:."
            )
        conversation = await self._own_reply(given.id, body.person)
        rating = await self._app.reaction(
            Reaction(
                event=event_of(request, body.person),
                ref=Ref(platform=Platform.WEB, channel=conversation, id=given.id),
                person=person_of(body.person),
                emoji=body.emoji,
                on=body.on,
                at=datetime.now(UTC),
            )
        )
        if rating is None:  # none there any more to rate, perhaps: whose it was is remembered here for longer
            await self._app.store.replies.get(given.id)
        return shown(schema.Rating(rating=rating))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        given = operations.parameters(EVENTS, {}, list(request.query.items()))
        assert isinstance(given, requests.OfPerson)
        return await self._streams.serve(request, given.person)

    async def _answered(self, message_id: str, wait_s: float) -> web.StreamResponse:
        """202 with the message's id, or after waiting 200 with its reply."""
        if wait_s:
            outcome = await self._app.outcome(message_id, wait_s=wait_s)
            if outcome.state in (MessageState.FAILED, MessageState.CANCELLED):
                return refusal_of(outcome)
            if outcome.state is MessageState.ANSWERED and outcome.replies:
                reply = await reply_of(self._app, outcome.replies[-1])
                return shown(schema.MessageAnswered(message=message_id, reply=reply))
        return shown(schema.MessageTaken(message=message_id), status=202)

    async def _message(self, message_id: str) -> schema.Message:
        outcome = await self._app.outcome(message_id)
        return schema.Message(
            message=message_id,
            state=outcome.state,
            replies=[await reply_of(self._app, reply) for reply in outcome.replies],
            text=outcome.text,
            conversation=outcome.conversation,
            problem=outcome.problem,
        )

    async def _teachings(self, person: str, conversation: str) -> dict[str, list[schema.Teaching]]:
        """What was said under each reply, oldest first; what is not taken in, or not yet, comes last."""
        store = self._app.store
        remarks = await store.inbox.of_conversation(person, conversation, kind=ItemKind.THREAD_REPLY)
        left = {item.id: item for item in remarks}
        notes = {note.id: note.text for note in await store.notes.all(person)}
        found: dict[str, list[schema.Teaching]] = {}
        for teaching in await store.teachings.of_person(person):
            taught = shown_teaching(
                teaching, notes.get(teaching.note or ""), left.pop(teaching.message or "", None)
            )
            found.setdefault(teaching.reply, []).append(taught)
        for item in left.values():
            if item.reply_to is not None and item.state in (MessageState.WAITING, MessageState.FAILED):
                found.setdefault(item.reply_to, []).append(shown_remark(item, item.reply_to))
        return found

    async def _own_item(self, item_id: str, key: str) -> Item:
        item = await self._app.store.inbox.get(item_id)
        if item is None:
            raise Unknown("unknown_message", f"There is no message {item_id!r}.")
        if item.person.key != key:
            raise NotYours("not_yours", "This message is another person's.")
        return item

    async def _own_reply(self, reply_id: str, key: str) -> str:
        """The conversation of a reply, which must be this person's."""
        known = self._owners.of(reply_id)
        if known is None:
            reply = await self._app.store.replies.get(reply_id)
            known = reply.person, reply.conversation
            self._owners.saw(reply_id, person=reply.person, conversation=reply.conversation)
        owner, conversation = known
        if owner != key:
            raise NotYours("not_yours", "This answer was given to another person.")
        return conversation


def _checked(
    operation: Operation, handler: Handler
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        given = operations.parameters(operation, request.match_info, list(request.query.items()))
        raw = await _read(request, operation.max_body_bytes)
        body = raw if operation.takes_file else operations.body(operation, raw)
        return await handler(request, given, body)

    return handle


async def _read(request: web.Request, max_bytes: int) -> bytes:
    """The body, or a refusal: before more than the limit is held, or because it is not as its head says."""
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    parts = bytearray()
    try:
        async for part in request.content.iter_any():
            parts += part
            if len(parts) > max_bytes:
                raise _too_large(max_bytes)
    except web.RequestPayloadError as error:
        said = "The body is not encoded as Content-Encoding and Transfer-Encoding say: send it plain."
        raise Rejected(400, "bad_encoding", said) from error
    return bytes(parts)


def _too_large(max_bytes: int) -> Rejected:
    return Rejected(413, "body_too_large", f"The body may hold {max_bytes} bytes at most.")


def _title(first_text: str) -> str:
    line = " ".join(MARKUP.sub(" ", first_text).split()) or first_text.strip()
    return line if len(line) <= TITLE_CHARS else line[:TITLE_CHARS].rstrip() + "…"
