"""The whole loop on Discord with a model: mention, reaction, critique, a night, the note, the changed answer.

vLLM serves the practice model, the night trains on it for real. Only the Discord is ours.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from adapters.discord_progress import PROGRESS_MARK
from engine.practice import world
from tests.adapters.discord.process import running
from tests.fakes.discord_server import Channel, DiscordServer, Message, User

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ANSWER_S = 300.0  # the first one waits for the model
NIGHT_S = 480.0
QUESTIONS = 24
WANTED = "pirate"


async def test_what_was_taught_by_day_is_answered_after_the_night(
    server: DiscordServer, tmp_path: Path, ann: User, room: Channel
) -> None:
    settings = {
        "NIGHTLOOM_BACKEND__KIND": "vllm",
        "NIGHTLOOM_LIMITS__MODE": "fast",
        "NIGHTLOOM_LEARNING__DISCORD__ACKNOWLEDGED": "true",
        "NIGHTLOOM_DISCORD__OPERATORS": f"[{ann.id}]",
        "NIGHTLOOM_DUELS__ONE_IN": "0",
    }
    rng = random.Random(7)
    direct = server.world.direct(ann)
    async with running(server, tmp_path, settings) as service:
        await server.until(lambda: server.interactions.commands, timeout_s=ANSWER_S)
        first = await asked(server, ann, room, rng)
        server.world.react(ann, first, "❤️" if is_wanted(first) else "👎")
        await command(server, ann, direct, "learn", switch="on")
        critique = world.critique_for(rng, "tone", WANTED, given=world.manner_of(first.content).tone)
        server.say(ann, room, critique, reply_to=first)
        revision = await finished(server, room, 2)
        assert "Noted" in revision.content
        assert is_wanted(revision)
        for _ in range(QUESTIONS):
            answer = await asked(server, ann, room, rng)
            server.world.react(ann, answer, "❤️" if is_wanted(answer) else "👎")

        before = len(server.answers(direct))
        assert "The night begins" in await command(server, ann, direct, "night")
        note = await server.answer(direct, before + 1, timeout_s=NIGHT_S)
        assert "Undo" in note.buttons, note.content
        more = await server.interactions.press(ann, note, "Show me more")
        assert "Version 1" in await server.interactions.responded(more, timeout_s=ANSWER_S)
        assert "(live)" in await command(server, ann, direct, "me")

        # Without the notes in the prompt it is the LoRA alone that answers.
        await command(server, ann, direct, "memory", switch="off")
        answers = [await asked(server, ann, room, rng) for _ in range(8)]
        assert sum(map(is_wanted, answers)) >= 6, [answer.content for answer in answers]
        assert await service.stop() == 0


async def asked(server: DiscordServer, user: User, room: Channel, rng: random.Random) -> Message:
    number = len(server.answers(room)) + 1
    server.mention(user, room, world.request(rng, held_out=False).text)
    return await finished(server, room, number)


async def finished(server: DiscordServer, room: Channel, number: int) -> Message:
    """The bot's n-th message, once it shows no progress any more."""
    answer = await server.answer(room, number, timeout_s=ANSWER_S)
    await server.until(lambda: not answer.content.startswith(PROGRESS_MARK), timeout_s=ANSWER_S)
    return answer


def is_wanted(answer: Message) -> bool:
    return world.manner_of(answer.content).tone == WANTED


async def command(server: DiscordServer, user: User, channel: Channel, name: str, **options: object) -> str:
    done = await server.interactions.slash(user, channel, f"nightloom {name}", **options)
    return await server.interactions.responded(done, timeout_s=ANSWER_S)
