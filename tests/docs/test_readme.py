"""What the README says is compared with what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from bot.ratings import DEFAULT_RATINGS, NEVER_LEARN
from bot.settings import TABLES, described, variable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    """The table as it has to stand in the README."""
    lines = ["| setting | default | what it is |", "| --- | --- | --- |"]
    for key, help_line, default in described():
        shown = (
            "" if key in TABLES or default in (None, PydanticUndefined, (), "") else f"`{_plain(default)}`"
        )
        lines.append(f"| `{variable(key)}` | {shown} | {help_line.replace('|', '·')} |")
    return "\n".join(lines)


def _plain(default: object) -> str:
    assert not isinstance(default, SecretStr)
    if isinstance(default, bool):
        return str(default).lower()
    return str(default)


def test_the_settings_table_is_what_the_code_has() -> None:
    match = re.search(r"<!-- settings -->\n(.*)\n<!-- /settings -->", README, re.DOTALL)
    assert match
    assert match.group(1).strip() == settings_table(), "Put settings_table() between the two marks."


def test_the_emoji_and_their_ratings_are_what_the_code_has() -> None:
    row = next(line for line in README.splitlines() if "a rating: 1" in line)
    told = row.split("|")[1].replace("react", "").partition(", or")[0]
    expected: list[set[str]] = [set(), set(), set(), set(), set()]
    for emoji, rating in DEFAULT_RATINGS.items():
        if "\ufe0f\u20e3" not in emoji:
            expected[rating - 1].add(emoji)
    assert [set(group.split()) for group in told.split("·")] == expected
    assert f"react {NEVER_LEARN}" in README


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!http|#)([^)]+)\)", README))))
def test_what_the_readme_links_to_is_there(link: str) -> None:
    assert (ROOT / link).exists()
