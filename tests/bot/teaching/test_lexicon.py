"""What people say under an answer is mapped to manners, in seven languages, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.teaching.lexicon import About, understand
from bot.teaching.lexicon_file import SHIPPED, LexiconError, load_lexicon
from engine.judging.rubric import SHIPPED_RUBRIC, load_rubric

MANNERS = [manner.name for manner in load_rubric(SHIPPED_RUBRIC).manners]
LEXICON = load_lexicon(known_manners=MANNERS)
REPLY = "word " * 120


def manners(critique: str) -> set[str]:
    return {meaning.manner for meaning in understand(critique, reply=REPLY, lexicon=LEXICON).meanings}


@pytest.mark.parametrize(
    ("critique", "wanted"),
    [
        ("shorter please", "brief"),
        ("way too wordy", "brief"),
        ("could you be shorter?", "brief"),
        ("kürzer bitte", "brief"),
        ("trop long", "brief"),
        ("más corto por favor", "brief"),
        ("più breve", "brief"),
        ("use bullet points", "bullets"),
        ("箇条書きで", "bullets"),
        ("don't be so formal", "!formal"),
        ("be more casual", "!formal"),
        ("less emoji", "!emoji"),
        ("end with a question", "asks"),
        ("explain it like I'm five", "simple"),
        ("auf Deutsch bitte", "german"),
        ("stop apologizing", "no_apology"),
        ("give me an example", "examples"),
        ("two sentences max", "few_sentences"),
        ("más detalles", "detailed"),
        ("plus de détails", "detailed"),
        ("mach es lustiger", "playful"),
        ("write everything lowercase", "lower_case"),
        ("skip the intro", "answer_first"),
        ("use a table", "table"),
    ],
)
def test_the_commonest_critiques_are_understood(critique: str, wanted: str) -> None:
    assert wanted in manners(critique)


@pytest.mark.parametrize(
    "remark", ["the capital is Lisbon", "I asked about short stories", "thanks!", "that's wrong"]
)
def test_a_remark_about_the_matter_is_no_manner(remark: str) -> None:
    assert not manners(remark)


def test_one_critique_may_ask_for_two_things() -> None:
    understood = understand("too long, and no lists", reply=REPLY, lexicon=LEXICON)
    assert {meaning.manner for meaning in understood.meanings} >= {"brief"}
    assert len(understood.meanings) == 2
    assert understood.about is About.STANDING


def test_a_number_that_is_named_is_the_bound() -> None:
    (meaning,) = understand("at most 20 words please", reply=REPLY, lexicon=LEXICON).meanings
    assert meaning.wish == "words <= 20"
    assert "20" in meaning.note


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    understand(text, reply=text, lexicon=LEXICON)


def test_a_manner_that_no_rubric_knows_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "lexicon.toml"
    file.write_text(
        SHIPPED.read_text(encoding="utf-8").replace('name = "brief"', 'name = "breif"'), encoding="utf-8"
    )
    with pytest.raises(LexiconError, match="brief"):
        load_lexicon(file, known_manners=MANNERS)
