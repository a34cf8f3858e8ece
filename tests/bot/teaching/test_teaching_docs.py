"""The pages that tell people the rules say what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from bot import ratings, records
from bot.people.archive import form, json_lines, untrusted_zip
from bot.teaching import note_wording, revision, understanding
from engine.types import Example, Prompt, Turn

DOCS = Path(__file__).parents[3] / "docs"
TEACHING = (DOCS / "teaching.md").read_text(encoding="utf-8")
FORMAT = (DOCS / "archive-format.md").read_text(encoding="utf-8")


def test_every_emoji_of_the_map_is_in_the_table_with_its_rating() -> None:
    told: dict[str | None, int] = {}
    for symbols, value in re.findall(r"^\| (.+?) \| (\d) \|$", TEACHING, re.MULTILINE):
        told |= {ratings.normal(symbol): int(value) for symbol in symbols.split()}
    keycaps = re.search(r"^\| (.+?) \| the number itself \|$", TEACHING, re.MULTILINE)
    assert keycaps
    told |= {ratings.normal(symbol): int(symbol[0]) for symbol in keycaps.group(1).split()}
    assert told == {ratings.normal(symbol): value for symbol, value in ratings.DEFAULT_RATINGS.items()}
    assert f"| {ratings.NEVER_LEARN} |" in TEACHING


def _listed(after: str, until: str) -> tuple[str, ...]:
    part = TEACHING[TEACHING.index(after) + len(after) :]
    return tuple(re.findall(r"`([^`]+)`", part[: part.index(until)]))


def test_the_openings_of_a_correction_are_all_listed() -> None:
    assert _listed("opens with one of these, and a colon:", ";") == understanding.CORRECTION_OPENINGS


def test_the_words_of_a_question_are_all_listed() -> None:
    assert _listed("Question words:", ". It") == understanding.QUESTION_WORDS
    assert _listed("speaks of the answering if it holds", ".\n") == understanding.ANSWERING_WORDS


def test_the_bounds_are_told_as_they_are() -> None:
    assert f"{note_wording.MAX_CHARS} characters and {note_wording.MAX_WORDS} words" in TEACHING
    assert f"{round(100 * revision.CONTENT)} % or" in TEACHING
    assert revision.MAX_ATTEMPTS == 3
    assert f"schema **{form.SCHEMA}**" in FORMAT
    for bound in (
        f"{untrusted_zip.MAX_ARCHIVE_BYTES >> 20} MiB",
        f"{untrusted_zip.MAX_UNPACKED_BYTES >> 20} MiB",
        f"{untrusted_zip.MAX_FILES} files",
    ):
        assert bound in FORMAT
    assert f"{untrusted_zip.MAX_RATIO} to 1" in FORMAT


def test_every_field_of_every_record_is_named() -> None:
    for kind, record_kind in json_lines.RECORDS.items():
        part = FORMAT[FORMAT.index(f"**{kind}**") :].split("\n\n")[0]
        assert [name for name in record_kind.names if f"`{name}`" not in part] == []
    shared = [records.PersonRecord, records.BranchRecord, Prompt, Turn, Example]
    for record in shared:
        assert [one.name for one in fields(record) if f"`{one.name}`" not in FORMAT] == []
