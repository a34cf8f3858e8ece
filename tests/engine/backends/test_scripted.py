"""The scripted backend keeps the contract, and answers exactly what its docstring says."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import wording
from engine.backends.scripted import ScriptedBackend
from engine.judging.judge import Judge
from engine.judging.rubric import load_rubric
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.types import LoraRef, Prompt, Role, Sampling, Turn
from tests.engine.backends.contract import BackendContract

RUBRIC = PRACTICE_RUBRIC


@pytest.fixture
async def backend() -> ScriptedBackend:
    backend = ScriptedBackend()
    await backend.start(lambda _: None)
    return backend


class TestContract(BackendContract):
    """Every promise of a backend, kept by the scripted one."""


def asking(text: str) -> Prompt:
    return Prompt(turns=(Turn(role=Role.USER, text=text),))


async def replies(backend: ScriptedBackend, prompt: Prompt, n: int, max_tokens: int = 256) -> list[str]:
    samples = await backend.sample(backend.encode(prompt), n=n, sampling=Sampling(max_tokens=max_tokens))
    assert all(sample.finished for sample in samples)
    return [backend.decode(sample.token_ids) for sample in samples]


async def test_it_echoes_and_numbers_further_samples(backend: ScriptedBackend) -> None:
    assert await replies(backend, asking("hi"), 3) == ["echo: hi", "echo: hi #2", "echo: hi #3"]


async def test_it_echoes_a_long_text_whole_within_the_usual_token_limit(backend: ScriptedBackend) -> None:
    text = "Zeile ä 🦦\n" * 2_000
    assert await replies(backend, asking(text), 2) == [f"echo: {text}", f"echo: {text} #2"]


async def test_a_long_echo_made_in_chunks_is_the_same_text(backend: ScriptedBackend) -> None:
    text = "word " * 200
    prefix = backend.encode(asking(text))
    reply: tuple[int, ...] = ()
    for _ in range(100):
        (chunk,) = await backend.sample(prefix + reply, n=1, sampling=Sampling(max_tokens=7))
        reply += chunk.token_ids
        if chunk.finished:
            break
    assert backend.decode(reply) == f"echo: {text}"


async def test_a_numbered_beginning_is_continued_under_its_number(backend: ScriptedBackend) -> None:
    prefix = backend.encode(asking("hi")) + backend.encode_text("echo: hi #")
    samples = await backend.sample(prefix, n=2, sampling=Sampling(max_tokens=9))
    assert [backend.decode(sample.token_ids) for sample in samples] == ["2", "3"]


async def test_a_note_is_the_critique_and_a_revision_echoes_it(backend: ScriptedBackend) -> None:
    prompt = asking("hi")
    assert await replies(backend, wording.note(prompt, "echo: hi", "Too long"), 1) == ["Too long"]
    assert await replies(backend, wording.revision(prompt, "echo: hi", "Too long", wording.CLASSIC), 1) == [
        "echo: Too long"
    ]


async def test_the_shipped_rubric_finds_the_unnumbered_reply_best_and_then_the_lower_numbers(
    backend: ScriptedBackend,
) -> None:
    judge = Judge(backend, load_rubric(RUBRIC).questions)
    texts = ["echo: hi", "echo: hi #2", "echo: hi #3", "something else"]
    verdicts = await judge.score(backend.encode(asking("hi")), [backend.encode_text(one) for one in texts])
    scores = [verdict.score for verdict in verdicts]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


async def test_loras_are_accepted_and_remembered(backend: ScriptedBackend) -> None:
    lora = LoraRef(name="ann-1", id=1, path=Path("ann/1"))
    await backend.load(lora)
    await backend.sample(backend.encode(asking("hi")), n=1, sampling=Sampling(max_tokens=9), lora=lora)
    assert backend.loaded == {"ann-1": lora}
    assert list(backend.used) == ["ann-1"]
    await backend.unload(lora)
    assert backend.loaded == {}
