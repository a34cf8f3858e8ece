"""The token that opens the web chat: set by the operator, or made once and kept in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bot.settings import Settings

FILE = "web-token"


def token_of(settings: Settings) -> str:
    """The token; made at the first start, readable by this user alone."""
    if settings.web.token is not None:
        return settings.web.token.get_secret_value()
    path = settings.data / FILE
    kept = _kept(path)
    if kept:
        return kept
    settings.data.mkdir(parents=True, exist_ok=True)
    made = secrets.token_urlsafe(24)
    draft = path.with_name(f"{FILE}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(made + "\n")
    try:
        os.link(draft, path)  # two that start at once agree on the first one's
    except FileExistsError:
        made = _kept(path) or made
    finally:
        draft.unlink()
    return made


def _kept(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
