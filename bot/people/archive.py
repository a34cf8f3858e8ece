"""One person's data as one zip: JSON lines with a versioned schema, the live LoRA, a README.

Pure: bytes in, values out. Knows no store. What comes in may be hostile. The schema: docs/archive-format.md.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from bot.errors import Refused
from bot.records import (
    Archive,
    ChoiceRecord,
    DocumentRecord,
    Left,
    LoraRecord,
    NoteRecord,
    PersonRecord,
    ReplyRecord,
    TeachingRecord,
)
from engine.loras import format as lora_format
from engine.loras.library import JUDGE_FOLDER

SCHEMA: Final = 1
FORMAT: Final = "nightloom"

MAX_ARCHIVE_BYTES: Final = 64 * 2**20
MAX_UNPACKED_BYTES: Final = 256 * 2**20
MAX_FILES: Final = 2_000
MAX_RATIO: Final = 200  # unpacked to packed; text packs to a tenth, a bomb to a thousandth
RATIO_COUNTS_FROM_BYTES: Final = 2**20
MAX_RECORDS: Final = 200_000
LORA_FILES: Final = lora_format.FILES
JUDGE_FILES: Final = tuple(f"{JUDGE_FOLDER}/{name}" for name in LORA_FILES)  # where the judge has its own

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What was understood of an archive, and what was not."""

    archive: Archive
    left: tuple[Left, ...] = ()


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


def unzip(packed: bytes) -> dict[str, bytes]:
    """The files of a zip that nobody vouches for. Raises Refused, before anything was used of it."""
    if len(packed) > MAX_ARCHIVE_BYTES:
        raise Refused("archive_too_large", f"The archive is larger than {MAX_ARCHIVE_BYTES // 2**20} MiB.")
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as zipped:
            members = [info for info in zipped.infolist() if not info.is_dir()]
            _check_members(members)
            files = {info.filename: _unpacked(zipped, info) for info in members}
            if sum(map(len, files.values())) > MAX_UNPACKED_BYTES:
                raise _bomb()
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OSError,
        ValueError,
        RuntimeError,
    ) as error:
        raise Refused(
            "archive_damaged", f"The archive is damaged or cut short ({error}). Make or download it again."
        ) from error
    for name, content in files.items():
        _check_content(name, content)
    return {name: content for name, content in files.items() if not name.startswith("__MACOSX/")}


def is_own(files: Mapping[str, bytes]) -> bool:
    """Whether these are the files of one of our archives."""
    return "manifest.json" in files and FORMAT.encode() in files["manifest.json"]


# --- records as JSON lines ---


class _Kind(Generic[T]):
    """One kind of record: how it becomes lines, and how lines become it."""

    def __init__(self, record: type[T]) -> None:
        self._adapter = TypeAdapter(record)
        self.names = tuple(one.name for one in fields(record))  # type: ignore[arg-type]  # every record is a dataclass

    def dump(self, records: Iterable[T]) -> bytes:
        return b"".join(self._adapter.dump_json(record) + b"\n" for record in records)

    def parse(self, name: str, lines: bytes, left: list[Left]) -> tuple[T, ...]:
        """The records in a file; a line that is none is left, an id that comes again too."""
        found: dict[str, T] = {}
        faults: Counter[str] = Counter()
        for number, line in enumerate(lines.splitlines(), start=1):
            if not line.strip():
                continue
            if number > MAX_RECORDS:
                faults[f"has more than {MAX_RECORDS} lines"] += 1
                continue
            try:
                record = self._adapter.validate_json(line)
            except ValidationError as error:
                faults[_explained(number, error)] += 1
                continue
            key = str(getattr(record, "id", number))
            if key in found:
                faults["the same record again"] += 1
            found.setdefault(key, record)
        left += [Left(what=name, why=why, count=count) for why, count in faults.items()]
        return tuple(found.values())


RECORDS: Final[Mapping[str, _Kind[Any]]] = {  # Any: each kind of record has a type of its own
    "replies": _Kind(ReplyRecord),
    "teachings": _Kind(TeachingRecord),
    "notes": _Kind(NoteRecord),
    "choices": _Kind(ChoiceRecord),
    "documents": _Kind(DocumentRecord),
}


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
            "archive_damaged", f"The archive's manifest.json cannot be read: {_explained(1, error)}."
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
        left.append(Left(what="person.json", why=_explained(1, error)))
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


def _explained(number: int, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"line {number}: {where + ': ' if where else ''}{first['msg']}"


# --- a zip that nobody vouches for ---

_ARCHIVE_NAMES: Final = re.compile(
    r"\.(zip|jar|whl|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|lz4|7z|rar|cab|iso)$", re.IGNORECASE
)
_PICKLE_NAMES: Final = re.compile(r"\.(pkl|pickle|pt|pth|ckpt|joblib|npy|bin)$", re.IGNORECASE)
_ARCHIVE_STARTS: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"\xfd7zXZ",
    b"Rar!",
    b"(\xb5/\xfd",
)


def _check_members(members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES:
        raise Refused("archive_too_large", f"The archive holds more than {MAX_FILES} files.")
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        raise Refused("archive_unsafe", "The archive holds two files of one name.")
    for info in members:
        _check_name(info)
    if sum(info.file_size for info in members) > MAX_UNPACKED_BYTES or any(map(_is_bomb, members)):
        raise _bomb()


def _check_name(info: zipfile.ZipInfo) -> None:
    name = info.filename
    is_outside = name.startswith("/") or "\\" in name or ":" in name[:2] or ".." in name.split("/")
    if is_outside or stat.S_ISLNK(info.external_attr >> 16):
        raise Refused("archive_unsafe", f"The archive points outside of itself: {name[:200]!r}.")
    if info.flag_bits & 1:
        raise Refused(
            "archive_encrypted", "The archive is encrypted. Unpack it, and pack it without a password."
        )
    if _ARCHIVE_NAMES.search(name):
        raise _nested(name)
    if _PICKLE_NAMES.search(name):
        raise Refused("archive_unsafe", f"{name[:200]!r} may hold a program. Remove it from the archive.")


def _is_bomb(info: zipfile.ZipInfo) -> bool:
    return info.file_size > RATIO_COUNTS_FROM_BYTES and info.file_size > MAX_RATIO * max(
        info.compress_size, 1
    )


def _unpacked(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A member's content, never more of it than its header says."""
    with zipped.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename[:200]!r} is not as long as it says")
    return content


def _check_content(name: str, content: bytes) -> None:
    if content.startswith(_ARCHIVE_STARTS) or content[257:262] == b"ustar":
        raise _nested(name)
    if re.match(rb"\x80[\x02-\x05][\x00-\xff]*\.\Z", content[:2] + content[-1:]):
        raise Refused("archive_unsafe", f"{name[:200]!r} may hold a program. Remove it from the archive.")


def _nested(name: str) -> Refused:
    return Refused(
        "archive_nested", f"The archive holds another one ({name[:200]!r}). Unpack that one first."
    )


def _bomb() -> Refused:
    return Refused(
        "archive_bomb",
        f"The archive would unpack to far more than it is. At most {MAX_UNPACKED_BYTES // 2**20} MiB.",
    )


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
