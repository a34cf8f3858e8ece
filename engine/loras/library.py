"""The library of LoRAs on disk: `loras/<person>/<version>/`. A version never changes.

A person's folder is a hash of their key, so that the disk names nobody. A version is whole or not there.
Which version is live is not known here: that is a pointer in the store. The ids come from there too.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path

from engine.errors import LoraError
from engine.loras.format import FILES, check, sync

PART_SUFFIX = ".part"
JUDGE_FOLDER = "judge"  # in a version's folder: the judge's own LoRA, where it has one


class Library:
    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, person: str) -> Path:
        return self._root / person_folder(person)

    def path(self, person: str, version: int) -> Path:
        return self.folder(person) / str(version)

    def put(self, person: str, version: int, source: Path, *, judge: Path | None = None) -> Path:
        """Copies a LoRA under a new version; the files are on the disk when this returns. Raises LoraError.

        `judge`: the judge's own LoRA, which comes and goes with the version. Called again for the same
        version with the same weights, as after a crash, it changes nothing.
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
        sync(part)
        part.rename(target)
        sync(target.parent)
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
            sync(self._root)
        return count


def person_folder(person: str) -> str:
    """The folder's name for a person: the same always, and no way back to the key."""
    return hashlib.sha256(person.encode()).hexdigest()[:32]


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(source / name, target / name)
        sync(target / name)
    sync(target)


def _digest(folder: Path, judge: Path | None) -> str:
    """Differs for different files."""
    digest = hashlib.sha256()
    for part in [folder, *([judge] if judge is not None else [])]:
        for name in FILES:
            digest.update((part / name).read_bytes())
    return digest.hexdigest()
