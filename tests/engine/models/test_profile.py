"""A profile is kept whole or not at all, and what it says decides what a model is asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine import wording
from engine.models.profile import CAREFUL, Judgement, Profile, Speed, kept_at, known, read, write
from engine.types import ExamplesAs, Layout, NotesAt

MEASURED = Profile(
    model="somebody/model@0123",
    layout=Layout(notes=NotesAt.BOTH, examples=ExamplesAs.TURNS),
    follows={"brief": 0.8},
    follows_best={"brief": 1.0},
    judges={"formal": Judgement(whole=0.8, half=0.6), "warm": Judgement(whole=0.6)},
    speed=Speed(first_token_s=0.1, tokens_per_s={1: 30.0, 4: 100.0}, lora_factor=0.7),
)


def test_a_measured_profile_is_known_again(tmp_path: Path) -> None:
    write(MEASURED, kept_at(tmp_path, MEASURED.model))
    assert known(MEASURED.model, tmp_path) == MEASURED
    assert known("somebody/model@4567", tmp_path) == replace(CAREFUL, model="somebody/model@4567")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 0}', '{"version": 1}', '{"version": 1, "layout": 3}']
)
def test_a_damaged_profile_or_one_of_another_version_is_measured_anew(tmp_path: Path, text: str) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text, encoding="utf-8")
    assert read(file) is None


def test_the_practice_model_keeps_the_layout_that_it_was_trained_on() -> None:
    assert known("practice@0123", None).layout == wording.CLASSIC


def test_a_model_is_asked_only_about_what_it_tells() -> None:
    assert MEASURED.tells("formal")
    assert not MEASURED.tells("warm")
    assert not MEASURED.tells("playful")


def test_people_are_told_what_a_model_can_do_in_two_sentences() -> None:
    assert MEASURED.summary() == (
        "Follows notes in 80% of replies (notes in the system message and behind the request, "
        "examples as turns). "
        "Its own yes or no is asked about formal."
    )
