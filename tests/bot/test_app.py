"""The door: what is taken in is answered once, in order, fairly; edits and deletions reach the work."""

from __future__ import annotations

from tests.bot.conftest import Bot, is_answered


async def test_a_question_is_answered_recorded_and_posted_once(bot: Bot) -> None:
    outcome = await bot.ask("hello")
    await bot.sent(1)
    assert is_answered(outcome)
    assert [reply.text for reply in outcome.replies] == ["echo: hello"]
    assert [post.reply.text for post in bot.chat.posts] == ["echo: hello"]
