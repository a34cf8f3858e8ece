"""What a GGUF file says about itself, and whether all of it is there. Reads no weights and loads no library.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Numbers are little-endian.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import ModelError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
_STRING, _ARRAY = 8, 9
# The formats of the values that have a fixed size, by their number in the file.
_FIXED: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_ALIGNMENT_BYTES: Final = 32
_MAX_DIMENSIONS: Final = 8

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor's place: its elements, the number of its type, and where it begins behind the header."""

    name: str
    elements: int
    type: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """`facts`: what the file says by key, without its lists."""

    facts: dict[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int

    @property
    def architecture(self) -> str:
        return str(self.facts.get("general.architecture", ""))

    @property
    def has_chat_template(self) -> bool:
        return bool(self.facts.get("tokenizer.chat_template"))

    @property
    def parameters(self) -> int:
        return sum(tensor.elements for tensor in self.tensors)


def read_header(file: Path) -> GgufHeader:
    """The header of a whole GGUF file of a chat model. Raises ModelError, which says what to do."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            header = _Reader(mapped, file).header()
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise ModelError(f"The model file {file} cannot be read: {error}.") from error
    except (struct.error, IndexError) as error:
        raise ModelError(_cut_short(file, "it ends within its header")) from error
    needed = header.data_offset + max((_end(tensor, file) for tensor in header.tensors), default=0)
    if size < needed:
        raise ModelError(_cut_short(file, f"{size:,} bytes are there of {needed:,}"))
    _check_kind(header, file)
    return header


def _check_kind(header: GgufHeader, file: Path) -> None:
    parts = header.facts.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise ModelError(
            f"The model file {file} is a part of {parts}. Join the parts with `llama-gguf-split --merge`, "
            "and name the file that it makes."
        )
    if not header.architecture or not header.tensors:
        raise ModelError(f"The model file {file} holds no model: it names no architecture or no weights.")
    if not header.has_chat_template:
        raise ModelError(
            f"The model in {file} has no chat template, so it cannot hold a conversation. "
            "Choose a file of a model that was tuned for chat or for instructions."
        )


def _end(tensor: Tensor, file: Path) -> int:
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        block_elements, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.type)]
    except ValueError as error:
        raise ModelError(
            f"The model file {file} holds weights of a type ({tensor.type}) that is not known here. "
            "Choose a file of another type, such as Q4_K_M or Q8_0."
        ) from error
    blocks = math.ceil(tensor.elements / block_elements)
    end: int = tensor.offset + blocks * block_bytes
    return end


def _cut_short(file: Path, why: str) -> str:
    return f"The model file {file} is cut short: {why}. Fetch it again."


class _Reader:
    """Walks through a header. Whatever lies behind the file's end raises IndexError or struct.error."""

    def __init__(self, mapped: mmap.mmap, file: Path) -> None:
        self._mapped = mapped
        self._file = file
        self._at = 0

    def header(self) -> GgufHeader:
        if self._mapped[:4] != MAGIC:
            raise ModelError(
                f"The file {self._file} is no GGUF file: it does not begin with {MAGIC.decode()}."
            )
        self._at = 4
        version = int(self._number("<I"))
        if version not in VERSIONS:
            raise ModelError(
                f"The model file {self._file} is of GGUF version {version}; "
                f"{' and '.join(map(str, VERSIONS))} can be read. Make it anew with a current llama.cpp."
            )
        tensor_count, fact_count = int(self._number("<Q")), int(self._number("<Q"))
        facts: dict[str, Value] = {}
        for _ in range(fact_count):
            key = self._string()
            facts[key] = self._value(int(self._number("<I")))
        tensors = tuple(self._tensor() for _ in range(tensor_count))
        alignment = facts.get("general.alignment", _ALIGNMENT_BYTES)
        step = alignment if isinstance(alignment, int) and alignment > 0 else _ALIGNMENT_BYTES
        return GgufHeader(facts=facts, tensors=tensors, data_offset=math.ceil(self._at / step) * step)

    def _tensor(self) -> Tensor:
        name = self._string()
        dimensions = int(self._number("<I"))
        if dimensions > _MAX_DIMENSIONS:
            raise self._damaged()
        sizes = [int(self._number("<Q")) for _ in range(dimensions)]
        kind, offset = int(self._number("<I")), int(self._number("<Q"))
        return Tensor(name=name, elements=math.prod(sizes), type=kind, offset=offset)

    def _value(self, kind: int) -> Value:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._skip_array()
            return None
        if kind not in _FIXED:
            raise self._damaged()
        return self._number(_FIXED[kind])

    def _skip_array(self) -> None:
        kind, count = int(self._number("<I")), int(self._number("<Q"))
        if kind in _FIXED:
            self._skip(count * struct.calcsize(_FIXED[kind]))
        else:
            for _ in range(count):
                if kind == _STRING:
                    self._skip(int(self._number("<Q")))
                else:
                    self._value(kind)

    def _number(self, form: str) -> int | float:
        number: int | float
        (number,) = struct.unpack_from(form, self._mapped, self._at)
        self._at += struct.calcsize(form)
        return number

    def _string(self) -> str:
        length = int(self._number("<Q"))
        start = self._at
        self._skip(length)
        return self._mapped[start : self._at].decode("utf-8", errors="replace")

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > len(self._mapped):
            raise IndexError

    def _damaged(self) -> ModelError:
        return ModelError(
            f"The model file {self._file} is damaged: its header makes no sense. Fetch it again."
        )
