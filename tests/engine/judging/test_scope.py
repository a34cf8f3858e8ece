"""Notes for one kind of request stand aside for others. In doubt, or where it cannot be asked, they count."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engine.backends.scripted import ScriptedBackend
from engine.errors import EngineDownError, EngineError, RequestError
from engine.judging import scope
from engine.types import LoraRef, TokenIds
from tests.fakes.occasion_backend import POEMS, OccasionBackend

ALWAYS = "Use emoji."


class Failing(ScriptedBackend):
    def __init__(self, error: EngineError) -> None:
        super().__init__()
        self.error = error

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        raise self.error


@pytest.mark.parametrize(
    ("note", "is_limited"),
    [
        (POEMS, True),
        ("For plans, use a list.", True),
        ("if I want comfort, be warm", True),
        ("Please, for poems, be formal.", True),
        (ALWAYS, False),
        ("From now on, be formal.", False),
        ("For now, be formal.", False),
        ("For every answer, be formal.", False),
        ("Formal, please.", False),
    ],
)
def test_only_a_note_that_begins_with_its_occasion_is_for_one_kind(note: str, is_limited: bool) -> None:
    assert scope.is_for_one_kind(note) is is_limited


async def test_a_note_for_another_kind_of_request_is_left_out() -> None:
    backend = OccasionBackend()
    notes = (ALWAYS, POEMS)
    assert await scope.meant(backend, notes, "A poem about rain") == notes
    assert await scope.meant(backend, notes, "What is rain?") == (ALWAYS,)


async def test_what_is_always_wanted_is_not_asked_about() -> None:
    backend = OccasionBackend()
    assert await scope.meant(backend, (ALWAYS,), "What is rain?") == (ALWAYS,)
    assert backend.asked == 0


async def test_in_doubt_a_note_counts() -> None:
    assert await scope.meant(OccasionBackend(sure=1.0), (POEMS,), "What is rain?") == (POEMS,)


async def test_where_it_cannot_be_asked_all_notes_count_unless_the_engine_is_down() -> None:
    assert await scope.meant(Failing(RequestError("too long")), (POEMS,), "What is rain?") == (POEMS,)
    with pytest.raises(EngineDownError):
        await scope.meant(Failing(EngineDownError("restarting")), (POEMS,), "What is rain?")
