"""Talking, teaching and rating on Discord, through the real discord.py."""

from __future__ import annotations

import asyncio

import pytest

from bot.events import Notice, Outgoing, Person, Place, Platform, Reply
from bot.ports import Undeliverable
from engine.types import Mode
from tests.adapters.discord.conftest import Running, StartDiscord
from tests.fakes.discord_server import Channel, DiscordServer, Fault, Permission, User
from tests.fakes.looking import looking

QUIET_S = 0.3  # long enough for something wrong to happen


async def test_a_mention_is_answered_once_under_the_question(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    question, answer = await bot.ask(ann, room, "tea?")
    assert answer.content == "echo: tea?"
    assert answer.reference == question.id
    assert "Why?" in answer.buttons


async def test_talk_among_people_is_not_answered(
    bot: Running, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    said = server.say(ann, room, "hello bob")
    server.say(bob, room, "hello ann", reply_to=said)
    await asyncio.sleep(QUIET_S)
    assert server.answers(room) == []


async def test_a_plain_direct_message_talks(bot: Running, server: DiscordServer, ann: User) -> None:
    server.say(ann, server.world.direct(ann), "tea?")
    answer = await server.answer(server.world.direct(ann))
    assert answer.content == "echo: tea?"


async def test_nothing_pings(
    bot: Running, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    _, answer = await bot.ask(ann, room, f"@everyone and {bob.mention}")
    assert answer.content == "echo: @everyone and @bob"
    assert answer.pinged == set()


async def test_a_reaction_rates_and_taking_it_off_takes_it_back(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    reply = await bot.noted(answer)
    server.world.react(ann, answer, "👍")
    await until(bot, reply, ann, {"👍"})
    server.world.unreact(ann, answer, "👍")
    await until(bot, reply, ann, set())


async def test_an_answer_is_taught_about_before_the_bot_is_told_where_it_stands(
    bot: Running, server: DiscordServer, room: Channel, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = looking(monkeypatch, bot.store.replies, "at")
    told = asyncio.Event()
    server.faults.append(Fault(method="POST", path=r"/channels/\d+/messages$", holds=told))
    server.mention(ann, room, "tea?")
    answer = await server.answer(room)
    server.say(ann, room, "better: Tea is warm.", reply_to=answer)
    await looked.wait()
    told.set()
    await server.answer(room, 2)
    teachings = await bot.store.teachings.of_person(f"discord:{ann.id}")
    assert [teaching.wanted for teaching in teachings] == ["Tea is warm."]


async def test_others_rate_for_themselves(
    bot: Running, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    reply = await bot.noted(answer)
    server.world.react(bob, answer, "👎")
    await until(bot, reply, bob, {"👎"})
    assert await bot.emoji(reply, ann) == frozenset()


async def test_cleared_reactions_are_gone_for_everybody(
    bot: Running, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    reply = await bot.noted(answer)
    for user in (ann, bob):
        server.world.react(user, answer, "👍")
        server.world.react(user, answer, "🎉")
    await until(bot, reply, bob, {"👍", "🎉"})
    server.world.clear(answer, "👍")
    await until(bot, reply, ann, {"🎉"})
    server.world.clear(answer)
    await until(bot, reply, ann, set())
    await until(bot, reply, bob, set())


async def test_an_edited_question_is_answered_anew_in_the_old_place(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    question, answer = await bot.ask(ann, room, "tea?")
    server.edit(question, f"{server.world.bot.mention} coffee?")
    await server.until(lambda: answer.content == "echo: coffee?")
    assert len(server.answers(room)) == 1


async def test_an_edit_to_a_longer_and_a_shorter_answer_leaves_no_piece_behind(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    question, _ = await bot.ask(ann, room, "tea?")
    long = "many words " * 170
    server.edit(question, f"{server.world.bot.mention} {long}")
    await server.until(lambda: len(server.answers(room)) == 1 and len(server.answers(room)[0].content) > 1000)
    server.edit(question, f"{server.world.bot.mention} coffee?")
    await server.until(lambda: [said.content for said in server.answers(room)] == ["echo: coffee?"])


async def test_a_deleted_question_is_not_learned_from(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    question, answer = await bot.ask(ann, room, "tea?")
    reply = await bot.noted(answer)
    server.world.delete(question)
    while not (await bot.store.replies.recorded(reply)).never_learn:
        await asyncio.sleep(0.01)


async def test_a_long_answer_comes_in_pieces_with_buttons_under_the_last(
    bot: Running, server: DiscordServer, ann: User
) -> None:
    direct = server.world.direct(ann)
    server.say(ann, direct, "lot " * 499 + "end")
    await server.answer(direct, 2)
    first, last = server.answers(direct)
    assert f"{first.content} {last.content}".split() == ["echo:", *["lot"] * 499, "end"]
    assert (list(first.buttons), "Why?" in last.buttons) == ([], True)
    assert (first.reference is None, last.reference is None) == (False, True)


async def test_a_reply_by_the_asker_teaches(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    server.say(ann, room, "shorter, please", reply_to=answer)
    revision = await server.answer(room, 2)
    assert "shorter, please" in revision.content


async def test_a_reply_by_somebody_else_is_talk_among_people(
    bot: Running, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    server.say(bob, room, "shorter, please", reply_to=answer)
    await asyncio.sleep(QUIET_S)
    assert len(server.answers(room)) == 1


async def test_a_reply_with_the_mention_in_its_text_goes_on_talking(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    server.say(ann, room, f"{server.world.bot.mention} and coffee?", reply_to=answer)
    assert (await server.answer(room, 2)).content == "echo: and coffee?"


async def test_in_a_thread_opened_at_an_answer_plain_words_teach(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    _, answer = await bot.ask(ann, room, "tea?")
    thread = server.world.open_thread(answer, "about tea")
    server.say(ann, thread, "shorter, please")
    assert "shorter, please" in (await server.answer(thread)).content


async def test_a_mention_in_a_thread_is_answered_there(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    thread = server.world.open_thread(server.say(ann, room, "topic"), "a topic")
    server.mention(ann, thread, "tea?")
    assert (await server.answer(thread)).content == "echo: tea?"


async def test_who_is_blocked_or_not_allowed_gets_no_answer(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    carl = server.world.add_user("carl")
    async with start(allowed_people=[ann.id, bob.id], blocked_people=[bob.id]) as bot:
        server.mention(bob, room, "tea?")
        server.mention(carl, room, "tea?")
        await bot.ask(ann, room, "tea?")
        await asyncio.sleep(QUIET_S)
        assert len(server.answers(room)) == 1


async def test_allowed_servers_hold_for_direct_messages_too(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    stranger = server.world.add_user("stranger")
    assert room.guild
    async with start(allowed_servers=[room.guild.id]):
        server.say(stranger, server.world.direct(stranger), "tea?")
        server.say(ann, server.world.direct(ann), "tea?")
        await server.answer(server.world.direct(ann))
        await asyncio.sleep(QUIET_S)
        assert server.answers(server.world.direct(stranger)) == []


async def test_a_role_may_be_needed(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User, bob: User
) -> None:
    assert room.guild
    role = server.world.add_role(room.guild, "friends")
    ann.roles.add(role)
    async with start(allowed_roles=[role]) as bot:
        server.mention(bob, room, "tea?")
        await bot.ask(ann, room, "tea?")
        await asyncio.sleep(QUIET_S)
        assert len(server.answers(room)) == 1


async def test_a_channel_has_its_own_mode(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(channel_modes={room.id: "fast"}) as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        reply = await bot.app.store.replies.get(await bot.noted(answer))
        assert reply.mode == "fast"


async def test_without_the_content_intent_mentions_work_and_blank_replies_are_explained(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    server.gateway.portal_intents = 0
    async with start() as bot:
        _, answer = await bot.ask(ann, room, "tea?")
        server.say(ann, room, "shorter, please", reply_to=answer)  # pings, so it may be read
        assert "shorter, please" in (await server.answer(room, 2)).content
        server.say(ann, room, "longer, please", reply_to=answer, pings=False)
        assert "cannot read" in (await server.answer(room, 3)).content


async def test_where_it_may_not_write_the_asker_is_told_privately(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    server.world.deny(room, Permission.SEND_MESSAGES)
    server.mention(ann, room, "tea?")
    told = await server.answer(server.world.direct(ann))
    assert "could not be posted" in told.content


async def test_closed_direct_messages_are_told_of_in_the_channel_once(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    ann.accepts_direct_messages = False
    person = Person(key=f"discord:{ann.id}", platform=Platform.DISCORD, name="ann")
    place = Place(platform=Platform.DISCORD, channel=str(room.id), is_private=False)
    for _ in range(2):
        with pytest.raises(Undeliverable, match="direct messages"):
            await bot.chat.tell(person, place, Notice(text="a secret"))
    [told] = server.answers(room)
    assert "closed" in told.content
    assert "secret" not in told.content


async def test_a_gone_channel_is_undeliverable(bot: Running, room: Channel, server: DiscordServer) -> None:
    place = Place(platform=Platform.DISCORD, channel="1", is_private=False)
    person = Person(key="discord:1", platform=Platform.DISCORD)
    with pytest.raises(Undeliverable, match="gone"):
        await bot.chat.post(outgoing(place, person))


def outgoing(place: Place, person: Person) -> Outgoing:
    reply = Reply(
        id="r",
        message="m",
        conversation="c",
        person=person.key,
        text="hello",
        mode=Mode.FAST,
        score=None,
        lora=None,
        seed=1,
    )
    return Outgoing(key="k", reply=reply, place=place, question=None)


async def test_an_empty_mention_is_told_what_to_do(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    server.mention(ann, room, "")
    assert "write your question" in (await server.answer(room)).content


async def test_a_pasted_text_that_became_a_file_is_read(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    pasted = server.world.keep_file("message.txt", b"a long tale")
    server.say(ann, room, f"{server.world.bot.mention} shorten this", files=[pasted])
    assert (await server.answer(room)).content == "echo: shorten this\n\na long tale"


async def test_an_edited_question_keeps_the_file_that_hangs_on_it(
    bot: Running, server: DiscordServer, room: Channel, ann: User
) -> None:
    pasted = server.world.keep_file("message.txt", b"a long tale")
    question = server.say(ann, room, f"{server.world.bot.mention} shorten this", files=[pasted])
    answer = await server.answer(room)
    server.edit(question, f"{server.world.bot.mention} translate this")
    await server.until(lambda: answer.content == "echo: translate this\n\na long tale")


async def test_typing_is_shown_while_it_works(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(delay_s=0.1) as bot:
        await bot.ask(ann, room, "tea?")
        assert room.typing


async def test_a_slow_answer_shows_its_progress_and_is_written_over_it(
    start: StartDiscord, server: DiscordServer, room: Channel, ann: User
) -> None:
    async with start(delay_s=0.2, progress_after_s=0.1) as bot:
        server.mention(ann, room, "tea?")
        shown = await server.answer(room)
        assert shown.content.startswith("⏳")
        await server.until(lambda: shown.content == "echo: tea?")
        await bot.noted(shown)
        assert len(server.answers(room)) == 1


async def until(bot: Running, reply: str, user: User, emoji: set[str]) -> None:
    async with asyncio.timeout(10):
        while await bot.emoji(reply, user) != emoji:
            await asyncio.sleep(0.01)
