"""What every chat platform must show, written once: the web chat's behaviour, through a platform's own hands.

A platform's tests subclass `ChatContract` and give it a `driver` fixture: a running bot on the scripted
backend in mode `best`, with learning acknowledged, and a way to do there what people do. A platform that
pushes events subclasses `PushedContract`, which adds what may go wrong on the way.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from bot.door.app import App
from bot.errors import Unknown
from bot.events import ReactionState
from tests.fakes.looking import looking

LATEST_S = 15.0
QUIET_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with the answer that the platform shows. `handle`: the driver's own, for either."""

    question: object
    answer: object
    reply: str  # the id of the recorded reply
    text: str


class Driver(ABC):
    """The hands of people on one platform. Every method returns when the platform has taken it."""

    app: App

    @abstractmethod
    def key(self, name: str) -> str:
        """The key of the person who has this name here."""

    @abstractmethod
    async def ask(self, name: str, text: str) -> Asked:
        """Ask in the person's usual place, and wait for the answer."""

    @abstractmethod
    async def shown(self, name: str) -> list[str]:
        """The texts of all answers that stand in the person's place now, oldest first."""

    @abstractmethod
    async def react(self, name: str, asked: Asked, emoji: str, *, on: bool = True) -> None: ...

    @abstractmethod
    async def teach(self, name: str, asked: Asked, text: str) -> None:
        """Say something under an answer, without mentioning the bot."""

    @abstractmethod
    async def edit(self, name: str, asked: Asked, text: str) -> None: ...

    @abstractmethod
    async def withdraw(self, name: str, asked: Asked) -> None: ...

    @abstractmethod
    async def take_other(self, name: str, asked: Asked) -> str:
        """Open the other answers, take the first; its text."""

    @abstractmethod
    async def why(self, name: str, asked: Asked) -> str: ...

    @abstractmethod
    async def told_privately(self, name: str) -> list[str]:
        """What the bot has told this person alone, unasked."""

    @abstractmethod
    async def agree(self, name: str) -> None:
        """Say yes to being learned from, as the person was asked."""

    @abstractmethod
    async def notes(self, name: str) -> list[str]:
        """The person's standing notes, as the platform shows them."""

    @abstractmethod
    async def delete_note(self, name: str, number: int) -> None: ...

    @abstractmethod
    async def set_mode(self, name: str, mode: str) -> None: ...

    @abstractmethod
    async def export(self, name: str) -> bytes: ...

    @abstractmethod
    async def import_(self, name: str, archive: bytes) -> None: ...

    @abstractmethod
    async def forget(self, name: str) -> None: ...


class PushedDriver(Driver):
    """A platform that tells of what happens by events, each possibly more than once."""

    @abstractmethod
    async def ask_told_twice(self, name: str, text: str) -> None:
        """One question, whose event is delivered twice."""

    @abstractmethod
    async def ask_untold(self, name: str, text: str) -> Asked:
        """Ask, and see the answer. The bot is not told where it stands until `tell`; `reply` is empty."""

    @abstractmethod
    def tell(self) -> None: ...

    @abstractmethod
    async def reconnect(self) -> None:
        """Break the connection off; it comes back by itself."""


class ChatContract:
    """Behaviours of every platform."""

    async def test_a_question_gets_one_answer(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        assert asked.text == "echo: tea?"
        await asyncio.sleep(QUIET_S)
        assert await driver.shown("ann") == ["echo: tea?"]

    async def test_questions_are_answered_in_their_order(self, driver: Driver) -> None:
        for number in range(3):
            await driver.ask("ann", f"question {number}")
        assert await driver.shown("ann") == [f"echo: question {number}" for number in range(3)]

    async def test_a_reaction_rates_and_taking_it_off_takes_it_back(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.react("ann", asked, "❤️")
        await until(lambda: rating(driver, asked), 5)
        await driver.react("ann", asked, "❤️", on=False)
        await until(lambda: rating(driver, asked), None)

    async def test_mixed_reactions_are_neutral(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.react("ann", asked, "👍")
        await until(lambda: rating(driver, asked), 4)
        await driver.react("ann", asked, "👎")
        await until(lambda: rating(driver, asked), None)

    async def test_a_critique_is_noted_and_answered_again_under_it(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.teach("ann", asked, "Answer in short prose.")
        await until(lambda: count(driver, "ann"), 2)
        assert "Answer in short prose." in (await driver.shown("ann"))[-1]
        assert any("short prose" in note for note in await driver.notes("ann"))

    async def test_a_note_is_deleted(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.teach("ann", asked, "Answer in short prose.")
        await until(lambda: count(driver, "ann"), 2)
        await driver.delete_note("ann", 1)
        assert not any("short prose" in note for note in await driver.notes("ann"))

    async def test_a_correction_is_kept_word_for_word(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.teach("ann", asked, "better: Tea is a drink made of leaves.")
        await until(lambda: wanted(driver, "ann"), ["Tea is a drink made of leaves."])

    async def test_another_answer_is_taken_in_the_place_of_the_first(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        other = await driver.take_other("ann", asked)
        assert other != asked.text
        await until(lambda: driver.shown("ann"), [other])

    async def test_why_names_the_seed(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        assert "seed" in (await driver.why("ann", asked)).lower()

    async def test_an_edited_question_is_answered_anew_in_the_old_place(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.edit("ann", asked, "coffee?")
        await until(lambda: driver.shown("ann"), ["echo: coffee?"])

    async def test_a_withdrawn_question_is_not_learned_from(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.withdraw("ann", asked)
        await until(lambda: never_learned(driver, asked), True)

    async def test_consent_is_asked_once_and_privately(self, driver: Driver) -> None:
        for number in range(2):
            await driver.react("ann", await driver.ask("ann", f"question {number}"), "👍")
        await until(lambda: asked_for_consent(driver, "ann"), 1)
        await asyncio.sleep(QUIET_S)
        assert await asked_for_consent(driver, "ann") == 1
        assert await asked_for_consent(driver, "bob") == 0
        await driver.agree("ann")
        await until(lambda: learning(driver, "ann"), True)

    async def test_nothing_of_one_person_reaches_another(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.teach("ann", asked, "Answer in short prose.")
        await until(lambda: count(driver, "ann"), 2)
        await driver.ask("bob", "coffee?")
        assert not any("short prose" in note for note in await driver.notes("bob"))
        assert "short prose" not in "".join(await driver.told_privately("bob"))

    async def test_a_person_has_their_own_mode(self, driver: Driver) -> None:
        await driver.set_mode("ann", "fast")
        asked = await driver.ask("ann", "tea?")
        assert (await driver.app.store.replies.get(asked.reply)).mode == "fast"

    async def test_what_was_taught_is_carried_away_and_taken_in_again(self, driver: Driver) -> None:
        asked = await driver.ask("ann", "tea?")
        await driver.teach("ann", asked, "Answer in short prose.")
        await until(lambda: count(driver, "ann"), 2)
        archive = await driver.export("ann")
        await driver.forget("ann")
        await driver.ask("ann", "tea?")
        await driver.import_("ann", archive)
        assert any("short prose" in note for note in await driver.notes("ann"))

    async def test_forgetting_erases_the_person(self, driver: Driver) -> None:
        await driver.ask("ann", "tea?")
        await driver.forget("ann")
        assert await driver.app.store.people.get(driver.key("ann")) is None


class PushedContract(ChatContract):
    """Behaviours of platforms that push events, beside all others."""

    async def test_a_question_told_twice_gets_one_answer(self, driver: PushedDriver) -> None:
        await driver.ask_told_twice("ann", "tea?")
        await until(lambda: driver.shown("ann"), ["echo: tea?"])
        await asyncio.sleep(QUIET_S)
        assert await driver.shown("ann") == ["echo: tea?"]

    async def test_an_answer_is_rated_before_the_bot_is_told_where_it_stands(
        self, driver: PushedDriver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The event itself counts, not only what is read back after a connection.
        monkeypatch.setattr(driver.app, "reactions", nothing_read_back)
        looked = looking(monkeypatch, driver.app.store.reactions, "put")
        asked = await driver.ask_untold("ann", "tea?")
        await driver.react("ann", asked, "❤️")
        await looked.wait()
        driver.tell()
        await until(lambda: last_rating(driver, "ann"), 5)

    async def test_a_broken_connection_loses_nothing(self, driver: PushedDriver) -> None:
        await driver.ask("ann", "before")
        await driver.reconnect()
        await driver.ask("ann", "after")
        assert await driver.shown("ann") == ["echo: before", "echo: after"]


async def until(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Wait for something to be so."""
    end = asyncio.get_running_loop().time() + LATEST_S
    while (found := await look()) != wanted:
        assert asyncio.get_running_loop().time() < end, f"{found!r} and not {wanted!r}"
        await asyncio.sleep(0.02)


async def nothing_read_back(states: Sequence[ReactionState]) -> int:
    return 0


async def last_rating(driver: Driver, name: str) -> int | None:
    return (await driver.app.store.replies.of_person(driver.key(name)))[0].reply.rating


async def rating(driver: Driver, asked: Asked) -> int | None:
    return (await driver.app.store.replies.get(asked.reply)).rating


async def count(driver: Driver, name: str) -> int:
    return len(await driver.shown(name))


async def wanted(driver: Driver, name: str) -> list[str | None]:
    return [teaching.wanted for teaching in await driver.app.store.teachings.of_person(driver.key(name))]


async def never_learned(driver: Driver, asked: Asked) -> bool:
    try:
        recorded = await driver.app.store.replies.recorded(asked.reply)
    except Unknown:
        return True
    return recorded.never_learn or not recorded.is_current


async def learning(driver: Driver, name: str) -> bool | None:
    known = await driver.app.store.people.get(driver.key(name))
    return None if known is None else known.learning


async def asked_for_consent(driver: Driver, name: str) -> int:
    return sum("May I learn from you" in text for text in await driver.told_privately(name))
