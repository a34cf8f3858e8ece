"""A person's data out of the store as one archive, and into it again: own archives and foreign files.

Importing is repeatable: a record keeps the id that it had where it was made, and comes in once.
Knows no file format: bot.people.archive and bot.people.foreign do.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from bot.answering import live_lora
from bot.context import Context
from bot.errors import Refused, Unknown
from bot.people import archive, foreign
from bot.records import Left, LoraRecord, Unpacked
from bot.store.people import KnownPerson
from engine.errors import EngineError, LoraError
from engine.loras import format as lora_format
from engine.loras.library import JUDGE_FOLDER, Library, person_folder

MAX_REASONS: Final = 20
RECORDS_PER_LINE: Final = 5_000  # of the log

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import took, what it left, and why."""

    taken: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    def told(self) -> str:
        """The same as a text for a chat."""
        taken = ", ".join(f"{count} {name}" for name, count in self.taken.items()) or "nothing"
        left = ", ".join(f"{count} {name}" for name, count in self.left.items())
        lines = [
            f"Taken: {taken}.",
            *([f"Left: {left}."] if left else []),
            *(f"- {why}" for why in self.reasons),
        ]
        return "\n".join(lines)


async def export(context: Context, person: str) -> bytes:
    """Everything of a person as one zip. Raises Unknown."""
    known = await context.store.people.get(person)
    if known is None:
        raise Unknown("unknown_person", "I do not know you yet: there is nothing to export.")
    records = await context.store.archives.of_person(person)
    lora = await _live_lora(context, known)
    return await asyncio.to_thread(archive.write, replace(records, lora=lora), made_at=context.clock())


async def take_in(context: Context, person: str, data: bytes) -> Imported:
    """Take an archive or a foreign file in. Raises Refused before anything is changed; Unknown.

    The log says how far a long archive is.
    """
    known = await context.store.people.get(person)
    if known is None:
        raise Unknown("unknown_person", "I do not know you yet: say something to me first.")
    if not data:
        raise Refused("archive_empty", "The file is empty. Send an archive, a JSON file or a text.")
    unpacked = await asyncio.to_thread(understood, data)
    taken, left = await context.store.archives.take_in(person, unpacked.archive, _Progress())
    left = [*unpacked.left, *left]
    if unpacked.archive.lora is not None:
        reason = await _take_lora(context, known, unpacked.archive.lora)
        if reason is None:
            taken["lora"] = 1
        else:
            left.append(Left(what="lora", why=reason))
    return _summary(taken, left)


def understood(data: bytes) -> Unpacked:
    """What a file holds, whatever form it has. Raises Refused."""
    if len(data) > archive.MAX_ARCHIVE_BYTES:
        text = f"The file is larger than {archive.MAX_ARCHIVE_BYTES // 2**20} MiB."
        raise Refused("archive_too_large", text)
    if not data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return foreign.read_one("file", data)
    files = archive.unzip(data)
    return archive.read(files) if archive.is_own(files) else foreign.read_many(files)


class _Progress:
    """Tells the log, once in a while, how far an import is."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, done: int, total: int) -> None:
        if done - self._told >= RECORDS_PER_LINE:
            self._told = done
            log.info("an archive comes in", done=done, total=total)


async def _live_lora(context: Context, person: KnownPerson) -> LoraRecord | None:
    version = await context.store.loras.live(person.key)
    if version is None:
        return None
    folder = live_lora.root(context) / version.path
    try:
        files = {name: await asyncio.to_thread((folder / name).read_bytes) for name in archive.LORA_FILES}
    except FileNotFoundError:
        return None
    if (folder / JUDGE_FOLDER).is_dir():
        files |= {name: await asyncio.to_thread((folder / name).read_bytes) for name in archive.JUDGE_FILES}
    return LoraRecord(model=version.model, version=version.version, files=files)


async def _take_lora(context: Context, person: KnownPerson, lora: LoraRecord) -> str | None:
    """The archive's LoRA goes live where the base is the same and nothing else is live; else why not."""
    if lora.model != context.backend.model:
        here = f"here the model is {context.backend.model}. The next night trains a new one."
        return f"It was trained on {lora.model}; {here}"
    if person.live_lora is not None:
        return "A LoRA of yours is live here already."
    try:
        rank = lora_format.parse_config(lora.files[lora_format.CONFIG_FILE], where="the archive").rank
    except LoraError as error:
        return f"It cannot be used: {error}."
    night = f"import{hashlib.sha256(b''.join(lora.files.values())).hexdigest()[:24]}"
    version = await context.store.loras.reserve(
        person.key, folder=person_folder(person.key), model=lora.model, rank=rank, night=night
    )
    try:
        await asyncio.to_thread(_put, live_lora.root(context), person.key, version.version, lora)
        await live_lora.load(context, version)
    except (LoraError, EngineError) as error:
        reason = f"It cannot be used: {error}."
        await context.store.loras.reject(version.id, reason)
        return reason
    await context.store.loras.go_live(version.id)
    return None


def _put(root: Path, person: str, version: int, lora: LoraRecord) -> None:
    with tempfile.TemporaryDirectory() as folder:
        judge = Path(folder) / JUDGE_FOLDER
        has_judge = all(name in lora.files for name in archive.JUDGE_FILES)
        if has_judge:
            judge.mkdir()
        for name in (*archive.LORA_FILES, *(archive.JUDGE_FILES if has_judge else ())):
            (Path(folder) / name).write_bytes(lora.files[name])  # never a name that the archive gives
        Library(root).put(person, version, Path(folder), judge=judge if has_judge else None)


def _summary(taken: dict[str, int], left: Sequence[Left]) -> Imported:
    counts: Counter[str] = Counter()
    for one in left:
        counts[one.what] += one.count
    reasons = [f"{one.what}: {one.why}" + (f" ({one.count} times)" if one.count > 1 else "") for one in left]
    if len(reasons) > MAX_REASONS:
        reasons = [*reasons[:MAX_REASONS], f"and {len(reasons) - MAX_REASONS} reasons more"]
    return Imported(taken=taken, left=dict(counts), reasons=tuple(reasons))
