"""One person's data as one zip: JSON lines with a versioned schema, the live LoRA, a README.

Pure: bytes in, values out. Knows no store. What comes in may be hostile. The schema: docs/archive-format.md.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from bot.errors import Refused
from bot.people.archive.json_lines import RECORDS, explained
from bot.records import Archive, Left, LoraRecord, PersonRecord, Unpacked
from engine.loras import format as lora_format
from engine.loras.library import JUDGE_FOLDER

SCHEMA: Final = 1
FORMAT: Final = "nightloom"
LORA_FILES: Final = lora_format.FILES
JUDGE_FILES: Final = tuple(f"{JUDGE_FOLDER}/{name}" for name in LORA_FILES)  # where the judge has its own


def write(archive: Archive, *, made_at: datetime) -> bytes:
    """The archive as one zip."""
    packed = io.BytesIO()
    manifest = _Manifest(
        format=FORMAT,
        schema_version=SCHEMA,
        made_at=made_at.astimezone(UTC),
        counts=archive.counts(),
        lora_model=archive.lora.model if archive.lora else None,
        lora_version=archive.lora.version if archive.lora else None,
    )
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:

        def put(name: str, content: bytes) -> None:
            info = zipfile.ZipInfo(name, made_at.astimezone(UTC).timetuple()[:6])
            info.external_attr = 0o600 << 16
            zipped.writestr(info, content, zipfile.ZIP_DEFLATED)

        put("README.txt", README.encode())
        put("manifest.json", _MANIFEST.dump_json(manifest, indent=1))
        if archive.person is not None:
            put("person.json", _PERSON.dump_json(archive.person, indent=1))
        for name, kind in RECORDS.items():
            put(f"{name}.jsonl", kind.dump(getattr(archive, name)))
        for name, content in archive.lora.files.items() if archive.lora else ():
            put(f"lora/{name}", content)
    return packed.getvalue()


def read(files: Mapping[str, bytes]) -> Unpacked:
    """What the files of one of our own archives say. Raises Refused for a later schema."""
    manifest = _manifest(files["manifest.json"])
    left: list[Left] = []
    records: dict[str, Any] = {}  # Any: each kind of record has a field of its own type
    for name, kind in RECORDS.items():
        records[name] = kind.parse(f"{name}.jsonl", files.get(f"{name}.jsonl", b""), left)
    archive = Archive(person=_person(files, left), lora=_lora(files, manifest, left), **records)
    known = {"README.txt", "manifest.json", "person.json", *(f"{name}.jsonl" for name in RECORDS)}
    known |= {f"lora/{name}" for name in (*LORA_FILES, *JUDGE_FILES)}
    left += [Left(what=name, why="is no part of this format") for name in sorted(set(files) - known)]
    return Unpacked(archive=archive, left=tuple(left))


def is_own(files: Mapping[str, bytes]) -> bool:
    """Whether these are the files of one of our archives."""
    return "manifest.json" in files and FORMAT.encode() in files["manifest.json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    format: str
    schema_version: int
    made_at: AwareDatetime
    counts: dict[str, int] = field(default_factory=dict)
    lora_model: str | None = None
    lora_version: int | None = None


_MANIFEST: Final = TypeAdapter(_Manifest)
_PERSON: Final = TypeAdapter(PersonRecord)


def _manifest(content: bytes) -> _Manifest:
    try:
        manifest = _MANIFEST.validate_json(content)
    except ValidationError as error:
        raise Refused(
            "archive_damaged", f"The archive's manifest.json cannot be read: {explained(1, error)}."
        ) from error
    if manifest.schema_version > SCHEMA:
        raise Refused(
            "archive_newer",
            f"The archive was made by a newer Nightloom (schema {manifest.schema_version}; this one reads "
            f"{SCHEMA}). Update Nightloom, then import it again.",
        )
    return manifest


def _person(files: Mapping[str, bytes], left: list[Left]) -> PersonRecord | None:
    if "person.json" not in files:
        return None
    try:
        return _PERSON.validate_json(files["person.json"])
    except ValidationError as error:
        left.append(Left(what="person.json", why=explained(1, error)))
        return None


def _lora(files: Mapping[str, bytes], manifest: _Manifest, left: list[Left]) -> LoraRecord | None:
    every = (*LORA_FILES, *JUDGE_FILES)
    parts = {name: files[f"lora/{name}"] for name in every if f"lora/{name}" in files}
    if not parts:
        return None
    if any(name not in parts for name in LORA_FILES) or manifest.lora_model is None:
        left.append(Left(what="lora", why="is not whole"))
        return None
    return LoraRecord(model=manifest.lora_model, version=manifest.lora_version or 1, files=parts)


README: Final = f"""This is what one person taught Nightloom, all of it.

manifest.json      what this is: format "{FORMAT}", schema {SCHEMA}, when it was made, how much of what
person.json        settings: name, mode, time zone, whether memory and LoRA are used
replies.jsonl      answers: the exact prompt, the text, the other finished answers, your reactions
teachings.jsonl    what you said under answers: critiques, corrections, questions
notes.jsonl        standing notes and facts, also deleted ones
choices.jsonl      answers that you took instead of others
documents.jsonl    texts that you gave; nothing was learned from them
lora/              your live LoRA in PEFT's format, if you have one (safetensors; no program code)

Each line of a .jsonl file is one JSON object. docs/archive-format.md in Nightloom's repository names every
field. `nightloom import`, or Import on the web page, takes this archive on any server; importing it twice
changes nothing. The LoRA is taken only where the base model is the same; everything else always.
"""
