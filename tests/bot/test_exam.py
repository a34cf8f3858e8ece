"""What the gate is shown: the same requests for candidate and current, in order; the base asked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.exam import SHARED_REQUESTS, Exam
from bot.study import Study
from engine.backends.scripted import ScriptedBackend
from engine.training.lessons import Result
from engine.types import Completion, LoraRef, Prompt, Role, Sampling, TokenIds, Turn
from tests.bot.conftest import StartBot

NOTE = "Be warm."
CANDIDATE = LoraRef(name="candidate", id=1, path=Path("none"))


class CountingBackend(ScriptedBackend):
    """Counts how often each LoRA, or none, was asked, and how often with the notes in sight."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[LoraRef | None] = []
        self.told = 0

    async def sample(
        self, prefix: TokenIds, *, n: int, sampling: Sampling, lora: LoraRef | None = None
    ) -> Sequence[Completion]:
        self.asked.append(lora)
        self.told += NOTE in self.decode(prefix)
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora)


def studied(person: str) -> Study:
    own = Prompt(turns=(Turn(role=Role.USER, text=f"What does {person} like?"),))
    return Study(
        person=person,
        notes=(NOTE,),
        prior=0.9,
        noted=0.9,
        used={},
        lessons=(),
        asked=(),
        trials=(),
        held_out=(own,),
    )


async def test_both_answer_the_same_requests_and_the_base_answers_the_shared_ones_once(
    start_bot: StartBot,
) -> None:
    backend = CountingBackend()
    async with start_bot(backend=backend) as bot:
        exam, result = Exam(bot.kit), Result(key="p", is_trained=True)
        for person in ("ann", "ben"):
            found = await exam.evidence(studied(person), result, candidate=CANDIDATE, current=None)
            assert [one.request for one in found.candidate] == [one.request for one in found.current]
            assert len(found.candidate) == SHARED_REQUESTS + 1
            shared = [one.request for one in found.shared_current]
            assert [one.request for one in found.shared_candidate] == shared
            assert [one.request for one in found.shared_noted] == shared
            assert len(shared) == SHARED_REQUESTS
    assert backend.asked.count(CANDIDATE) == 2 * (SHARED_REQUESTS + 1)
    assert backend.told == 2 * SHARED_REQUESTS
    assert backend.asked.count(None) == SHARED_REQUESTS + 2 + backend.told


async def test_without_notes_the_measure_is_what_answers_now(start_bot: StartBot) -> None:
    async with start_bot() as bot:
        unnoted = replace(studied("ann"), notes=(), noted=None)
        result = Result(key="p", is_trained=True)
        found = await Exam(bot.kit).evidence(unnoted, result, candidate=CANDIDATE, current=None)
    assert found.shared_noted == found.shared_current
