"""The critiques that the benches read: their number, languages and kinds, and the manners they name."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

CRITIQUES = Path(__file__).parents[2] / "bench" / "data" / "critiques.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in CRITIQUES.read_text(encoding="utf-8").splitlines()]

# The names of the table of manners, as a wish may name them.
# fmt: off
TONES = frozenset({
    "formal", "warm", "technical", "playful", "pirate", "plain", "rhyme", "poetic", "serious",
    "direct", "polite",
})
WITH_CONTRARY = TONES | frozenset({
    "bullets", "numbered", "table", "headings", "bold", "code", "emoji", "exclaims", "asks",
    "questions", "greeting", "by_name", "lower_case", "upper_case", "contractions", "hedged",
    "first_person", "second_person", "summary", "examples", "comparison", "numbers", "links",
    "quotes",
})
WITHOUT_CONTRARY = frozenset({
    "brief", "one_sentence", "few_sentences", "detailed", "one_paragraph", "short_paragraphs",
    "prose", "code_first", "answer_first", "no_praise", "no_offers", "no_apology", "no_disclaimer",
    "no_repeat_question", "simple", "short_sentences", "parentheses", "dashes", "english", "german",
    "french", "spanish", "portuguese", "italian", "japanese",
})
# fmt: on
ALLOWED = WITH_CONTRARY | WITHOUT_CONTRARY | {f"!{manner}" for manner in WITH_CONTRARY}


def test_there_are_200_critiques_and_none_twice() -> None:
    texts = [row["critique"].strip().lower() for row in ROWS]
    assert len(texts) == 200
    assert len(set(texts)) == 200
    assert all(texts)


def test_every_row_has_the_same_fields() -> None:
    fields = {"language", "critique", "reply_words", "expect", "kind"}
    for row in ROWS:
        assert fields <= row.keys() <= fields | {"also"}, row
        assert 5 <= row["reply_words"] <= 400, row


def test_languages_are_balanced() -> None:
    languages = Counter(row["language"] for row in ROWS)
    assert {language: languages[language] for language in ("en", "de", "fr", "es")} == {
        "en": 40,
        "de": 40,
        "fr": 40,
        "es": 40,
    }
    assert languages["it"] + languages["pt"] + languages["ja"] == 40
    assert min(languages[language] for language in ("it", "pt", "ja")) >= 10


def test_kinds_have_their_shares_in_every_language() -> None:
    kinds = Counter(row["kind"] for row in ROWS)
    assert kinds == {"manner": 130, "own_words": 30, "this_answer": 24, "fact": 16}
    groups = Counter(
        (row["language"] if row["language"] in ("en", "de", "fr", "es") else "other", row["kind"])
        for row in ROWS
    )
    for (group, kind), count in groups.items():
        assert abs(count - kinds[kind] / 5) <= 1, (group, kind, count)


def test_only_manners_of_the_table_are_expected() -> None:
    for row in ROWS:
        for reading in [row["expect"], *row.get("also", [])]:
            assert set(reading) <= ALLOWED, row
            assert len(set(reading)) == len(reading) <= 2, row


def test_only_critiques_of_manners_expect_manners() -> None:
    for row in ROWS:
        assert bool(row["expect"]) == (row["kind"] == "manner"), row


def test_another_right_reading_differs_from_the_expected() -> None:
    for row in ROWS:
        readings = [frozenset(reading) for reading in [row["expect"], *row.get("also", [])]]
        assert len(set(readings)) == len(readings), row


def test_many_manners_and_contraries_are_asked_for() -> None:
    manners = Counter(manner for row in ROWS for manner in row["expect"])
    assert len(manners) >= 40
    assert sum(manner.startswith("!") for manner in manners) >= 10
    assert manners.most_common(1)[0][0] == "brief"
    assert sum(len(row["expect"]) == 2 for row in ROWS) >= 10
