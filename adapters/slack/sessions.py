"""Agent sessions: Slack shows in a thread that the bot works there, how far it is, and a button to stop it.

A session belongs to a thread. So a question that stands outside of threads in the direct messages has none.
Knows no answers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from adapters.shared.bounded import BoundedDict
from adapters.shared.splitting import Pacer
from adapters.slack.connection import call, patiently
from adapters.slack.errands import Errands
from adapters.slack.teams import Teams
from bot.events import Place, Progress, Ref
from bot.ports import ChatError

STATUS_EVERY_S = 2.0
WORK_MAX_S = 900.0  # longer than any answer takes; a session that nobody ends must not work for ever
TITLE_CHARS: Final = 60  # Slack takes 200, and shows less
MAX_TITLES: Final = 10_000
THINKING: Final = "is thinking…"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An answer in the making."""

    place: Place
    pacer: Pacer[Progress]
    showing: asyncio.Task[None]


class Sessions:
    """The sessions of all threads in which an answer is being made."""

    def __init__(self, teams: Teams, errands: Errands) -> None:
        self._teams = teams
        self._errands = errands
        self._works: dict[Ref, Work] = {}
        self._titles: BoundedDict[tuple[str, str], str] = BoundedDict(MAX_TITLES)

    async def show(self, place: Place, question: Ref, progress: Progress | None) -> None:
        """An answer to this question is being made."""
        if place.thread is None:
            return
        if question not in self._works:
            pacer: Pacer[Progress] = Pacer(
                lambda at: self._say(place, f"is weaving: {at.done} of {at.total} branches"),
                interval_s=STATUS_EVERY_S,
            )
            showing = asyncio.create_task(self._show(question, pacer))
            self._works[question] = Work(place=place, pacer=pacer, showing=showing)
            self._errands.add(partial(self._set, place, "processing"))
            await self._say(place, THINKING)
        if progress and question in self._works:
            self._works[question].pacer.offer(progress)

    async def end(self, question: Ref) -> None:
        """The answer is there, or was given up. Slack ends no session by itself."""
        work = self._works.pop(question, None)
        if work is None:
            return
        await work.pacer.stop()
        await work.showing
        self.idle(work.place)

    async def give_up(self, question: Ref) -> None:
        """No answer is coming, so none takes the status line away."""
        work = self._works.get(question)
        await self.end(question)
        if work is not None:
            await self._say(work.place, "")

    def idle(self, place: Place) -> None:
        """Nothing is being made in this thread."""
        self._errands.add(partial(self._set, place, "active"))

    async def stop(self) -> None:
        """Show nothing any more."""
        for question in list(self._works):
            await self.end(question)

    def questions_in(self, channel: str, thread: str) -> list[Ref]:
        """The questions of a thread that are being answered."""
        return [
            question
            for question, work in self._works.items()
            if (work.place.channel, work.place.thread) == (channel, thread)
        ]

    def is_known(self, place: Place) -> bool:
        """Whether the session of this place has a title."""
        return (place.channel, place.thread or "") in self._titles

    def name(self, place: Place, text: str) -> None:
        """The first question of a thread is its session's title, also after an edit."""
        title = " ".join(text.split())[:TITLE_CHARS]
        if place.thread is None or not title or self._titles.get((place.channel, place.thread)) == title:
            return
        is_new = not self.is_known(place)
        self._titles[place.channel, place.thread] = title
        if not is_new:
            where = self._where(place)
            self._errands.add(partial(self._call, place, "agents.sessions.rename", **where, title=title))

    def _is_working(self, place: Place) -> bool:
        return bool(self.questions_in(place.channel, place.thread or ""))

    async def _show(self, question: Ref, pacer: Pacer[Progress]) -> None:
        """Show progress until the end, or until it has lasted longer than any answer takes."""
        try:
            async with asyncio.timeout(WORK_MAX_S):
                await pacer.run()
        except TimeoutError:
            if (work := self._works.pop(question, None)) is not None:
                self.idle(work.place)

    async def _set(self, place: Place, status: str) -> None:
        if status == "active" and self._is_working(place):
            return  # the next answer in the thread has begun meanwhile
        title = self._titles.get((place.channel, place.thread or ""))
        named: dict[str, Any] = {"title": title} if title else {}
        await self._call(place, "agents.sessions.setStatus", **self._where(place), status=status, **named)

    async def _say(self, place: Place, status: str) -> None:
        """The line under a thread of the direct messages."""
        if place.is_private:
            where = self._where(place)
            await self._call(place, "assistant.threads.setStatus", **where, status=status, is_patient=False)

    async def _call(self, place: Place, method: str, *, is_patient: bool = True, **arguments: Any) -> None:
        try:
            team = await self._teams.of(place.channel.partition("/")[0])
            if is_patient:
                await patiently(lambda: call(team.client, method, **arguments))
            else:
                await call(team.client, method, **arguments)
        except ChatError as error:
            log.debug("slack.session_not_shown", method=method, why=str(error))  # the app may be no agent

    def _where(self, place: Place) -> dict[str, Any]:
        return {"channel_id": place.channel.partition("/")[2], "thread_ts": place.thread}
