"""What went before is in the prompt as far as there is room, back to the last long silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.events import Deletion, Place, Platform, Ref
from engine.backends.scripted import ScriptedBackend
from tests.bot.conftest import Bot, StartBot, message
from tests.fakes.chat import FakeChat

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


async def turns(bot: Bot, text: str, **more: Any) -> list[str]:
    """The turns of the prompt that this question was answered from."""
    outcome = await bot.ask(text, **more)
    recorded = await bot.store.replies.recorded(outcome.replies[0].id)
    return [turn.text for turn in recorded.prompt.turns]


def at(hours: float, *, platform: Platform = Platform.DISCORD, thread: str | None = None) -> dict[str, Any]:
    """When and where a question is asked."""
    return {
        "at": NOON + timedelta(hours=hours),
        "ref": Ref(platform=platform, channel="room", id=f"q{hours}"),
        "place": Place(platform=platform, channel="room", thread=thread),
    }


async def test_a_long_silence_begins_a_new_conversation_in_a_channel(start_bot: StartBot) -> None:
    async with start_bot(chat=FakeChat(Platform.DISCORD), limits={"conversation_gap_hours": 2}) as bot:
        await bot.ask("long ago", **at(0))
        await bot.ask("one", **at(3))
        assert await turns(bot, "two", **at(4)) == ["one", "echo: one", "two"]


async def test_a_thread_and_the_web_say_themselves_where_a_conversation_begins(start_bot: StartBot) -> None:
    async with start_bot(chat=FakeChat(Platform.DISCORD), limits={"conversation_gap_hours": 2}) as bot:
        await bot.ask("long ago", **at(0, thread="t"))
        assert await turns(bot, "now", **at(9, thread="t")) == ["long ago", "echo: long ago", "now"]
        await bot.ask("on the web", **at(0, platform=Platform.WEB))
        web = await turns(bot, "still there", **at(9, platform=Platform.WEB))
        assert web == ["on the web", "echo: on the web", "still there"]


async def test_the_oldest_goes_first_where_there_is_no_room_and_the_question_stays(
    start_bot: StartBot,
) -> None:
    backend = ScriptedBackend(max_context=700)
    settings = {"limits": {"max_reply_tokens": 120, "mode": "fast"}, "memory": {"budget_tokens": 0}}
    async with start_bot(backend=backend, **settings) as bot:
        for number in range(8):
            await bot.ask(f"{number} {'x' * 60}")
        found = await turns(bot, "and now?")
        assert found[-1] == "and now?"
        assert 1 < len(found) < 17
        assert found[-3].startswith("7 ")


async def test_a_withdrawn_question_is_in_no_later_prompt(bot: Bot) -> None:
    asked = message("regretted")
    taken = await bot.app.message(asked)
    await bot.app.outcome(taken, wait_s=10)
    await bot.app.delete(Deletion(event="d", ref=asked.ref, at=NOON))
    assert await turns(bot, "next") == ["next"]


async def test_the_name_and_the_persona_are_in_the_prompt(start_bot: StartBot) -> None:
    async with start_bot(persona="You are a llama.") as bot:
        outcome = await bot.ask("hello")
        prompt = (await bot.store.replies.recorded(outcome.replies[0].id)).prompt
        assert (prompt.name, prompt.persona) == ("Ann", "You are a llama.")
