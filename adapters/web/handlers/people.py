"""Carries out the calls of the web interface about a person: what they set, taught, carry away and erase."""

from __future__ import annotations

import asyncio

from aiohttp import web

from adapters.web import requests, schema
from adapters.web.answers import shown
from adapters.web.operations import Rejected
from bot import permission, ratings
from bot.answering.with_and_without import compare
from bot.door.app import App
from bot.errors import Refused, Unknown
from bot.events import person_of
from bot.figures import to_json
from bot.nights.curve import Curve
from bot.people import portability
from bot.store.nights import Night, NightState
from bot.store.people import KnownPerson
from engine.ports import BackendState

ZIP = "application/zip"


class People:
    def __init__(self, app: App) -> None:
        self._app = app
        self._context = app.context

    async def person(self, request: web.Request, given: requests.OfPerson, body: None) -> web.StreamResponse:
        del request, body
        return shown(await self._shown(given.person))

    async def change(
        self, request: web.Request, given: requests.OfPerson, body: requests.PersonChange
    ) -> web.StreamResponse:
        """Set what is named; a person who is not known yet is met by it."""
        del request
        people, person = self._context.store.people, person_of(given.person)
        if body.learning and not permission.is_allowed(self._context.settings, person.platform):
            raise Refused("learning_not_allowed", f"Learning on {person.platform} is not acknowledged here.")
        wanted = body.model_dump(exclude_unset=True, exclude_none=True)
        await people.meet(person)
        if wanted:
            await people.change(given.person, **wanted)
        return shown(await self._shown(given.person))

    async def delete_note(
        self, request: web.Request, given: requests.OfNote, body: None
    ) -> web.StreamResponse:
        del request, body
        note = await self._context.store.notes.delete(given.person, given.id)
        return shown(schema.NoteDeleted(deleted=note.id))

    async def export(self, request: web.Request, given: requests.OfPerson, body: None) -> web.StreamResponse:
        del request, body
        archive = await portability.export(self._context, given.person)
        return web.Response(
            body=archive,
            content_type=ZIP,
            headers={"Content-Disposition": 'attachment; filename="nightloom-export.zip"'},
        )

    async def take_in(
        self, request: web.Request, given: requests.OfPersonAndWait, body: bytes
    ) -> web.StreamResponse:
        """Take an archive in. Whoever brings one may be new here; a file that is refused leaves no trace."""
        del request
        if await self._context.store.people.get(given.person) is None:
            await asyncio.to_thread(portability.understood, body)
            await self._context.store.people.meet(person_of(given.person))
        done = await portability.take_in(self._context, given.person, body)
        said = schema.Imported(taken=done.taken, left=done.left, reasons=list(done.reasons), text=done.told())
        return shown(said)

    async def forget(self, request: web.Request, given: requests.OfPerson, body: None) -> web.StreamResponse:
        del request, body
        counts = await self._app.erase(given.person)
        return shown(schema.Forgotten(counts=counts))

    async def undo(
        self, request: web.Request, given: requests.OfPersonAndWait, body: None
    ) -> web.StreamResponse:
        """The LoRA before goes live again; null: the bare base model answers."""
        del request, body
        version = await self._app.undo_lora(given.person)
        return shown(schema.LiveVersion(live=None if version is None else version.version))

    async def compare(
        self, request: web.Request, given: requests.OfPersonAndWait, body: requests.NewComparison
    ) -> web.StreamResponse:
        del request
        if self._context.backend.state is not BackendState.READY:
            raise Rejected(503, "model", "The model is not ready yet; try again in a moment.")
        both = await compare(self._context, given.person, body.text)
        return shown(schema.Comparison.model_validate(both))

    async def start_night(
        self, request: web.Request, given: requests.WaitParameters, body: requests.NewNight
    ) -> web.StreamResponse:
        del request
        people = None if body.people is None else list(dict.fromkeys(body.people))
        night = await self._app.start_night(people)
        if given.wait:
            night = await self._app.night(night.id, wait_s=given.wait)
        status = 202 if night.state is NightState.RUNNING else 200
        return shown(_night(night), status=status)

    async def night(self, request: web.Request, given: requests.OfId, body: None) -> web.StreamResponse:
        del request, body
        return shown(_night(await self._app.night(given.id)))

    async def _known(self, key: str) -> KnownPerson:
        known = await self._context.store.people.get(key)
        if known is None:
            raise Unknown("unknown_person", f"Nobody is known here as {key!r}.")
        return known

    async def _ratings(self, key: str) -> list[int]:
        sets = (await self._context.store.reactions.of_person(key)).values()
        rated = (ratings.rating(emoji, self._context.settings.reactions) for emoji in sets)
        return [rating for rating in rated if rating is not None]

    async def _shown(self, key: str) -> schema.Person:
        known, store = await self._known(key), self._context.store
        notes = await store.notes.active(key)
        ratings = await self._ratings(key)
        versions = await store.loras.of_person(key)
        live = next((version.version for version in versions if version.id == known.live_lora), None)
        return schema.Person(
            person=key,
            learning=known.learning,
            memory=known.memory,
            lora=known.lora,
            mode=known.mode or self._context.settings.limits.mode,
            timezone=known.timezone,
            notes=[
                schema.Note(id=note.id, text=note.text, source=note.source, kind=note.kind) for note in notes
            ],
            ratings=schema.Ratings(count=len(ratings), mean=sum(ratings) / len(ratings) if ratings else None),
            live=live,
            versions=[
                schema.Version(
                    version=version.version,
                    state=version.state,
                    reason=version.reason,
                    metrics=to_json(version.figures),
                    night=version.night,
                    at=version.promoted_at or version.created_at,
                )
                for version in versions
            ],
            curve=[
                schema.CurvePoint.model_validate(point)
                for point in Curve.of(await store.nights.of_person(key)).points
            ],
        )


def _night(night: Night) -> schema.Night:
    return schema.Night(
        id=night.id,
        state=night.state.value,
        people=[
            schema.NightPerson(
                person=person.person,
                outcome=None if person.outcome is None else person.outcome.value,
                reason=person.reason,
                version=person.version,
                used=dict(person.used),
                metrics=to_json(person.figures),
            )
            for person in night.people
        ],
        problem=night.problem,
    )
