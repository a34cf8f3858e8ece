"""A GGUF file becomes a folder that vLLM, PEFT and the training read: safetensors, tokenizer and config.

A file is converted once, into the cache, under its name and a fingerprint of what is in it. The work is done
in a process of its own, which gives its memory back:

    python -m engine.models.conversion FILE FOLDER
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from engine.errors import ModelError
from engine.models import architectures, cache
from engine.models.gguf_file import GgufHeader, read_header

OWN_FILE: Final = "nightloom.json"
# What a folder was made by. A folder of an earlier number is made anew.
VERSION: Final = 3
TIMEOUT_S: Final = 3600.0
BFLOAT16_BYTES: Final = 2
_REFUSED: Final = 3
# What sampling is called in generation_config.json and in GGUF files.
_SAMPLING: Final = {
    "temperature": "temp",
    "top_p": "top_p",
    "top_k": "top_k",
    "repetition_penalty": "penalty_repeat",
}
# No accelerator and no network is needed, and nobody reads the progress bars.
_QUIET: Final = {
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}
# Hashing the whole of a large file would take longer than loading it: slices all over it tell it apart.
_SLICES: Final = 64
_SLICE_BYTES: Final = 64 * 1024
_FIRST_BYTES: Final = 1024 * 1024


def folder_of(file: Path) -> Path:
    """Where the model of a GGUF file lies, whether it was converted or not. Raises ModelError."""
    return cache.models_folder() / f"{file.stem.lower()}-{_fingerprint(file)}"


def make(file: Path, report: Callable[[str], None]) -> Path:
    """The folder of a GGUF file's model, converted where it was not yet. Blocks. Raises ModelError."""
    folder = folder_of(file)

    def fill(part: Path) -> None:
        architectures.check_gguf(file)
        header = read_header(file)
        size = header.parameters * BFLOAT16_BYTES
        free = shutil.disk_usage(part).free
        if free < size:
            raise ModelError(
                f"{file.name} becomes a model of {size / 1e9:.1f} GB; {part.parent} has {free / 1e9:.1f} GB. "
                f"Make room, or set {cache.VARIABLE} to another folder."
            )
        report(f"Converting {file.name} for vLLM, once, into {folder} ({size / 1e6:,.0f} MB)")
        convert(file, part)
        add_sampling(part, _sampling(header))
        write_own(part, _facts(file, header))

    cache.make_once(folder, is_whole=lambda: is_whole(folder), make=fill)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether the folder was made, and by this version."""
    try:
        facts = json.loads((folder / OWN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("conversion") == VERSION


def convert(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file into a folder that exists. Blocks for a minute. Raises ModelError."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, str(file), str(folder)]
    try:
        ended = subprocess.run(
            command, env={**os.environ, **_QUIET}, capture_output=True, text=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{file} was not converted within {TIMEOUT_S / 60:.0f} minutes.") from error
    if ended.returncode == _REFUSED:
        raise ModelError(ended.stdout.strip().splitlines()[-1])
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or [f"it ended with {ended.returncode}"])[-1]
        raise ModelError(f"The model file {file} cannot be converted: {last}")


def write_own(folder: Path, facts: Mapping[str, object]) -> None:
    """Our own file in a model's folder, which says what the model's files do not."""
    text = json.dumps({**facts, "conversion": VERSION}, indent=2, ensure_ascii=False)
    (folder / OWN_FILE).write_text(text + "\n", encoding="utf-8")


def add_sampling(folder: Path, sampling: Mapping[str, object]) -> None:
    """Say in the model's own file how its makers advise to sample it."""
    file = folder / "generation_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings.pop("_from_model_config", None)  # transformers would make it anew from config.json
    file.write_text(json.dumps({**settings, **sampling}, indent=2) + "\n", encoding="utf-8")


def _sampling(header: GgufHeader) -> dict[str, object]:
    """What a file says of it, where it is a recent one."""
    found: dict[str, object] = {
        name: header.facts[f"general.sampling.{key}"]
        for name, key in _SAMPLING.items()
        if f"general.sampling.{key}" in header.facts
    }
    return found | {"do_sample": True} if found else {}


def _facts(file: Path, header: GgufHeader) -> dict[str, object]:
    title, licence = header.facts.get("general.name"), header.facts.get("general.license")
    facts: dict[str, object] = {"name": file.stem.lower(), "title": title or file.stem, "origin": file.name}
    return facts | ({"licence": licence} if licence else {})


def _fingerprint(file: Path) -> str:
    try:
        size = file.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_FIRST_BYTES))
            for number in range(1, _SLICES + 1):
                stream.seek(max(0, size * number // _SLICES - _SLICE_BYTES))
                digest.update(stream.read(_SLICE_BYTES))
    except FileNotFoundError as error:
        raise ModelError(f"There is no model file {file}. Check the setting `model`.") from error
    except OSError as error:
        raise ModelError(f"The model file {file} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()[:12]


def main(file: Path, folder: Path) -> int:
    try:
        _convert(file, folder)
    except ModelError as error:
        sys.stdout.write(" ".join(str(error).split()) + "\n")  # the process that started this one reads it
        return _REFUSED
    return 0


def _convert(file: Path, folder: Path) -> None:
    # The file is the user's own, and the network is off: transformers is asked for nothing else.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    try:
        model, loaded = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
        )
        tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except (ValueError, KeyError, OSError, NotImplementedError) as error:
        raise ModelError(f"The model file {file} cannot be converted: {error}") from error
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise ModelError(
            f"The model file {file} lacks {len(missing)} of its weights, {missing[0]} among them. "
            "Fetch it again."
        )
    _forget_quantization(model)
    model.save_pretrained(folder)
    _mend_numbers(tokenizer, file)
    tokenizer.save_pretrained(folder)
    for written in folder.iterdir():
        written.chmod(0o644)  # a vLLM server may run as another user


def _forget_quantization(model: Any) -> None:
    """The weights are plain numbers now. With these left in place they would not be saved."""
    for name in ("hf_quantizer", "quantization_method"):
        if hasattr(model, name):
            setattr(model, name, None)
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _mend_numbers(tokenizer: Any, file: Path) -> None:
    """Tokenizers of the kind `smollm` read digit by digit, which transformers does not know of them."""
    from tokenizers import pre_tokenizers

    if read_header(file).facts.get("tokenizer.ggml.pre") == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
