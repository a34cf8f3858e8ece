"""A model is made once, whole or not at all, however many processes ask for it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.errors import ModelError
from engine.models import cache


def test_the_cache_is_where_the_machine_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NIGHTLOOM_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache.models_folder() == tmp_path / "caches" / "nightloom" / "models"
    monkeypatch.setenv("NIGHTLOOM_CACHE", str(tmp_path / "own"))
    assert cache.models_folder() == tmp_path / "own" / "models"


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "half"

    def make(part: Path) -> None:
        (part / "weights").write_text("half")
        raise ModelError("no network")

    with pytest.raises(ModelError, match="no network"):
        cache.make_once(folder, is_whole=folder.exists, make=make)
    assert [path.name for path in folder.parent.iterdir()] == ["half.lock"]


def test_the_folder_of_an_earlier_version_and_what_a_killed_process_left_make_room(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for old in (folder, tmp_path / "model.part"):
        old.mkdir()
        (old / "old").touch()
    cache.make_once(folder, is_whole=(folder / "new").exists, make=lambda part: (part / "new").touch())
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert not (tmp_path / "model.part").exists()


def test_of_many_who_ask_at_once_one_makes_it_and_the_others_get_it_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    makers: list[str] = []
    found: list[list[str]] = []

    def make(part: Path) -> None:
        makers.append(threading.current_thread().name)
        (part / "first").touch()
        time.sleep(0.2)
        (part / "second").touch()

    def ask() -> None:
        cache.make_once(folder, is_whole=folder.exists, make=make)
        found.append(sorted(path.name for path in folder.iterdir()))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(makers) == 1
    assert found == [["first", "second"]] * 4


def test_a_place_that_cannot_be_written_is_told_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "models" / "model"
    with pytest.raises(ModelError, match="Set NIGHTLOOM_CACHE"):
        cache.make_once(folder, is_whole=lambda: False, make=lambda part: None)
