"""Carries out the calls of the web interface that teach: thread replies, choices, buttons, and why."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from adapters.web import requests, schema
from adapters.web.answers import (
    event_of,
    place_of,
    refusal_of,
    reply_of,
    shown,
)
from adapters.web.streams import shown_notice
from bot.answering import why
from bot.door.app import App
from bot.errors import NotYours
from bot.events import Action, ActionKind, Choice, MessageState, Platform, Ref, ThreadReply, person_of


class Teaching:
    def __init__(self, app: App) -> None:
        self._app = app

    async def teach(
        self, request: web.Request, given: requests.OfIdAndWait, body: requests.NewThreadReply
    ) -> web.StreamResponse:
        """202 with what is known at once, or after waiting 200 with what it was understood as."""
        reply = await self._app.store.replies.get(given.id)
        event = event_of(request, body.person)
        message_id = await self._app.thread_reply(
            ThreadReply(
                event=event,
                ref=Ref(platform=Platform.WEB, channel=reply.conversation, id=event),
                place=place_of(reply.conversation),
                to=Ref(platform=Platform.WEB, channel=reply.conversation, id=reply.id),
                person=person_of(body.person),
                text=body.text,
                at=datetime.now(UTC),
                is_correction=True if body.kind == "correction" else None,
            )
        )
        outcome = await self._app.outcome(message_id, wait_s=given.wait)
        if outcome.state in (MessageState.FAILED, MessageState.CANCELLED):
            return refusal_of(outcome)
        taught = await self._app.store.teachings.of_message(message_id)
        said = schema.ThreadOutcome(
            message=message_id,
            kind=outcome.kind,
            note=outcome.note,
            note_id=taught.note if taught else None,
            reply=await reply_of(self._app, outcome.replies[-1]) if outcome.replies else None,
        )
        return shown(said, status=202 if outcome.state is MessageState.WAITING else 200)

    async def choose(
        self, request: web.Request, given: requests.OfIdAndWait, body: requests.NewChoice
    ) -> web.StreamResponse:
        chosen = await self._app.choose(
            Choice(
                event=event_of(request, body.person),
                reply=given.id,
                person=person_of(body.person),
                alternative=body.alternative,
                at=datetime.now(UTC),
            )
        )
        return shown(await reply_of(self._app, chosen))

    async def why(self, request: web.Request, given: requests.OfId, body: None) -> web.StreamResponse:
        del request, body
        found = await why.why(self._app.context, given.id)
        recorded = found.recorded
        return shown(
            schema.Why(
                reply=given.id,
                model=recorded.model,
                lora=recorded.reply.lora,
                seed=recorded.reply.seed,
                mode=recorded.reply.mode,
                prompt=[schema.WhyPart.model_validate(part) for part in found.parts],
                questions=[schema.WhyQuestion.model_validate(asked) for asked in found.questions],
                tree=[schema.TreeNode.model_validate(node) for node in recorded.tree],
                generated_tokens=recorded.generated_tokens,
                seconds=recorded.seconds,
                learned_from=found.is_learned_from,
                learned_why=found.learned_why,
            )
        )

    async def press(
        self, request: web.Request, given: requests.WaitParameters, body: requests.Press
    ) -> web.StreamResponse:
        """Consent is each person's own to give, whatever the button names."""
        del request, given
        if body.kind in (ActionKind.LEARN_ON, ActionKind.LEARN_OFF) and body.target != body.person:
            raise NotYours("not_yours", "Everybody decides for themselves alone.")
        action = Action(kind=body.kind, label="", target=body.target)
        notice = await self._app.press(person_of(body.person), action)
        return shown(schema.Pressed(notice=None if notice is None else shown_notice(notice)))
