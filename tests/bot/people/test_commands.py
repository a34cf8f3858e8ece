"""Every command and every button, as all platforms have them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot import permission
from bot.errors import BotError, NotYours, Refused, Unknown
from bot.events import Action, ActionKind, Command, Notice, Person, Place, Platform
from bot.people import commands, consent
from bot.ports import RateLimited, Undeliverable, Unreachable
from bot.store.nights import NightOutcome, NightPerson
from engine.types import Mode
from tests.bot.conftest import Bot, StartBot
from tests.bot.taught import (
    notes_of,
    react,
    say_under,
    who,
)

PLACE = Place(platform=Platform.WEB, channel="c")


async def run(bot: Bot, line: str, **more: Any) -> Notice:  # Any: other fields of a Command
    name, *arguments = line.split()
    return await bot.app.command(
        Command(person=who("ann"), place=PLACE, name=name, arguments=tuple(arguments), **more)
    )


async def press(bot: Bot, kind: ActionKind, target: str, *, person: str = "ann") -> Notice:
    notice = await bot.app.press(who(person), Action(kind=kind, label="", target=target))
    assert notice is not None
    return notice


async def test_help_names_every_command_and_each_is_there(bot: Bot) -> None:
    told = (await run(bot, "help")).text
    for name in commands.HELP:
        assert f"`{name}`" in told
        assert await _is_known(bot, name)


async def _is_known(bot: Bot, name: str) -> bool:
    try:
        await run(bot, name)
    except BotError as error:
        return error.code != "unknown_command"
    return True


async def test_an_unknown_command_says_what_to_do(bot: Bot) -> None:
    with pytest.raises(Unknown, match="help"):
        await run(bot, "dance")


async def test_me_shows_what_is_known(bot: Bot) -> None:
    asked = await bot.ask("hello")
    await react(bot, "❤️", asked.replies[0].id)
    await say_under(bot, "shorter please", asked.replies[0].id)
    told = (await run(bot, "me")).text
    assert "1 rated answers, 5.0 of 5" in told
    assert "1. shorter please (critique)" in told
    assert "learn on" in told


async def test_notes_are_listed_and_deleted_by_number(bot: Bot) -> None:
    asked = await bot.ask("hello")
    await say_under(bot, "shorter please", asked.replies[0].id)
    await say_under(bot, "no lists", asked.replies[0].id)
    assert (await run(bot, "notes")).text.splitlines()[1].startswith("2. no lists")
    assert "shorter please" in (await run(bot, "notes delete 1")).text
    assert await notes_of(bot) == ["no lists"]
    for wrong in ("notes delete 9", "notes delete"):
        with pytest.raises(BotError):
            await run(bot, wrong)


async def test_learning_is_switched_by_word_and_by_button(bot: Bot) -> None:
    await bot.ask("hello")
    for said, state in (("learn on", True), ("learn off", False)):
        await run(bot, said)
        known = await bot.store.people.get("ann")
        assert known is not None
        assert known.learning is state
    await press(bot, ActionKind.LEARN_ON, "ann")
    with pytest.raises(Refused):
        await press(bot, ActionKind.LEARN_OFF, "bob")
    with pytest.raises(Refused, match="learn on"):
        await run(bot, "learn maybe")


async def test_mode_and_memory_are_switched(bot: Bot) -> None:
    await run(bot, "mode best")
    await run(bot, "memory off")
    known = await bot.store.people.get("ann")
    assert known is not None
    assert (known.mode, known.memory) == (Mode.BEST, False)
    with pytest.raises(Refused, match="fast"):
        await run(bot, "mode slow")


async def test_export_gives_a_file_that_import_takes(bot: Bot) -> None:
    await bot.ask("hello")
    exported = await run(bot, "export")
    assert exported.file is not None
    assert "there already" in (await run(bot, "import", attachment=exported.file)).text
    with pytest.raises(Refused, match="Attach"):
        await run(bot, "import")
    on_slack = Command(person=who("ann"), place=Place(platform=Platform.SLACK, channel="T/C"), name="import")
    with pytest.raises(Refused, match="Send me the file in a direct message"):
        await bot.app.command(on_slack)


async def test_only_operators_start_nights(bot: Bot) -> None:
    with pytest.raises(Refused, match="operators"):
        await run(bot, "night")


async def test_a_night_for_nobody_says_so(bot: Bot) -> None:
    everybody = Command(person=who("ann"), place=PLACE, name="night", arguments=("all",), is_operator=True)
    told = await bot.app.command(everybody)
    assert told.text == "Nobody has enough new feedback and consent."


async def test_other_answers_are_paged_and_one_is_taken(bot: Bot) -> None:
    asked = await bot.ask("hello", mode=Mode.BEST)
    reply = asked.replies[0]
    page = await press(bot, ActionKind.OTHER_ANSWERS, reply.id)
    assert page.text.endswith(reply.alternatives[0].text)
    targets = {action.label: action.target for action in page.actions}
    second = await press(bot, ActionKind.SHOW_MORE, targets["Next"])
    assert second.text.endswith(reply.alternatives[1].text)
    take = next(action.target for action in second.actions if action.kind is ActionKind.TAKE)
    for _ in range(2):
        await press(bot, ActionKind.TAKE, take)
    assert (await bot.store.replies.get(reply.id)).text == reply.alternatives[1].text
    (choice,) = await bot.store.choices.of_person("ann")
    assert (choice.chosen_text, choice.rejected_text) == (reply.alternatives[1].text, reply.text)
    with pytest.raises(NotYours):
        await press(bot, ActionKind.OTHER_ANSWERS, reply.id, person="bob")


async def test_why_tells_what_an_answer_was_made_of(bot: Bot) -> None:
    first = await bot.ask("hello")
    await say_under(bot, "shorter please", first.replies[0].id)
    asked = await bot.ask("again", mode=Mode.BEST)
    told = (await press(bot, ActionKind.WHY, asked.replies[0].id)).text
    assert "Note: shorter please" in told
    assert f"seed {asked.replies[0].seed}" in told
    assert "not learned from" in told
    assert (await run(bot, "why")).text == told
    with pytest.raises(NotYours):
        await press(bot, ActionKind.WHY, asked.replies[0].id, person="bob")


async def test_a_person_is_asked_for_consent_once_after_their_first_rating(bot: Bot) -> None:
    asked = await bot.ask("hello")
    for emoji in ("👍", "❤️"):
        await react(bot, emoji, asked.replies[0].id)
    async with asyncio.timeout(5):
        while not bot.chat.told:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    questions = [notice for _, notice in bot.chat.told if notice.text == consent.QUESTION]
    assert len(questions) == 1
    assert [action.kind for action in questions[0].actions] == [ActionKind.LEARN_ON, ActionKind.LEARN_OFF]


async def consent_questions(bot: Bot, *, to_refuse: int) -> int:
    """How often a person is asked who rates until as many tries have failed, and once more."""
    asked = await bot.ask("hello")
    for left in range(to_refuse, -1, -1):
        await react(bot, "👍", asked.replies[0].id, is_on=left % 2 == 0)
        async with asyncio.timeout(5):
            while len(bot.chat.refuse_to_tell) >= left > 0:
                await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    return sum(notice.text == consent.QUESTION for _, notice in bot.chat.told)


async def test_the_question_for_consent_is_asked_again_where_the_platform_was_away(bot: Bot) -> None:
    bot.chat.refuse_to_tell += [Unreachable("away"), RateLimited("too much", retry_after_s=1.0)]
    assert await consent_questions(bot, to_refuse=2) == 1


async def test_who_can_never_be_told_is_not_asked_again_and_again(bot: Bot) -> None:
    bot.chat.refuse_to_tell.append(Undeliverable("closed"))
    assert await consent_questions(bot, to_refuse=1) == 0


async def test_nobody_is_learned_from_where_the_operator_has_not_acknowledged_it(start_bot: StartBot) -> None:
    async with start_bot() as bot:
        assert not permission.is_allowed(bot.context.settings, Platform.DISCORD)
        await bot.store.people.meet(Person(key="discord:1", platform=Platform.DISCORD))
        await bot.store.people.change("discord:1", learning=True)
        known = await bot.store.people.get("discord:1")
        assert known is not None
        assert not permission.may_learn(bot.context.settings, known)
        with pytest.raises(Refused, match="acknowledged"):
            await consent.decide(bot.context, "discord:1", is_yes=True)
    async with start_bot(learning={"discord": {"acknowledged": True}}) as bot:
        assert permission.may_learn(bot.context.settings, known)


async def test_more_of_a_night_is_shown_to_its_person_alone(bot: Bot) -> None:
    for name in ("ann", "bob"):
        await bot.store.people.meet(who(name))
    await bot.store.nights.start("night", ["ann"], was_asked=True)
    kept = NightPerson(person="ann", outcome=NightOutcome.KEPT, reason="no gain", used={"ratings": 7})
    await bot.store.nights.settle("night", kept)
    told = await press(bot, ActionKind.SHOW_MORE, "night")
    assert "no gain" in told.text
    assert "ratings: 7" in told.text
    with pytest.raises(NotYours):
        await press(bot, ActionKind.SHOW_MORE, "night", person="bob")
