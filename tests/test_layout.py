"""Chat platforms do not know each other: an adapter's files import no other adapter's."""

from __future__ import annotations

import re
from pathlib import Path

ADAPTERS = Path(__file__).parents[1] / "adapters"
PLATFORMS = ("discord", "slack", "web")


def test_no_adapter_imports_another() -> None:
    for file in ADAPTERS.glob("*_*.py"):
        own = file.name.partition("_")[0]
        others = [platform for platform in PLATFORMS if platform != own and own in PLATFORMS]
        imported = re.findall(r"^\s*(?:from|import) adapters\.(\w+)", file.read_text(), re.MULTILINE)
        for name in imported:
            assert name.partition("_")[0] not in others, f"{file.name} imports adapters.{name}"


def test_there_are_adapters_to_look_at() -> None:
    assert {file.name.partition("_")[0] for file in ADAPTERS.glob("*_chat.py")} == set(PLATFORMS)
