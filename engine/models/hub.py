"""Models on the Hugging Face hub: what a model will need, asked before anything of it is fetched."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from engine.errors import ModelError
from engine.models import architectures
from engine.models.free_memory import free_bytes, gpu_bytes, machine_bytes

WANTED: Final = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
TIMEOUT_S: Final = 10.0
# Beside its weights a model takes memory for what it computes and remembers.
BESIDE_BYTES: Final = 1 << 30
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a model on the hub takes: of the disk to be fetched, of the memory to run."""

    fetched_bytes: int
    weight_bytes: int

    @property
    def memory_bytes(self) -> int:
        return self.weight_bytes + BESIDE_BYTES

    def __str__(self) -> str:
        return f"{_gb(self.fetched_bytes)} to fetch, about {_gb(self.memory_bytes)} of memory to run"


def is_name(model: str) -> bool:
    """Whether this can be a name on the hub: OWNER/NAME."""
    return bool(_NAME.fullmatch(model)) and ".." not in model and "--" not in model


def cached(model: str) -> Path | None:
    """The model's folder, where it was fetched before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(WANTED), local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def fetch(model: str, report: Callable[[str], None], *, runs_here: bool = True) -> Path:
    """The model's folder, fetched where it is missing. Blocks. Raises ModelError."""
    folder = cached(model)
    if folder is not None:
        return folder
    needs = ask(model)
    for warning in shortages(model, needs, runs_here=runs_here):
        report(warning)
    from huggingface_hub import snapshot_download

    report(f"Fetching {model} from the Hugging Face hub: {needs}")
    try:
        return Path(snapshot_download(model, allow_patterns=list(WANTED)))
    except Exception as error:  # the hub's client raises errors of several libraries; all mean the same here
        raise ModelError(f"{model} could not be fetched from the hub: {_brief(error)}. Try again.") from error


def ask(model: str) -> Needs:
    """What the model needs, as the hub says. Raises ModelError where it cannot be served or asked about."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    missing = f"There is no model folder {model} here"
    try:
        info: Any = HfApi().model_info(model, files_metadata=True, timeout=TIMEOUT_S)
    except GatedRepoError as error:
        raise ModelError(
            f"{model} is given only to people who took its terms: take them on "
            f"https://huggingface.co/{model}, and set HF_TOKEN."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{missing}, and the hub has no model of that name. Check the setting `model`; "
            "a private model needs HF_TOKEN."
        ) from error
    except OfflineModeIsEnabled as error:
        raise ModelError(
            f"{missing}, and HF_HUB_OFFLINE keeps it from being fetched from the hub."
        ) from error
    except Exception as error:  # the hub's client raises errors of several libraries; all mean the same here
        raise ModelError(f"{missing}, and the hub cannot be reached: {_brief(error)}.") from error
    files = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    if any(name.endswith(".gguf") for name in files) and not any(
        name.endswith(".safetensors") for name in files
    ):
        raise ModelError(
            f"{model} holds GGUF files only. Download one of them, and set `model` to that file: "
            f"hf download {model} FILE.gguf --local-dir ."
        )
    architectures.check(model, (info.config or {}).get("architectures") or ())
    needs = Needs(
        fetched_bytes=sum(_matching(files, WANTED)), weight_bytes=sum(_matching(files, ("*.safetensors",)))
    )
    if not needs.weight_bytes:
        raise ModelError(
            f"{model} holds no weights that can be read here (*.safetensors). Choose another model."
        )
    return needs


def shortages(model: str, needs: Needs, *, runs_here: bool = True) -> Sequence[str]:
    """What this machine may have too little of. Raises ModelError for what it cannot have at all.

    `runs_here`: this machine also runs the model, and not servers elsewhere.
    """
    room = shutil.disk_usage(_existing(_cache())).free
    if needs.fetched_bytes > room:
        raise ModelError(
            f"{model} takes {_gb(needs.fetched_bytes)} of disk; {_cache()} has {_gb(room)} free. "
            "Make room, set HF_HOME to another disk, or choose a smaller model."
        )
    if not runs_here:
        return ()
    gpu = gpu_bytes()
    kind, most = ("GPU memory", gpu) if gpu is not None else ("memory", machine_bytes())
    if most is not None and needs.memory_bytes > most:
        raise ModelError(
            f"{model} takes about {_gb(needs.memory_bytes)} of {kind}; this machine has {_gb(most)}. "
            "Choose a smaller model."
        )
    free = free_bytes() if gpu is None else None
    if free is not None and needs.memory_bytes > free:
        return (
            f"{model} takes about {_gb(needs.memory_bytes)} of memory, and only {_gb(free)} is free now.",
        )
    return ()


def _matching(files: dict[str, int], patterns: Iterable[str]) -> Iterator[int]:
    return (size for name, size in files.items() if any(fnmatch(name, pattern) for pattern in patterns))


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists() or folder == Path(os.sep))


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(". ")


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
