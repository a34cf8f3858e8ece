"""What the gate is shown: the same requests for candidate and current, in order; the base asked once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.exam import SHARED_REQUESTS, Exam
from bot.study import Study
from engine.backends.scripted import ScriptedBackend
from engine.training.lessons import Result
from engine.types import Completion, LoraRef, Prompt, Role, Sampling, TokenIds, Turn
from tests.bot.conftest import StartBot

CANDIDATE = LoraRef(name="candidate", id=1, path=Path("none"))


class CountingBackend(ScriptedBackend):
    """Counts how often each LoRA, or none, was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[LoraRef | None] = []

    async def sample(
        self, prefix: TokenIds, *, n: int, sampling: Sampling, lora: LoraRef | None = None
    ) -> Sequence[Completion]:
        self.asked.append(lora)
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora)


def studied(person: str) -> Study:
    own = Prompt(turns=(Turn(role=Role.USER, text=f"What does {person} like?"),))
    return Study(
        person=person,
        notes=("Be warm.",),
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
            assert len(shared) == SHARED_REQUESTS
    assert backend.asked.count(CANDIDATE) == 2 * (SHARED_REQUESTS + 1)
    assert backend.asked.count(None) == SHARED_REQUESTS + 2
