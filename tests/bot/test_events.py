"""Who is meant by a key."""

from __future__ import annotations

import pytest

from bot.events import Platform, person_of


@pytest.mark.parametrize(
    ("key", "platform", "name"),
    [
        ("discord:7", Platform.DISCORD, None),
        ("slack:T1:U7", Platform.SLACK, None),
        ("ann", Platform.WEB, "ann"),
        ("discord", Platform.WEB, "discord"),
        ("irc:ann", Platform.WEB, "irc:ann"),
    ],
)
def test_a_key_says_whose_it_is(key: str, platform: Platform, name: str | None) -> None:
    person = person_of(key)
    assert (person.key, person.platform, person.name) == (key, platform, name)
