"""Which models there are: a folder found or fetched, checked, and named by a fingerprint. Loads nothing.

A model's folder may hold a file of ours, `nightloom.json`, that says what the model's own files do not:

    {"name": "practice", "max_context": 768, "requests": "requests.txt"}

the name, how many tokens it can make sense of, and what people might ask it (one request a line).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelError

PRACTICE = Path(__file__).parent / "practice_model" / "weights"
_SHIPPED = {"practice": PRACTICE}
_OURS = "nightloom.json"
_WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
_WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
# Hashing the whole of a large file would take longer than loading it; its ends and its size tell it apart.
_HASHED_WHOLE_BYTES = 64 * 1024 * 1024
_HASHED_END_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model on disk. `id` is its name and a fingerprint: what a LoRA must have been trained on."""

    path: Path
    id: str
    max_context: int
    weight_bytes: int


def located(model: str) -> str:
    """The folder of a model that comes along, by its short name; any other name or path as it is."""
    return str(_SHIPPED.get(model, model))


def everyday_requests(model: str) -> Sequence[str]:
    """What people might ask this model, where its folder says so; else nothing."""
    path = Path(located(model)).expanduser()
    name = _ours(path).get("requests")
    return (path / name).read_text(encoding="utf-8").splitlines() if isinstance(name, str) else ()


def open_model(model: str, report: Callable[[str], None]) -> ModelFolder:
    """The folder of a model that is named by a path or by its name on the hub. Blocks. Raises ModelError."""
    path = Path(located(model)).expanduser()
    if not path.is_dir():
        path = _fetch(model, report)
    config, ours = _config(path), _ours(path)
    weights = sorted(file for pattern in _WEIGHTS for file in path.glob(pattern))
    if not weights:
        raise ModelError(
            f"The model folder {path} holds no weights (*.safetensors). Point the setting `model` at "
            "a folder that a model was saved to, or at a model's name on the hub."
        )
    if not any((path / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise ModelError(
            f"The model folder {path} holds no tokenizer. Copy the model's tokenizer files into it."
        )
    return ModelFolder(
        path=path,
        id=f"{ours.get('name') or _name(model, path)}@{_fingerprint(path, weights)}",
        max_context=_max_context(ours, config),
        weight_bytes=sum(file.stat().st_size for file in weights),
    )


def _fetch(model: str, report: Callable[[str], None]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(_WANTED), local_files_only=True))
    except HFValidationError as error:
        raise ModelError(f"There is no model folder {model}. Check the setting `model`.") from error
    except LocalEntryNotFoundError:
        report(f"Fetching {model} from the Hugging Face hub")
    try:
        return Path(snapshot_download(model, allow_patterns=list(_WANTED)))
    except Exception as error:  # the hub's client raises errors of several libraries; all mean the same here
        raise ModelError(
            f"There is no model folder {model}, and the hub did not give a model of that name: {error} "
            "Check the setting `model` and the network; a gated model needs HF_TOKEN."
        ) from error


def _config(path: Path) -> dict[str, object]:
    return _table(path / "config.json")


def _ours(path: Path) -> dict[str, object]:
    """What our own file in the folder says; nothing where there is none."""
    return _table(path / _OURS) if (path / _OURS).is_file() else {}


def _table(file: Path) -> dict[str, object]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The model folder {file.parent} has no readable {file.name}: {error}") from error
    if not isinstance(table, dict):
        raise ModelError(f"{file.name} in the model folder {file.parent} is not a table of settings.")
    return table


def _max_context(ours: dict[str, object], config: dict[str, object]) -> int:
    text_config = config.get("text_config")
    named = (
        ours.get("max_context"),
        config.get("max_position_embeddings"),
        text_config.get("max_position_embeddings") if isinstance(text_config, dict) else None,
    )
    return next((length for length in named if isinstance(length, int)), 4096)


def _name(model: str, path: Path) -> str:
    """A folder called `weights` says nothing; the one around it does."""
    if Path(model).expanduser().is_dir():
        return path.resolve().parent.name if path.name in ("weights", "model") else path.resolve().name
    return model


def _fingerprint(path: Path, weights: list[Path]) -> str:
    digest = hashlib.sha256((path / "config.json").read_bytes())
    for file in weights:
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as stream:
            if size <= _HASHED_WHOLE_BYTES:
                digest.update(stream.read())
            else:
                digest.update(stream.read(_HASHED_END_BYTES))
                stream.seek(-_HASHED_END_BYTES, 2)
                digest.update(stream.read())
    return digest.hexdigest()[:12]
