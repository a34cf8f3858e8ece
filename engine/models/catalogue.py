"""Which models there are: a folder found, made or fetched; checked; named by a fingerprint. Loads nothing.

A model is named by `practice` or `smollm2`, which come along, by a folder, by a GGUF file, or by its name on
the Hugging Face hub. A model's folder may hold a file of ours, `nightloom.json`, that says what the model's
own files do not. Every key may be missing:

    name, title     what it is called in ids and by people
    nature          in one sentence, what it is good for
    licence, origin
    max_context     how many tokens it can make sense of
    requests        a file with what people might ask it, one request a line
    rubric          a file with the questions that it was taught to answer, where it knows no others
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import ModelError
from engine.models import architectures, conversion, hub, smollm2
from engine.models.card import ModelCard
from engine.models.sampling import SamplingDefaults, advised

PRACTICE: Final = Path(__file__).parent / "practice_model" / "weights"
PRACTICE_RUBRIC: Final = PRACTICE / "rubric.toml"
SHIPPED: Final = ("smollm2", "practice")
_WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")
# Hashing the whole of a large file would take longer than loading it; its ends and its size tell it apart.
_HASHED_WHOLE_BYTES = 64 * 1024 * 1024
_HASHED_END_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """A model on disk."""

    path: Path
    card: ModelCard
    sampling: SamplingDefaults

    @property
    def id(self) -> str:
        return self.card.id

    @property
    def max_context(self) -> int:
        return self.card.max_context

    @property
    def weight_bytes(self) -> int:
        return self.card.weight_bytes


def located(model: str) -> str:
    """The folder of a model, by any of its names; the name of a model on the hub as it is. Makes nothing."""
    if model == "practice":
        return str(PRACTICE)
    if model == "smollm2":
        return str(smollm2.folder())
    if is_gguf(model):
        return str(conversion.folder_of(Path(model).expanduser()))
    return model


def is_gguf(model: str) -> bool:
    return model.lower().endswith(".gguf")


def everyday_requests(model: str) -> Sequence[str]:
    """What people might ask this model, where its folder says so; else nothing."""
    file = _brought_along(model, "requests")
    return () if file is None else file.read_text(encoding="utf-8").splitlines()


def rubric_of(model: str) -> Path | None:
    """The rubric that this model brings along; None: it takes any."""
    return _brought_along(model, "rubric")


def open_model(model: str, report: Callable[[str], None], *, runs_here: bool = True) -> ModelFolder:
    """A model's folder, made or fetched where it is missing. Blocks. Raises ModelError.

    `report` hears in words what takes long.
    `runs_here`: this machine also runs the model, and not servers elsewhere.
    """
    return _opened(model, _path(model, report, runs_here=runs_here))


def look_at(model: str) -> ModelFolder | None:
    """A model's folder as it is, without making or fetching anything; None where it is still to be made.

    Raises ModelError where a start would.
    """
    if model == "smollm2" and not smollm2.is_made():
        return None
    if is_gguf(model):
        folder = Path(located(model))
        if conversion.is_whole(folder):
            return _opened(model, folder)
        architectures.check_gguf(Path(model).expanduser())
        return None
    path = Path(located(model)).expanduser()
    if not path.is_dir():
        found = hub.cached(_hub_name(model))
        if found is None:
            return None
        path = found
    return _opened(model, path)


def what_a_start_does(model: str, *, runs_here: bool = True) -> str:
    """How a model that is not there yet comes, in words. Asks the hub. Raises ModelError where it cannot."""
    if model == "smollm2":
        return f"SmolLM2, made at the first start: 93 MB are fetched, 273 MB are kept in {smollm2.folder()}"
    if is_gguf(model):
        return f"{model}, converted at the first start into {located(model)}"
    needs = hub.ask(model)
    warnings = hub.shortages(model, needs, runs_here=runs_here)
    return " ".join([f"{model}, fetched from the hub at the first start: {needs}.", *warnings])


def _brought_along(model: str, key: str) -> Path | None:
    """The file that a model's folder names under this key; None where it names none, or is not there."""
    try:
        path = Path(located(model)).expanduser()
    except ModelError:  # a GGUF file that is not there: whoever opens the model says so
        return None
    name = _ours(path).get(key)
    return path / name if isinstance(name, str) else None


def _path(model: str, report: Callable[[str], None], *, runs_here: bool) -> Path:
    if model == "smollm2":
        return smollm2.make(report)
    if is_gguf(model):
        return conversion.make(Path(model).expanduser(), report)
    path = Path(located(model)).expanduser()
    return path if path.is_dir() else hub.fetch(_hub_name(model), report, runs_here=runs_here)


def _hub_name(model: str) -> str:
    """The name on the hub that this is. Raises ModelError where it can only be a path, or is misspelt."""
    if hub.is_name(model):
        return model
    near = [name for name in SHIPPED if _is_near(model, name)]
    advice = f" Did you mean {near[0]}?" if near else ""
    raise ModelError(
        f"There is no model folder {model}.{advice} The setting `model` is smollm2, practice, a folder, "
        "a GGUF file, or a name on the hub such as Qwen/Qwen3-0.6B."
    )


def _is_near(model: str, name: str) -> bool:
    import difflib

    return difflib.SequenceMatcher(None, model.lower(), name).ratio() > 0.6


def _opened(model: str, path: Path) -> ModelFolder:
    config, ours = _table(path / "config.json"), _ours(path)
    name = _text(ours, "name") or _name(model, path)
    weights = sorted(file for pattern in _WEIGHTS for file in path.glob(pattern))
    if not weights:
        raise ModelError(
            f"The model folder {path} holds no weights (*.safetensors). Point the setting `model` at "
            "a folder that a model was saved to, or at a model's name on the hub."
        )
    if not any((path / name).is_file() for name in _TOKENIZERS):
        raise ModelError(
            f"The model folder {path} holds no tokenizer. Copy the model's tokenizer files into it."
        )
    if not _has_chat_template(path):
        raise ModelError(
            f"The model in {path} has no chat template, so it cannot hold a conversation. "
            "Choose a model that was tuned for chat or for instructions."
        )
    named = config.get("architectures")
    architectures.check(name, named if isinstance(named, list) else ())
    card = ModelCard(
        id=f"{name}@{_fingerprint(path, weights)}",
        title=_text(ours, "title") or name,
        nature=_text(ours, "nature"),
        licence=_text(ours, "licence"),
        parameters=_parameters(weights, config),
        weight_bytes=sum(file.stat().st_size for file in weights),
        max_context=_max_context(ours, config),
    )
    return ModelFolder(path=path, card=card, sampling=_sampling(path, config))


def _has_chat_template(path: Path) -> bool:
    if any((path / name).exists() for name in _TEMPLATES):
        return True
    tokenizer = path / "tokenizer_config.json"
    return tokenizer.is_file() and bool(_table(tokenizer).get("chat_template"))


def _ours(path: Path) -> dict[str, object]:
    """What our own file in the folder says; nothing where there is none."""
    return _table(path / conversion.OWN_FILE) if (path / conversion.OWN_FILE).is_file() else {}


def _table(file: Path) -> dict[str, object]:
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The model folder {file.parent} has no readable {file.name}: {error}") from error
    if not isinstance(table, dict):
        raise ModelError(f"{file.name} in the model folder {file.parent} is not a table of settings.")
    return table


def _sampling(path: Path, config: Mapping[str, object]) -> SamplingDefaults:
    file = path / "generation_config.json"
    return advised(config.get("model_type"), _table(file) if file.is_file() else {})


def _text(ours: Mapping[str, object], key: str) -> str:
    value = ours.get(key)
    return value if isinstance(value, str) else ""


def _max_context(ours: Mapping[str, object], config: Mapping[str, object]) -> int:
    text_config = config.get("text_config")
    named = (
        ours.get("max_context"),
        config.get("max_position_embeddings"),
        text_config.get("max_position_embeddings") if isinstance(text_config, dict) else None,
    )
    return next((length for length in named if isinstance(length, int)), 4096)


def _parameters(weights: Sequence[Path], config: Mapping[str, object]) -> int | None:
    """Counted in the headers of the files; None where these hold no plain numbers."""
    if "quantization_config" in config or any(file.suffix != ".safetensors" for file in weights):
        return None
    return sum(_elements(file) for file in weights)


def _elements(file: Path) -> int:
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        end = 8 + length + max((entry["data_offsets"][1] for entry in _tensors(header)), default=0)
    except (OSError, ValueError, struct.error, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise ModelError(
            f"The model's weights {file} are damaged: {error} Copy or fetch them again."
        ) from error
    if file.stat().st_size < end:
        raise ModelError(
            f"The model's weights {file} are cut short: {file.stat().st_size:,} bytes are there of {end:,}. "
            "Copy or fetch them again."
        )
    return sum(math.prod(entry["shape"]) for entry in _tensors(header))


def _tensors(header: dict[str, dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    return [entry for name, entry in header.items() if name != "__metadata__"]


def _name(model: str, path: Path) -> str:
    """A folder called `weights` says nothing; the folder around it does."""
    if Path(model).expanduser().is_dir():
        return path.resolve().parent.name if path.name in ("weights", "model") else path.resolve().name
    return model


def _fingerprint(path: Path, weights: Sequence[Path]) -> str:
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
