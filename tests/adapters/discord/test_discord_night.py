"""What was taught on Discord by day is answered after the night."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from adapters.discord.progress import PROGRESS_MARK
from tests.adapters.discord.conftest import service_on
from tests.adapters.whole_loop import ANSWER_S, NIGHT_S, SETTINGS, teach_by_day_and_ask_after_the_night
from tests.fakes.discord_server import Channel, DiscordServer, Message, User

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

OPTIONS = {"learn": "switch", "memory": "switch"}


class DiscordRoom:
    """A channel for the questions; commands and the morning note are direct messages."""

    def __init__(self, server: DiscordServer, user: User, room: Channel) -> None:
        self.server = server
        self.user = user
        self.room = room
        self.direct = server.world.direct(user)
        self.told = 0

    async def ask(self, text: str) -> Message:
        number = len(self.server.answers(self.room)) + 1
        self.server.mention(self.user, self.room, text)
        return await self._answer(number)

    async def react(self, answer: Message, emoji: str) -> None:
        self.server.world.react(self.user, answer, emoji)

    async def teach(self, answer: Message, text: str) -> Message:
        number = len(self.server.answers(self.room)) + 1
        self.server.say(self.user, self.room, text, reply_to=answer)
        return await self._answer(number)

    async def command(self, text: str) -> str:
        name, _, value = text.partition(" ")
        options = {OPTIONS[name]: value} if value else {}
        self.told = len(self.server.answers(self.direct))
        done = await self.server.interactions.slash(self.user, self.direct, f"nightloom {name}", **options)
        return await self.server.interactions.responded(done, timeout_s=ANSWER_S)

    async def morning_note(self) -> Message:
        return await self.server.answer(self.direct, self.told + 1, timeout_s=NIGHT_S)

    async def show_more(self, note: Message) -> str:
        assert "Undo" in note.buttons, note.content
        pressed = await self.server.interactions.press(self.user, note, "Show me more")
        return await self.server.interactions.responded(pressed, timeout_s=ANSWER_S)

    def text(self, answer: Message) -> str:
        return answer.content

    async def _answer(self, number: int) -> Message:
        """The bot's n-th message, once it shows no progress; a try that failed takes its own away."""

        def whole() -> Message | None:
            answers = self.server.answers(self.room)[number - 1 :]
            return answers[0] if answers and not answers[0].content.startswith(PROGRESS_MARK) else None

        answer: Message = await self.server.until(whole, timeout_s=ANSWER_S)
        return answer


async def test_what_was_taught_by_day_is_answered_after_the_night(
    server: DiscordServer, tmp_path: Path, ann: User, room: Channel
) -> None:
    settings = {
        **SETTINGS,
        "NIGHTLOOM_LEARNING__DISCORD__ACKNOWLEDGED": "true",
        "NIGHTLOOM_DISCORD__OPERATORS": f"[{ann.id}]",
    }
    async with service_on(server, tmp_path, settings) as service:
        await server.until(lambda: server.interactions.commands, timeout_s=ANSWER_S)
        await teach_by_day_and_ask_after_the_night(DiscordRoom(server, ann, room), random.Random(7))
        assert await service.stop() == 0
