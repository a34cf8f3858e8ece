"""What the gate is shown: the same requests for candidate and current, in order; the base asked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.nights.evaluate import FEW_SHARED, Evaluation
from bot.nights.material.prepare import GateMaterial
from engine.backends.scripted import ScriptedBackend
from engine.errors import RequestError
from engine.learning.gate import Evidence, GateBounds
from engine.learning.lessons import Result
from engine.ports import Watch
from engine.types import Completion, LoraRef, Prompt, Role, Sampling, TokenIds, Turn
from tests.bot.conftest import StartBot
from tests.fakes.occasion_backend import POEMS, OccasionBackend

NOTE = "Be warm."
CANDIDATE = LoraRef(name="candidate", id=1, path=Path("none"))


class CountingBackend(ScriptedBackend):
    """Counts how often each LoRA, or none, was asked, and how often with the notes in sight."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[LoraRef | None] = []
        self.told = 0

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        self.asked.append(lora)
        self.told += NOTE in self.decode(prefix)
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)


def material_of(person: str) -> GateMaterial:
    own = Prompt(turns=(Turn(role=Role.USER, text=f"What does {person} like?"),))
    return GateMaterial(notes=(NOTE,), prior=0.9, held_out=(own,))


async def test_both_answer_the_same_requests_and_the_base_answers_the_shared_ones_once(
    start_bot: StartBot,
) -> None:
    backend = CountingBackend()
    async with start_bot(backend=backend) as bot:
        evaluation, result = Evaluation(bot.context), Result(key="p", is_trained=True)
        for person in ("ann", "ben"):
            _, found = await evaluation.decide(material_of(person), result, candidate=CANDIDATE, current=None)
            assert [sample.request for sample in found.candidate] == [
                sample.request for sample in found.current
            ]
            assert len(found.candidate) == FEW_SHARED + 1
            shared = [sample.request for sample in found.shared_current]
            assert [sample.request for sample in found.shared_candidate] == shared
            assert [sample.request for sample in found.shared_noted] == shared
            assert len(shared) == FEW_SHARED
    assert backend.asked.count(CANDIDATE) == 2 * (FEW_SHARED + 1)
    assert backend.told == 2 * FEW_SHARED
    assert backend.asked.count(None) == FEW_SHARED + 2 + backend.told


async def test_what_an_error_hid_speaks_neither_for_nor_against(start_bot: StartBot) -> None:
    class Stumbling(ScriptedBackend):
        """Refuses one of the candidate's replies."""

        has_refused = False

        async def sample(
            self,
            prefix: TokenIds,
            *,
            n: int,
            sampling: Sampling,
            lora: LoraRef | None = None,
            watch: Watch | None = None,
        ) -> Sequence[Completion]:
            if lora is not None and not self.has_refused:
                self.has_refused = True
                raise RequestError("too long")
            return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)

    async with start_bot(backend=Stumbling()) as bot:
        result = Result(key="p", is_trained=True)
        _, found = await Evaluation(bot.context).decide(
            material_of("ann"), result, candidate=CANDIDATE, current=None
        )
    assert len(found.candidate) == len(found.current) == FEW_SHARED
    assert [sample.request for sample in found.candidate] == [sample.request for sample in found.current]


async def test_a_reply_is_measured_by_the_notes_that_are_for_its_request(start_bot: StartBot) -> None:
    poem = Prompt(turns=(Turn(role=Role.USER, text="A poem about rain, please."),))
    limited = replace(material_of("ann"), notes=(POEMS,), held_out=(poem,))
    async with start_bot(backend=OccasionBackend()) as bot:
        result = Result(key="p", is_trained=True)
        _, found = await Evaluation(bot.context).decide(limited, result, candidate=CANDIDATE, current=None)
    sides = zip(found.candidate, found.current, strict=True)
    measured = {sample.request for side in sides for sample in side if sample.wanted != 0.5}
    assert "A poem about rain, please." in measured
    assert all("poem" in request for request in measured)


async def test_without_notes_the_measure_is_what_answers_now(start_bot: StartBot) -> None:
    async with start_bot() as bot:
        unnoted = replace(material_of("ann"), notes=())
        result = Result(key="p", is_trained=True)
        _, found = await Evaluation(bot.context).decide(unnoted, result, candidate=CANDIDATE, current=None)
    assert found.shared_noted == found.shared_current


async def test_who_looks_worse_is_asked_more(start_bot: StartBot, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[int] = []

    def looks_worse(evidence: Evidence, _: GateBounds) -> bool:
        looked_at.append(len(evidence.shared_candidate))
        return True

    monkeypatch.setattr("bot.nights.evaluate.looks_worse", looks_worse)
    async with start_bot() as bot:
        result = Result(key="p", is_trained=True)
        _, found = await Evaluation(bot.context).decide(
            material_of("ann"), result, candidate=CANDIDATE, current=None
        )
    assert looked_at == [FEW_SHARED]
    asked = [sample.request for sample in found.shared_candidate]
    assert asked == [sample.request for sample in found.shared_noted] == list(bot.context.everyday.shared)
    assert [sample.request for sample in found.candidate] == ["What does ann like?", *asked]
