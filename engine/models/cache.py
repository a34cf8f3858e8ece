"""Where models lie that Nightloom makes: a folder of the machine's user, outside the repository and the data.

NIGHTLOOM_CACHE names the folder. Without it the folder is `nightloom` where the system keeps its caches.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.errors import ModelError

# Like HF_HOME it is the machine's, not the bot's: the set-up asks for it before there are any settings.
VARIABLE: Final = "NIGHTLOOM_CACHE"


def models_folder() -> Path:
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser() / "models"
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "nightloom" / "models"


def make_once(folder: Path, *, is_whole: Callable[[], bool], make: Callable[[Path], None]) -> None:
    """Fill the folder unless it is whole. Of several processes, one fills it and the others wait.

    `make` works in a folder beside it, which takes its place only when all is there. Raises ModelError.
    """
    if is_whole():
        return
    part = folder.with_name(f"{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_whole():
                return
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                make(part)
                shutil.rmtree(folder, ignore_errors=True)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise ModelError(
            f"The model cannot be kept in {folder}: {error.strerror or error}. "
            f"Set {VARIABLE} to a folder that can be written and has room."
        ) from error
