"""The library on disk: whole or not there, never written twice, gone when erased."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import LoraError
from engine.loras.format import CONFIG_FILE, WEIGHTS_FILE, check, write_blank
from engine.loras.library import JUDGE_FOLDER, Library, person_folder


def make_lora(folder: Path, fill: int = 0) -> Path:
    write_blank(folder, fill=fill)
    return folder


def test_a_version_is_put_and_found(tmp_path: Path) -> None:
    library = Library(tmp_path / "loras")
    path = library.put("web:ada", 3, make_lora(tmp_path / "made"))
    check(path)
    assert path == library.path("web:ada", 3)
    assert library.versions("web:ada") == (3,)


def test_the_same_version_may_be_put_again_but_never_another_under_its_number(tmp_path: Path) -> None:
    library = Library(tmp_path / "loras")
    library.put("ada", 1, make_lora(tmp_path / "made", fill=1))
    library.put("ada", 1, make_lora(tmp_path / "made", fill=1))
    with pytest.raises(LoraError, match="never changes"):
        library.put("ada", 1, make_lora(tmp_path / "other", fill=2))


def test_the_judges_own_lora_comes_and_goes_with_its_version(tmp_path: Path) -> None:
    library = Library(tmp_path / "loras")
    made, judge = make_lora(tmp_path / "made", fill=1), make_lora(tmp_path / "judge", fill=2)
    path = library.put("ada", 1, made, judge=judge)
    check(path / JUDGE_FOLDER)
    assert library.put("ada", 1, made, judge=judge) == path
    with pytest.raises(LoraError, match="never changes"):
        library.put("ada", 1, made)
    library.prune("ada", keep=())
    assert not path.exists()


@pytest.mark.parametrize("cut", [0, 4, 20, -1])
def test_a_truncated_lora_is_not_taken(tmp_path: Path, cut: int) -> None:
    made = make_lora(tmp_path / "made")
    weights = (made / WEIGHTS_FILE).read_bytes()
    (made / WEIGHTS_FILE).write_bytes(weights[:cut])
    with pytest.raises(LoraError, match="damaged"):
        Library(tmp_path / "loras").put("ada", 1, made)
    assert Library(tmp_path / "loras").versions("ada") == ()


@pytest.mark.parametrize("config", ["", "[]", "{}", '{"peft_type": "IA3", "r": 8}', '{"peft_type": "LORA"}'])
def test_what_is_no_lora_is_not_taken(tmp_path: Path, config: str) -> None:
    made = make_lora(tmp_path / "made")
    (made / CONFIG_FILE).write_text(config, encoding="utf-8")
    with pytest.raises(LoraError):
        check(made)


def test_what_a_crash_left_half_written_is_no_version_and_is_tidied_away(tmp_path: Path) -> None:
    library = Library(tmp_path / "loras")
    library.put("ada", 1, make_lora(tmp_path / "made"))
    (library.folder("ada") / "2.part").mkdir()
    assert library.versions("ada") == (1,)
    assert library.prune("ada", keep={1}) == ()
    assert [entry.name for entry in library.folder("ada").iterdir()] == ["1"]


def test_pruning_keeps_what_it_is_told_to_keep(tmp_path: Path) -> None:
    library = Library(tmp_path / "loras")
    for version in range(1, 6):
        library.put("ada", version, make_lora(tmp_path / "made"))
    assert library.prune("ada", keep={2, 5}) == (1, 3, 4)
    assert library.versions("ada") == (2, 5)


def test_erasing_one_person_leaves_the_others(tmp_path: Path) -> None:
    library = Library(tmp_path / "loras")
    for person in ("ada", "bob"):
        library.put(person, 1, make_lora(tmp_path / "made"))
    assert library.erase("ada") == 1
    assert library.erase("ada") == 0
    assert not library.folder("ada").exists()
    assert library.versions("bob") == (1,)


@pytest.mark.parametrize("person", ["../../etc", "slack:T1:U1", "a" * 200, "Zoë 🦙"])
def test_a_key_of_any_kind_gives_a_folder_that_does_not_name_them(person: str) -> None:
    assert person_folder(person).isalnum()
    assert person_folder(person) == person_folder(person)
