"""Records as JSON lines, a file for each kind. A line that cannot be read is left, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from bot.records import ChoiceRecord, DocumentRecord, Left, NoteRecord, ReplyRecord, TeachingRecord

MAX_RECORDS: Final = 200_000

T = TypeVar("T")


class RecordKind(Generic[T]):
    """One kind of record: how it becomes lines, and how lines become it."""

    def __init__(self, record: type[T]) -> None:
        self._adapter = TypeAdapter(record)
        self.names = tuple(field.name for field in fields(record))  # type: ignore[arg-type]  # every record is a dataclass

    def dump(self, records: Iterable[T]) -> bytes:
        return b"".join(self._adapter.dump_json(record) + b"\n" for record in records)

    def parse(self, name: str, lines: bytes, left: list[Left]) -> tuple[T, ...]:
        """The records in a file; a line that is none is left, an id that comes again too."""
        found: dict[str, T] = {}
        faults: Counter[str] = Counter()
        for number, line in enumerate(lines.splitlines(), start=1):
            if not line.strip():
                continue
            if number > MAX_RECORDS:
                faults[f"has more than {MAX_RECORDS} lines"] += 1
                continue
            try:
                record = self._adapter.validate_json(line)
            except ValidationError as error:
                faults[explained(number, error)] += 1
                continue
            key = str(getattr(record, "id", number))
            if key in found:
                faults["the same record again"] += 1
            found.setdefault(key, record)
        left += [Left(what=name, why=why, count=count) for why, count in faults.items()]
        return tuple(found.values())


RECORDS: Final[Mapping[str, RecordKind[Any]]] = {  # Any: each kind of record has a type of its own
    "replies": RecordKind(ReplyRecord),
    "teachings": RecordKind(TeachingRecord),
    "notes": RecordKind(NoteRecord),
    "choices": RecordKind(ChoiceRecord),
    "documents": RecordKind(DocumentRecord),
}


def explained(number: int, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"line {number}: {where + ': ' if where else ''}{first['msg']}"
