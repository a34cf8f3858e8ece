"""The whole loop with a model, written once: a mention, feedback, a night, its note, the changed answer.

vLLM serves the practice model and the night trains on it for real; only the platform is ours. A platform's
test gives a `Room`, through which one person asks and teaches.
"""

from __future__ import annotations

import random
from typing import Final, Protocol, TypeVar

from practice import world

TURNS: Final = 24
# One critique in twenty is taken for another wish, and the person says it again, as people do.
SAID_AT_MOST: Final = 3
SAID_AGAIN_AT: Final = (3, 9)
# Untaught, one answer in four has the wanted tone; after a night some three in four have. Half of twenty
# tells the two apart: with three in four it is missed once in 250 nights, with one in four met once in 70.
ASKED_AFTER: Final = 20
RIGHT_AFTER: Final = 10
WANTED: Final = "pirate"
KEPT_OUT: Final = "Last night changed nothing: "
GOOD, BAD = "❤️", "👎"
SETTINGS: Final = {
    "NIGHTLOOM_BACKEND__KIND": "vllm",
    "NIGHTLOOM_MODEL": "practice",
    "NIGHTLOOM_LIMITS__MODE": "fast",
    "NIGHTLOOM_COMPARISON__ONE_IN": "0",
}
ANSWER_S: Final = 300.0  # the first one waits for the model
NIGHT_S: Final = 480.0

A = TypeVar("A")


class Room(Protocol[A]):
    """One person's hands on a platform. `A`: the platform's own message, as an answer."""

    async def ask(self, text: str) -> A:
        """Ask, and wait for the whole answer."""

    async def react(self, answer: A, emoji: str) -> None: ...

    async def teach(self, answer: A, text: str) -> A:
        """Say something under an answer, without mentioning the bot; the revision."""

    async def command(self, text: str) -> str:
        """What a command shows, as `learn on`."""

    async def morning_note(self) -> A:
        """Wait for the note that the night ends with."""

    async def show_more(self, note: A) -> str:
        """Press *Show me more* under it."""

    def text(self, answer: A) -> str: ...


async def teach_by_day_and_ask_after_the_night(room: Room[A], rng: random.Random) -> None:
    """A person wants one tone; after a night the LoRA alone answers in it, or they are told why it must not.

    How often the gate keeps a LoRA out is for the benches to say: one person's night is a matter of luck.
    """
    first = await room.ask(request(rng))
    await rate(room, first)
    await room.command("learn on")
    while is_wanted(room, first):  # nobody asks for what they have just been given
        first = await room.ask(request(rng))
        await rate(room, first)
    revision = first
    for _ in range(SAID_AT_MOST):
        revision = await criticise(room, revision, rng)
        if is_wanted(room, revision):
            break
    assert is_wanted(room, revision), room.text(revision)
    for turn in range(TURNS):
        answer = await room.ask(request(rng))
        await rate(room, answer)
        if turn in SAID_AGAIN_AT and not is_wanted(room, answer):
            await criticise(room, answer, rng)

    assert "The night begins" in await room.command("night")
    note = await room.morning_note()
    if room.text(note).startswith(KEPT_OUT):
        assert len(room.text(note)) > len(KEPT_OUT)
        assert "(live)" not in await room.command("me")
        return
    assert "Version 1" in await room.show_more(note)
    assert "(live)" in await room.command("me")

    await room.command("memory off")  # without the notes in the prompt it is the LoRA alone that answers
    answers = [await room.ask(request(rng)) for _ in range(ASKED_AFTER)]
    right = sum(is_wanted(room, answer) for answer in answers)
    assert right >= RIGHT_AFTER, [room.text(answer) for answer in answers]


async def criticise(room: Room[A], answer: A, rng: random.Random) -> A:
    """Say in words what the answer should have been like; the revision."""
    given = world.manner_of(room.text(answer)).tone
    return await room.teach(answer, world.critique_for(rng, "tone", WANTED, given=given))


async def rate(room: Room[A], answer: A) -> None:
    await room.react(answer, GOOD if is_wanted(room, answer) else BAD)


def request(rng: random.Random) -> str:
    return world.request(rng, held_out=False).text


def is_wanted(room: Room[A], answer: A) -> bool:
    return world.manner_of(room.text(answer)).tone == WANTED
