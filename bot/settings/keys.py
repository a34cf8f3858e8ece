"""The names of all settings, as a file and as the environment write them, and the nearest to a wrong name."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from bot.settings.everything import PREFIX, Settings
from bot.settings.section import Section
from engine.models import cache

FILE_VARIABLE: Final = "NIGHTLOOM_CONFIG"
DEFAULT_FILE: Final = Path("nightloom.toml")
# Tables whose keys an operator chooses.
TABLES: Final = frozenset(
    {
        "reactions",
        "discord.channel_modes",
        "discord.channel_rubrics",
        "slack.channel_modes",
        "slack.channel_rubrics",
    }
)


def settings_file() -> Path:
    """Where nightloom.toml is: here, or where NIGHTLOOM_CONFIG says."""
    return Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)


def described() -> Iterator[tuple[str, str, object]]:
    """(key, help line, default) of every setting, as `web.port`: for the README's table and `check`."""
    yield from _described(Settings, "")


def variable(key: str) -> str:
    """The environment's spelling of a key: `web.port` is NIGHTLOOM_WEB__PORT."""
    return PREFIX + key.upper().replace(".", "__")


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    known = {variable(key): key for key, _, _ in described()} | {FILE_VARIABLE: "", cache.VARIABLE: ""}
    tables = tuple(name for name, key in known.items() if key in TABLES)
    for name in sorted(environment):
        upper = name.upper()
        is_entry = upper.startswith(tuple(f"{table}__" for table in tables))
        if not upper.startswith(PREFIX) or upper in known or is_entry:
            continue
        yield f"{name} is no setting.{_nearest(upper, known)}"


def unknown_keys(file: Path) -> Iterator[str]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if FILE_VARIABLE in os.environ:
            yield f"{FILE_VARIABLE} names {file}, which is not there."
        return
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return  # told when the settings are read
    known = {key: key for key, _, _ in described()}
    for key in _keys(document, ""):
        if key not in known:
            yield f"{file}: {key} is no setting.{_nearest(key, known)}"


def _described(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, object]]:
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from _described(section, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or "", field.default


def _keys(document: Mapping[str, Any], prefix: str) -> Iterator[str]:  # Any: a TOML document
    for name, value in document.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in TABLES:
            yield from _keys(value, f"{key}.")
        else:
            yield key


def _nearest(name: str, known: Mapping[str, str]) -> str:
    last = re.split(r"__|\.", name)[-1]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    near = near or [key for key in known if re.split(r"__|\.", key)[-1] == last][:1]
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""
