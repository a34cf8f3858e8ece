"""One archive of one person: everything out and in again, and nothing that is unsafe."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Refused
from bot.people import archive
from bot.people.archive.form import SCHEMA
from bot.people.archive.untrusted_zip import MAX_FILES
from bot.records import (
    Archive,
    BranchRecord,
    ChoiceRecord,
    DocumentRecord,
    LoraRecord,
    NoteRecord,
    PersonRecord,
    ReplyRecord,
    TeachingRecord,
    cleaned,
)
from engine.types import Example, Mode, Prompt, Role, Turn

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

texts = st.text(max_size=60).map(cleaned)
ids = st.text(
    st.characters(
        min_codepoint=33, max_codepoint=0x2FFF, exclude_characters="\x7f", exclude_categories=["Cs", "Cc"]
    ),
    min_size=1,
    max_size=20,
)
times = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis wants naive bounds
# SQLite keeps -0.0 as 0.0, which is the same score.
scores = st.floats(allow_nan=False, allow_infinity=False).map(lambda score: score + 0.0)
answers = st.dictionaries(texts, scores, max_size=3)
prompts = st.builds(
    Prompt,
    turns=st.builds(
        lambda before, asked: (*before, Turn(role=Role.USER, text=asked)),
        st.lists(st.builds(Turn, role=st.sampled_from(Role), text=texts), max_size=2),
        texts,
    ),
    persona=texts,
    name=st.none() | texts,
    facts=st.lists(texts, max_size=2).map(tuple),
    notes=st.lists(texts, max_size=2).map(tuple),
    examples=st.lists(
        st.builds(Example, request=texts, reply=texts, rating=st.integers(1, 5)), max_size=2
    ).map(tuple),
)
branches = st.builds(BranchRecord, id=ids, text=texts, score=scores, answers=answers)
replies = st.builds(
    ReplyRecord,
    id=ids,
    at=times,
    conversation=ids,
    prompt=prompts,
    text=texts,
    model=texts,
    mode=st.sampled_from(Mode),
    seed=st.integers(-(2**63), 2**63 - 1),
    score=st.none() | scores,
    answers=answers,
    alternatives=st.lists(branches, max_size=2).map(tuple),
    revises=st.none() | ids,
    never_learn=st.booleans(),
    reactions=st.lists(st.sampled_from(["👍", "❤", ":llama:"]), max_size=2).map(tuple),
)
teachings = st.builds(
    TeachingRecord,
    id=ids,
    at=times,
    reply=ids,
    kind=st.sampled_from(["critique", "correction", "question"]),
    text=texts,
    wanted=st.none() | texts,
    note=st.none() | ids,
    revision=st.none() | ids,
    never_learn=st.booleans(),
)
notes = st.builds(
    NoteRecord,
    id=ids,
    at=times,
    kind=st.sampled_from(["note", "fact"]),
    text=texts,
    source=texts,
    origin=st.sampled_from(["critique", "message", "reactions", "import"]),
    manner=st.none() | texts,
    deleted_at=st.none() | times,
)
choices = st.builds(
    ChoiceRecord,
    id=ids,
    at=times,
    reply=ids,
    kind=st.sampled_from(["taken", "duel"]),
    alternative=ids,
    chosen=texts,
    rejected=texts,
)
documents = st.builds(DocumentRecord, id=ids, at=times, title=texts, text=texts)
people = st.builds(
    PersonRecord,
    name=st.none() | texts,
    memory=st.booleans(),
    lora=st.booleans(),
    mode=st.none() | st.sampled_from(Mode),
)
loras = st.builds(
    LoraRecord,
    model=texts,
    version=st.integers(1, 99),
    files=st.fixed_dictionaries({name: st.binary(max_size=40) for name in archive.LORA_FILES}),
)


def _many(record: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(record, max_size=3, unique_by=lambda one: one.id).map(tuple)


archives = st.builds(
    Archive,
    person=st.none() | people,
    replies=_many(replies),
    teachings=_many(teachings),
    notes=_many(notes),
    choices=_many(choices),
    documents=_many(documents),
    lora=st.none() | loras,
)


@settings(max_examples=60, deadline=None)
@given(archives)
def test_reading_what_was_written_gives_the_same(original: Archive) -> None:
    unpacked = archive.read(_unchecked(archive.write(original, made_at=AT)))
    assert unpacked.archive == original
    assert unpacked.left == ()


def _unchecked(packed: bytes) -> dict[str, bytes]:
    """Without the checks of contents, which may take random bytes for an archive."""
    with zipfile.ZipFile(io.BytesIO(packed)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"PK\x03\x04" + data))
def test_no_bytes_do_more_than_be_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        archive.unzip(data)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_archive_cut_short_is_refused(data: st.DataObject) -> None:
    whole = archive.write(Archive(person=PersonRecord(name="Ann")), made_at=AT)
    with pytest.raises(Refused):
        archive.unzip(whole[: data.draw(st.integers(0, len(whole) - 1))])


def zipped(files: Mapping[str, bytes], *, mode: int = 0o600) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "a/../../evil.txt", "/etc/passwd", "C:\\evil.txt", "a\\..\\evil.txt", "C:/evil.txt"],
)
def test_a_path_out_of_the_archive_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="outside"):
        archive.unzip(zipped({name: b"x"}))


def test_a_link_is_refused() -> None:
    with pytest.raises(Refused, match="outside"):
        archive.unzip(zipped({"notes.jsonl": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777))


@pytest.mark.parametrize("name", ["inner.zip", "inner.tar.gz", "inner.txt"])
def test_an_archive_in_an_archive_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="another one"):
        archive.unzip(zipped({name: zipped({"a": b"b"})}))


@pytest.mark.parametrize(
    ("name", "content"), [("weights.pkl", b"x"), ("pytorch_model.bin", b"x"), ("data", b"\x80\x04K\x01.")]
)
def test_what_may_be_a_pickle_is_refused(name: str, content: bytes) -> None:
    with pytest.raises(Refused, match="program"):
        archive.unzip(zipped({name: content}))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(Refused, match="far more"):
        archive.unzip(zipped({"replies.jsonl": b"0" * (20 * 2**20)}))


def test_too_many_files_are_refused() -> None:
    with pytest.raises(Refused, match="more than"):
        archive.unzip(zipped({f"{number}.txt": b"x" for number in range(MAX_FILES + 1)}))


def test_two_files_of_one_name_are_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.txt", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.txt", b"two")
    with pytest.raises(Refused, match="one name"):
        archive.unzip(packed.getvalue())


def test_a_later_schema_is_refused_and_says_what_to_do() -> None:
    files = _unchecked(archive.write(Archive(), made_at=AT))
    manifest = {**json.loads(files["manifest.json"]), "schema_version": SCHEMA + 1}
    with pytest.raises(Refused, match="Update Nightloom"):
        archive.read({**files, "manifest.json": json.dumps(manifest).encode()})


def test_a_damaged_line_is_left_and_the_others_are_taken() -> None:
    note = NoteRecord(id="n1", at=AT, kind="note", text="Be brief.")
    files = _unchecked(archive.write(Archive(notes=(note,)), made_at=AT))
    files["notes.jsonl"] += b'{"id": "n2"\n' + files["notes.jsonl"] + b'{"id": "n3", "at": "yesterday"}\n'
    unpacked = archive.read(files)
    assert unpacked.archive.notes == (note,)
    assert sum(left.count for left in unpacked.left) == 3


def test_an_answer_to_nothing_that_was_said_is_left_with_the_reason() -> None:
    asked = ReplyRecord(
        id="r1",
        at=AT,
        conversation="c",
        prompt=Prompt(turns=(Turn(role=Role.USER, text="hi"),)),
        text="Hello.",
    )
    files = _unchecked(archive.write(Archive(replies=(asked,)), made_at=AT))
    line = json.loads(files["replies.jsonl"])
    for turns in ([], [{"role": "assistant", "text": "hi"}]):
        prompt = {**line["prompt"], "turns": turns}
        files["replies.jsonl"] += json.dumps({**line, "id": f"r{turns}", "prompt": prompt}).encode() + b"\n"
    unpacked = archive.read(files)
    assert unpacked.archive.replies == (asked,)
    assert [left.why for left in unpacked.left] == [
        f"line {number}: prompt: Value error, it must end with what the person said, a turn of the user"
        for number in (2, 3)
    ]


def test_what_is_no_part_of_the_format_is_left() -> None:
    files = {**_unchecked(archive.write(Archive(), made_at=AT)), "extra.exe": b"x", "lora/evil.py": b"x"}
    assert {left.what for left in archive.read(files).left} == {"extra.exe", "lora/evil.py"}


def test_half_a_lora_is_left() -> None:
    whole = Archive(lora=LoraRecord(model="m", version=1, files=dict.fromkeys(archive.LORA_FILES, b"x")))
    files = _unchecked(archive.write(whole, made_at=AT))
    del files["lora/adapter_config.json"]
    unpacked = archive.read(files)
    assert unpacked.archive.lora is None
    assert [left.what for left in unpacked.left] == ["lora"]
