"""Cutting texts for platforms, for any text, and pacing edits."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.shared.splitting import (
    Pacer,
    Piece,
    pieces,
    split,
)

LIMIT = 100

lines = st.sampled_from(
    [
        "A sentence. And more of it!",
        "```py",
        "```",
        "    x = 1",
        "",
        "word " * 30,
        "y" * 250,
        "👩‍🚀👍🏽" * 40,
        "a ```b``` c",
    ]
)
texts = st.one_of(st.text(), st.lists(lines, max_size=60).map("\n".join))


@given(texts, st.integers(LIMIT, 400))
def test_no_piece_is_blank_or_too_long(text: str, limit_chars: int) -> None:
    for piece in split(text, limit_chars):
        assert piece.strip()
        assert len(piece) <= limit_chars


@given(texts, st.integers(LIMIT, 400))
def test_the_bodies_joined_are_the_text(text: str, limit_chars: int) -> None:
    joined = "".join(piece.body for piece in pieces(text, limit_chars))
    if re.search(r"\s{40}", text) is None:
        assert joined == text or not text.strip()
    assert "".join(joined.split()) == "".join(text.split())


@given(texts, st.integers(LIMIT, 400))
def test_what_is_added_is_only_the_repair_of_a_code_block(text: str, limit_chars: int) -> None:
    for piece in pieces(text, limit_chars):
        assert re.fullmatch(r"(```[\w+#.-]*\n)?", piece.opened)
        assert piece.closed in ("", "```", "\n```")


@given(texts, st.integers(LIMIT, 400))
def test_each_of_several_pieces_closes_its_code_blocks(text: str, limit_chars: int) -> None:
    parts = split(text, limit_chars)
    if len(parts) > 1:
        assert all(len(re.findall("`{3,}", part)) % 2 == 0 for part in parts)


@given(texts, st.integers(LIMIT, 400))
def test_a_short_text_is_left_as_it_is(text: str, limit_chars: int) -> None:
    if text.strip() and len(text) <= limit_chars:
        assert split(text, limit_chars) == [text]


@given(st.text(st.sampled_from("👩‍🚀👍🏽é🇫🇷"), min_size=150, max_size=300))
@example("👍🏽" * 100)
def test_a_visible_character_is_not_torn(text: str) -> None:
    for piece in split(text, LIMIT)[1:]:
        first = piece[0]
        assert first not in "\u200d\U0001f3fd\u0301"


def test_a_paragraph_is_preferred_to_a_sentence() -> None:
    text = "One. " * 14 + "\n\n" + "Two. " * 14
    assert [part.strip()[:4] for part in split(text, LIMIT)] == ["One.", "Two."]


def test_a_long_code_block_goes_on_in_its_language() -> None:
    code = "```python\n" + "\n".join(f"line_{number} = {number}" for number in range(30)) + "\n```"
    parts = split(code, 200)
    assert len(parts) > 1
    assert all(part.startswith("```python\n") and part.endswith("\n```") for part in parts)


def test_no_piece_holds_an_empty_code_block() -> None:
    text = "x" * 80 + "\n```py\n" + "code\n" * 40 + "```"
    assert all("```py\n```" not in part for part in split(text, LIMIT))


def test_a_blank_text_has_no_pieces() -> None:
    assert split(" \n", LIMIT) == []


def test_a_limit_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="100"):
        split("x" * 200, 10)


def test_a_piece_is_its_parts() -> None:
    assert Piece(opened="```\n", body="x", closed="\n```").text == "```\nx\n```"


class Sent:
    """A place to send to that takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.values: list[int] = []
        self.seconds = seconds
        self.is_sending = asyncio.Event()

    async def __call__(self, value: int) -> None:
        self.is_sending.set()
        await asyncio.sleep(self.seconds)
        self.values.append(value)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(10.0):
            while len(self.values) < count:
                await asyncio.sleep(0.005)


@pytest.mark.parametrize("whole", ["<:party_parrot:123456789012345678>", "https://example.org/a.b?c=d!"])
@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_a_servers_emoji_and_a_link_are_never_cut_in_two(whole: str, shift: int) -> None:
    text = "x" * shift + f"{whole}>" * 30
    assert "".join(split(text, 200)) == text
    assert sum(piece.count(whole) for piece in split(text, 200)) == 30


async def test_only_the_newest_value_is_sent() -> None:
    sent = Sent()
    pacer = Pacer(sent, interval_s=0.05, first_after_s=0.02)
    task = asyncio.create_task(pacer.run())
    for value in range(10):
        pacer.offer(value)
    await sent.has(1)
    for value in range(10, 20):
        pacer.offer(value)
    await sent.has(2)
    assert sent.values == [9, 19]
    await pacer.stop()
    await task


async def test_nothing_is_sent_after_stop() -> None:
    sent = Sent()
    pacer = Pacer(sent, interval_s=10.0, first_after_s=10.0)
    task = asyncio.create_task(pacer.run())
    pacer.offer(1)
    await asyncio.sleep(0)
    await pacer.stop()
    await task
    assert sent.values == []


async def test_stop_waits_for_what_is_being_sent() -> None:
    sent = Sent(seconds=0.05)
    pacer = Pacer(sent, interval_s=10.0)
    task = asyncio.create_task(pacer.run())
    pacer.offer(1)
    await sent.is_sending.wait()
    pacer.offer(2)
    await pacer.stop()
    assert sent.values == [1]
    await task
