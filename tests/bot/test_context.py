"""What the parts of the bot are handed."""

from __future__ import annotations

from dataclasses import replace

from bot.events import Place, Platform
from engine.judging.rubric import Question, Rubric
from tests.bot.conftest import Bot

OWN = Rubric(questions=(Question(name="short", text="Is it short?", weight=1.0),))


async def test_a_channel_has_its_own_rubric_on_discord_and_on_slack(bot: Bot) -> None:
    rubrics = {(Platform.DISCORD, "7"): OWN, (Platform.SLACK, "C7"): OWN}
    context = replace(bot.context, rubrics=rubrics)
    own = [
        Place(platform=Platform.DISCORD, channel="7", thread="8", is_private=False),
        Place(platform=Platform.SLACK, channel="T1/C7", is_private=False),
    ]
    others = [Place(platform=Platform.DISCORD, channel="8"), Place(platform=Platform.WEB, channel="7"), None]
    assert [context.rubric_of(place) for place in own] == [OWN, OWN]
    assert [context.rubric_of(place) for place in others] == [context.rubric] * 3
