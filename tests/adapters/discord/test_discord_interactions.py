"""Buttons, slash commands and the context menu on Discord, through the real discord.py."""

from __future__ import annotations

import asyncio

from tests.adapters.discord.conftest import Running, StartDiscord
from tests.fakes.discord_server import Channel, DiscordServer, Interaction, Message, User

BEST = {"limits": {"mode": "best", "samples": 3}}
LEARNS = {"learning": {"discord": {"acknowledged": True}}}


async def test_other_answers_are_paged_through_privately(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings=BEST) as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        pressed = await press(server, ann, answer, "Other answers")
        assert "1 of 2" in pressed.texts[-1]
        assert pressed.is_ephemeral
        assert "Back" not in shown(pressed).buttons
        paged = await press(server, ann, shown(pressed), "Next")
        assert "2 of 2" in paged.texts[-1]
        assert "Next" not in shown(paged).buttons


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
        assert "1 of 2" in pressed.texts[-1]


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
    assert answer.reference == question.id
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
    accepted = await server.answer(room, 2)
    assert accepted.reference == answer.id
    assert accepted.content.endswith("Tea is a drink.")


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


async def test_every_command_is_answered_privately_and_in_time(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings=LEARNS) as bot:
        await bot.ask(ann, room, "tea?")
        said = {
            "help": await command(server, ann, room, "help"),
            "me": await command(server, ann, room, "me"),
            "why": await command(server, ann, room, "why"),
            "notes": await command(server, ann, room, "notes"),
            "learn": await command(server, ann, room, "learn", switch="on"),
            "memory": await command(server, ann, room, "memory", switch="off"),
            "mode": await command(server, ann, room, "mode", mode="best"),
            "undo": await command(server, ann, room, "undo"),
            "night": await command(server, ann, room, "night"),
            "forget": await command(server, ann, room, "forget"),
        }
        assert "Reply to teach" in said["help"]
        assert "No standing notes" in said["notes"]
        assert "I learn from you by night" in said["learn"]
        assert "mode best" in said["mode"]
        assert "Only operators" in said["night"]
        assert "erases" in said["forget"]
        assert all(interaction.is_ephemeral for interaction in server.interactions.all)


async def test_a_note_is_deleted_by_its_number(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    server.say(ann, room, "Answer in short prose.", reply_to=answer)
    await server.answer(room, 2)
    assert "short prose" in await command(server, ann, room, "notes")
    assert "Deleted" in await command(server, ann, room, "notes", delete=1)
    assert "No standing notes" in await command(server, ann, room, "notes")


async def test_an_export_comes_by_direct_message_and_goes_in_again(
    bot: Running, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    await bot.ask(ann, room, "tea?")
    assert "direct message" in await command(server, ann, room, "export")
    [archive] = (await server.answer(server.world.direct(ann))).attachments
    assert archive["filename"].endswith(".zip")
    told = await command(server, bob, room, "import", archive=archive)
    assert "1" in told


async def test_an_export_to_closed_direct_messages_says_what_to_do(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    await bot.ask(ann, room, "tea?")
    ann.accepts_direct_messages = False
    assert "Open your direct messages" in await command(server, ann, room, "export")


async def test_forgetting_everything_says_what_was_erased(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    await bot.ask(ann, room, "tea?")
    await command(server, ann, room, "forget", confirm="everything")
    assert await bot.store.people.get(f"discord:{ann.id}") is None


async def test_consent_is_asked_privately_and_given_by_a_button(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(settings=LEARNS) as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        server.world.react(ann, answer, "👍")
        asked = await server.answer(server.world.direct(ann))
        pressed = await press(server, ann, asked, "Yes, learn from me")
        assert "I learn from you by night" in pressed.texts[-1]
        known = await bot.store.people.get(f"discord:{ann.id}")
        assert known
        assert known.learning is True


async def test_a_revision_that_was_a_question_is_answered(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    server.say(ann, room, "shorter, please", reply_to=answer)
    revision = await server.answer(room, 2)
    await bot.noted(revision)
    await press(server, ann, revision, "That was a question")
    await server.until(lambda: any(said.content == "echo: shorter, please" for said in server.answers(room)))


async def command(server: DiscordServer, user: User, channel: Channel, name: str, **options: object) -> str:
    done = await server.interactions.slash(user, channel, f"nightloom {name}", **options)
    return await server.interactions.responded(done)


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
