"""The library of LoRAs on disk: `loras/<person>/<version>/`, whole or not there, never written twice.

A person's folder is a hash of their key, so that the disk names nobody. Which version is live is not
known here: that is one pointer in the store, and so are the ids that no two LoRAs ever share.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from engine.errors import LoraError

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
PART_SUFFIX = ".part"
JUDGE_FOLDER = "judge"  # in a version: the LoRA that the judge is asked under, where it has its own
MAX_HEADER_BYTES = 2**24


class Library:
    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, person: str) -> Path:
        return self._root / person_folder(person)

    def path(self, person: str, version: int) -> Path:
        return self.folder(person) / str(version)

    def put(self, person: str, version: int, source: Path, *, judge: Path | None = None) -> Path:
        """A LoRA's files under a new version, on the disk for good when this returns. Raises LoraError.

        `judge`: the judge's own, which comes and goes with it.

        Called again for the same version with the same weights, as after a crash, it changes nothing.
        """
        check(source)
        if judge is not None:
            check(judge)
        target = self.path(person, version)
        if target.exists():
            own = target / JUDGE_FOLDER
            if _digest(target, own if own.is_dir() else None) == _digest(source, judge):
                return target
            raise LoraError(
                f"version {version} of this person's LoRA exists already: a version never changes"
            )
        part = target.with_name(target.name + PART_SUFFIX)
        shutil.rmtree(part, ignore_errors=True)
        _copy(source, part)
        if judge is not None:
            _copy(judge, part / JUDGE_FOLDER)
        _sync(part)
        part.rename(target)
        _sync(target.parent)
        return target

    def versions(self, person: str) -> tuple[int, ...]:
        """The versions that are on the disk, oldest first."""
        folder = self.folder(person)
        if not folder.is_dir():
            return ()
        return tuple(sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()))

    def prune(self, person: str, keep: Collection[int]) -> tuple[int, ...]:
        """Deletes every version but those to be kept, and what a crash left half-written."""
        gone = tuple(version for version in self.versions(person) if version not in keep)
        for version in gone:
            shutil.rmtree(self.path(person, version), ignore_errors=True)
        for part in self.folder(person).glob(f"*{PART_SUFFIX}"):
            shutil.rmtree(part, ignore_errors=True)
        return gone

    def erase(self, person: str) -> int:
        """Deletes all of a person's LoRAs; how many there were."""
        count = len(self.versions(person))
        folder = self.folder(person)
        if folder.exists():
            shutil.rmtree(folder)
            _sync(self._root)
        return count


def person_folder(person: str) -> str:
    """The folder's name for a person: the same always, and no way back to the key."""
    return hashlib.sha256(person.encode()).hexdigest()[:32]


def check(folder: Path) -> None:
    """Raises LoraError unless the folder holds a LoRA whose files are whole."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoraError(f"the LoRA in {folder} has no readable {CONFIG_FILE}: {error}") from error
    if (
        not isinstance(config, dict)
        or config.get("peft_type") != "LORA"
        or not isinstance(config.get("r"), int)
    ):
        raise LoraError(f"{folder / CONFIG_FILE} does not describe a LoRA")
    _check_weights(folder / WEIGHTS_FILE)


def _check_weights(path: Path) -> None:
    """The header of a safetensors file says how long the file is: a truncated one is told by that."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            if not 0 < header_bytes <= min(size, MAX_HEADER_BYTES):
                raise LoraError(f"{path} is damaged: its header is")
            header = json.loads(file.read(header_bytes))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise LoraError(f"{path} is damaged or missing: {error}") from error
    if not ends or 8 + header_bytes + max(ends) != size:
        raise LoraError(f"{path} is damaged: it is not as long as it says")


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        shutil.copyfile(source / name, target / name)
        _sync(target / name)
    _sync(target)


def _digest(folder: Path, judge: Path | None) -> str:
    """What tells a version's files from others'."""
    digest = hashlib.sha256()
    for part in [folder, *([judge] if judge is not None else [])]:
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            digest.update((part / name).read_bytes())
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
