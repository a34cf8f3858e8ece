"""Buttons, slash commands and the context menu on Discord, through the real discord.py."""

from __future__ import annotations

import asyncio

from tests.adapters.discord.conftest import Running, StartDiscord
from tests.fakes.discord_server import Channel, DiscordServer, Interaction, Message, User

BEST = {"limits": {"mode": "best", "samples": 3}}


async def test_other_answers_are_paged_through_privately(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings=BEST) as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        pressed = await press(server, ann, answer, "Other answers")
        assert "Other answer 1 of 2" in pressed.texts[-1]
        assert pressed.is_ephemeral
        assert "◀" not in shown(pressed).buttons
        paged = await press(server, ann, shown(pressed), "▶")
        assert "Other answer 2 of 2" in paged.texts[-1]
        assert "▶" not in shown(paged).buttons


async def test_taking_another_answer_makes_it_the_answer(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings=BEST) as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        pressed = await press(server, ann, answer, "Other answers")
        other = shown(pressed).content.split("\n", 1)[1]
        await press(server, ann, shown(pressed), "Take this one")
        await server.until(lambda: answer.content == other)
        assert len(server.answers(room)) == 1


async def test_other_answers_are_for_the_asker_alone(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    async with start(settings=BEST) as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        pressed = await press(server, bob, answer, "Other answers")
        assert "echo" not in pressed.texts[-1]
        assert pressed.is_ephemeral


async def test_buttons_work_after_a_restart(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings=BEST) as bot:
        _, answer = await bot.ask(ann, room, "tea?")
    async with start(settings=BEST):
        pressed = await press(server, ann, answer, "Other answers")
        assert "Other answer 1 of 2" in pressed.texts[-1]


async def test_why_is_answered_privately(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    pressed = await press(server, ann, answer, "Why?")
    assert pressed.is_ephemeral
    assert "seed" in "\n".join(pressed.texts).lower()


async def test_ask_shows_the_question_and_answers_it(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    asked = await server.interactions.slash(ann, room, "ask", question="tea?")
    answer = await server.answer(room, 2)
    question = server.answers(room)[0]
    assert (question.content, answer.content) == ("**ann**: tea?", "echo: tea?")
    assert asked.is_deferred
    await bot.noted(answer)
    server.say(ann, room, "shorter, please", reply_to=answer)
    assert "shorter, please" in (await server.answer(room, 3)).content


async def test_a_question_that_is_refused_is_refused_privately(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings={"limits": {"max_message_chars": 10}}):
        asked = await server.interactions.slash(ann, room, "ask", question="this is rather long")
        assert "10 characters at most" in await server.interactions.responded(asked)
        assert server.answers(room) == []


async def test_correct_this_opens_a_window_with_the_answer_in_it(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    opened, answer = await correct(bot, server, room, ann)
    assert opened.modal
    assert answer.content in str(opened.modal)


async def test_a_corrected_answer_is_kept_as_a_correction(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    opened, answer = await correct(bot, server, room, ann)
    sent = await server.interactions.submit(opened, "Tea is a drink.")
    assert "word for word" in await server.interactions.responded(sent)
    assert sent.is_ephemeral
    await kept_correction(bot, ann, "Tea is a drink.")


async def test_a_window_opened_before_a_restart_still_counts(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start() as bot:
        opened, _ = await correct(bot, server, room, ann)
    async with start() as again:
        sent = await server.interactions.submit(opened, "Tea is a drink.")
        assert "word for word" in await server.interactions.responded(sent)
        await kept_correction(again, ann, "Tea is a drink.")


async def test_only_the_asker_can_correct(
    bot: Running, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    opened = await server.interactions.menu(bob, answer, "Correct this")
    assert "Only who asked" in await server.interactions.responded(opened)


async def test_what_is_no_answer_cannot_be_corrected(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    opened = await server.interactions.menu(ann, server.say(ann, room, "hello"), "Correct this")
    assert "no answer of mine" in await server.interactions.responded(opened)


async def test_who_is_not_allowed_is_told_so_privately(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    async with start(allowed_people=[ann.id]):
        asked = await server.interactions.slash(bob, room, "ask", question="tea?")
        assert "do not answer you here" in await server.interactions.responded(asked)
        assert asked.is_ephemeral


async def press(server: DiscordServer, user: User, message: Message, label: str) -> Interaction:
    pressed = await server.interactions.press(user, message, label)
    await server.interactions.responded(pressed)
    return pressed


def shown(interaction: Interaction) -> Message:
    return interaction.messages[-1]


async def correct(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> tuple[Interaction, Message]:
    _, answer = await bot.ask(ann, room, "tea?")
    opened = await server.interactions.menu(ann, answer, "Correct this")
    await server.until(lambda: opened.modal)
    return opened, answer


async def kept_correction(bot: Running, user: User, text: str) -> None:
    async with asyncio.timeout(10):
        while True:
            kept = await bot.store.teachings.of_person(f"discord:{user.id}")
            if any(teaching.text == text for teaching in kept):
                return
            await asyncio.sleep(0.02)
