"""The documents about the code name what is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from bot import errors as bot_errors
from bot import ports
from engine import errors as engine_errors

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:adapters|bot|engine|practice)/[\w/.]+)`", ARCHITECTURE + CONTRIBUTING)))


@pytest.mark.parametrize("named", PATHS)
def test_every_path_that_is_named_is_there(named: str) -> None:
    assert (ROOT / named).exists()


@pytest.mark.parametrize("root", [bot_errors.BotError, ports.ChatError, engine_errors.EngineError])
def test_the_tree_of_errors_is_that_of_the_code(root: type[Exception]) -> None:
    module = inspect.getmodule(root)
    kinds = {
        kind.__name__ for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, root)
    }
    tree = ARCHITECTURE[ARCHITECTURE.index(f"\n{root.__name__} ") :].split("\n\n")[0]
    assert set(re.findall(r"^(?:[├└]── )?(\w+) ", tree, re.MULTILINE)) == kinds


def test_every_decision_stands_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [file.name for file in sorted(folder.glob("0*.md")) if f"({file.name})" not in index] == []
