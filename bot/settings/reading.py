"""Reads the settings, once, from nightloom.toml and the environment. Nothing else reads either.

Everything that is wrong is told at once, each with what to do. Secrets are in no message.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from bot.errors import BotError
from bot.settings.everything import Settings
from bot.settings.keys import settings_file, unknown_keys, unknown_variables, variable


class SettingsError(BotError):
    """The settings cannot be used. `problems`: each with what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("settings", "\n".join(problems))
        self.problems = tuple(problems)


class _Environment(EnvSettingsSource):
    """The environment. A list that is no JSON is handed on as it is written, to be refused with its name."""

    def decode_complex_value(
        self, field_name: str, field: FieldInfo, value: Any
    ) -> Any:  # Any: as in the base
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def load(**wishes: Any) -> Settings:  # Any: values of settings, validated here
    """The settings of this process. Raises SettingsError with everything that is wrong at once."""
    settings, problems = read(**wishes)
    if problems:
        raise SettingsError(problems)
    return settings


def read(**wishes: Any) -> tuple[Settings, Sequence[str]]:  # Any: values of settings, validated here
    """The settings of this process, with defaults in place of what is wrong; and everything that is wrong.

    The command line's own wishes go before the environment, that before nightloom.toml.
    """
    problems = [*unknown_variables(os.environ), *unknown_keys(settings_file())]
    values: dict[str, Any] = {}
    try:
        values = TomlConfigSettingsSource(Settings, toml_file=settings_file())()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        problems.append(f"The settings cannot be read: {error}")
    values = _merged(values, _merged(_Environment(Settings)(), wishes))
    try:
        settings = Settings(**values)
    except ValidationError as refused:  # it would show the values, secrets among them: it goes no further
        wrong = refused.errors()
        problems += [text for text in map(_worded, wrong) if text is not None]
        for problem in wrong:
            _drop(values, problem["loc"])
        settings = Settings(**values)
    rank, most = settings.learning.rank, settings.backend.max_lora_rank
    if rank > most:
        ways = f"lower {variable('learning.rank')} or raise {variable('backend.max_lora_rank')}"
        problems.append(f"LoRAs of rank {rank} are trained, and of rank {most} at most are served: {ways}.")
    return settings, problems


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:  # Any: values of settings
    """Both, section by section; where both say something, `high` wins."""
    merged = dict(low)
    for name, value in high.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _drop(values: dict[str, Any], where: Sequence[str | int]) -> None:  # Any: values of settings
    """Without the setting, or the table's entry, in which a problem lies."""
    name, *rest = where
    if rest and isinstance(values.get(str(name)), dict):
        _drop(values[str(name)], rest)
    else:
        values.pop(str(name), None)


HOW_TO_WRITE: Final = {
    "tuple_type": 'write a list, in the environment as JSON: [1, 2] or ["A", "B"]',
    "dict_type": 'write a table, in the environment as JSON: {"ID": "VALUE"}',
    "mapping_type": 'write a table, in the environment as JSON: {"KEY": VALUE}',
}


def _worded(error: Any) -> str | None:  # Any: pydantic's ErrorDetails, whose keys differ by kind
    """One problem in words. None: it is told already, as an unknown key. Never shows the value."""
    if error["type"] == "extra_forbidden":
        return None
    key = ".".join(str(part) for part in error["loc"])
    said = HOW_TO_WRITE.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{key} ({variable(key)}): {said}."
