"""The replies of `tests/data/tones.jsonl`: number, balance, and that no outward sign tells a tone."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

TONES_FILE = Path(__file__).parents[2] / "data" / "tones.jsonl"
ROWS: list[dict[str, Any]] = [
    json.loads(line) for line in TONES_FILE.read_text(encoding="utf-8").splitlines()
]
TONES = ("formal", "warm", "technical", "playful")


def split(tone: str) -> tuple[list[str], list[str]]:
    """The replies in this tone, and the others."""
    with_tone = [row["reply"] for row in ROWS if row[tone]]
    without = [row["reply"] for row in ROWS if not row[tone]]
    return with_tone, without


def share(replies: list[str], mark: str) -> float:
    return fmean(mark in reply for reply in replies)


def test_there_are_four_replies_to_each_of_100_requests_and_none_twice() -> None:
    requests = Counter(row["request"] for row in ROWS)
    assert len(requests) == 100
    assert set(requests.values()) == {4}
    assert len({row["reply"].strip().lower() for row in ROWS}) == 400


def test_every_row_has_the_same_fields() -> None:
    for row in ROWS:
        assert row.keys() == {"request", "reply", *TONES}, row
        assert all(row[tone] in (0, 1) for tone in TONES), row


def test_replies_have_25_to_70_words() -> None:
    for row in ROWS:
        assert 25 <= len(row["reply"].split()) <= 70, row


def test_labels_are_balanced_and_combined() -> None:
    for tone in TONES:
        assert 0.25 <= fmean(row[tone] for row in ROWS) <= 0.4, tone
    combinations = Counter(tuple(tone for tone in TONES if row[tone]) for row in ROWS)
    assert combinations[()] >= 40
    assert combinations["warm", "playful"] >= 20
    assert combinations["formal", "technical"] >= 20
    assert len(combinations) >= 10


@pytest.mark.parametrize("tone", TONES)
def test_the_request_does_not_decide_the_label(tone: str) -> None:
    labels: dict[str, set[int]] = {}
    for row in ROWS:
        labels.setdefault(row["request"], set()).add(row[tone])
    for request, seen in labels.items():
        assert seen == {0, 1}, request


@pytest.mark.parametrize("tone", TONES)
def test_neither_length_nor_marks_give_the_label_away(tone: str) -> None:
    with_tone, without = split(tone)
    length = [fmean(len(reply.split()) for reply in replies) for replies in (with_tone, without)]
    assert abs(length[0] - length[1]) <= 5
    for mark in ("!", "?"):
        assert abs(share(with_tone, mark) - share(without, mark)) <= 0.1, mark


def test_no_opening_is_repeated() -> None:
    first_words = Counter(row["reply"].split()[0] for row in ROWS)
    assert first_words.most_common(1)[0][1] <= 40
    openings = Counter(" ".join(row["reply"].lower().split()[:3]) for row in ROWS)
    assert openings.most_common(1)[0][1] <= 4  # four letters to the same teacher begin with her name
