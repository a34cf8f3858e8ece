"""The base beside the person's own."""

from __future__ import annotations

import pytest

from bot.answering.with_and_without import compare
from bot.errors import Refused, Unknown
from tests.bot.conftest import Bot
from tests.bot.taught import say_under


async def test_both_answer_and_only_the_own_one_knows_the_notes(bot: Bot) -> None:
    asked = await bot.ask("hello")
    await say_under(bot, "shorter please", asked.replies[0].id)
    before = [one.reply.id for one in await bot.store.replies.of_person("ann")]
    compared = await compare(bot.context, "ann", "and now?")
    assert (compared.base, compared.own, compared.lora) == ("echo: and now?", "echo: and now?", None)
    assert compared.notes == ("shorter please",)
    assert [one.reply.id for one in await bot.store.replies.of_person("ann")] == before


async def test_what_cannot_be_compared_is_refused(bot: Bot) -> None:
    with pytest.raises(Unknown):
        await compare(bot.context, "nobody", "hello")
    await bot.ask("hello")
    with pytest.raises(Refused):
        await compare(bot.context, "ann", "  ")
