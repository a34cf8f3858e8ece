"""What shows that an answer is being made never arrives behind the answer, nor behind its taking back."""

from __future__ import annotations

import asyncio

import pytest

from bot.door import typing
from bot.events import Deletion, Outgoing, Place, Progress, Ref
from engine.backends.scripted import ScriptedBackend
from tests.bot.conftest import StartBot, message
from tests.fakes.chat import FakeChat


class SlowChat(FakeChat):
    """A platform on which what was sent arrives after a while, whether its sender still waits or not."""

    def __init__(self, *, takes_s: float) -> None:
        super().__init__()
        self.takes_s = takes_s
        self.arrived: list[str] = []

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        await asyncio.shield(asyncio.create_task(self._arrive()))

    async def _arrive(self) -> None:
        await asyncio.sleep(self.takes_s)
        self.arrived.append("working")

    async def idle(self, place: Place, question: Ref) -> None:
        self.arrived.append("idle")

    async def post(self, outgoing: Outgoing) -> tuple[Ref, ...]:
        self.arrived.append("answer")
        return tuple(await super().post(outgoing))


async def test_the_answer_comes_behind_all_that_showed_it_coming(start_bot: StartBot) -> None:
    chat = SlowChat(takes_s=0.1)
    async with start_bot(chat=chat) as bot:
        await bot.ask("hello")
        await bot.sent(1)
        await asyncio.sleep(0.2)
    assert "working" in chat.arrived
    assert chat.arrived[-1] == "answer"


async def test_what_is_shown_of_a_withdrawn_question_is_taken_back_last(start_bot: StartBot) -> None:
    chat = SlowChat(takes_s=0.1)
    async with start_bot(chat=chat, backend=ScriptedBackend(delay_s=5)) as bot:
        asked = message("hello")
        await bot.app.message(asked)
        await asyncio.sleep(0.05)  # its first sign is on the way
        await bot.app.delete(Deletion(event="d", ref=asked.ref, at=asked.at))
        await asyncio.sleep(0.3)
    assert chat.arrived == ["working", "idle"]


async def test_a_platform_that_hangs_holds_no_answer_up_for_long(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typing, "ENDING_MAY_TAKE_S", 0.1)
    async with start_bot(chat=SlowChat(takes_s=60)) as bot:
        outcome = await bot.ask("hello")
    assert outcome.replies
