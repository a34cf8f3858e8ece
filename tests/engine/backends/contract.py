"""What every backend promises, whatever model is behind it. Each backend's test file inherits this suite."""

from __future__ import annotations

import asyncio
import math

import pytest

from engine.errors import RequestError
from engine.ports import Backend, BackendState
from engine.types import Prompt, Role, Sampling, Turn

PROMPT = Prompt(
    turns=(Turn(role=Role.USER, text="Tell me about the otter."),), notes=("Keep answers short.",)
)
QUESTION = "Is the reply about what was asked? Answer yes or no."


class BackendContract:
    """Inherit and give a `backend` fixture: a started backend that nothing else uses meanwhile."""

    async def test_it_is_ready_after_start_and_names_its_model(self, backend: Backend) -> None:
        assert backend.state is BackendState.READY
        assert backend.model
        assert backend.max_context > 64

    async def test_text_survives_encoding_and_decoding(self, backend: Backend) -> None:
        text = "Otters hold hands; 2 + 2 = 4.\n- Yes!"
        assert backend.decode(backend.encode_text(text)) == text

    async def test_a_longer_prompt_begins_as_the_shorter_one_did(self, backend: Backend) -> None:
        ids = backend.encode(PROMPT)
        longer = backend.encode(PROMPT.then("They swim.", "And the heron?"))
        common = next(
            (i for i, pair in enumerate(zip(ids, longer, strict=False)) if pair[0] != pair[1]), len(ids)
        )
        assert common >= len(ids) - 8

    async def test_it_gives_as_many_samples_as_were_asked_for(self, backend: Backend) -> None:
        prefix = backend.encode(PROMPT)
        for n in (1, 3, 8):
            samples = await backend.sample(prefix, n=n, sampling=Sampling(max_tokens=12, seed=1))
            assert len(samples) == n

    async def test_no_sample_is_longer_than_the_limit_and_an_unfinished_one_fills_it(
        self, backend: Backend
    ) -> None:
        prefix = backend.encode(PROMPT)
        samples = await backend.sample(prefix, n=8, sampling=Sampling(max_tokens=5, seed=2))
        for sample in samples:
            assert len(sample.token_ids) <= 5
            assert sample.finished or len(sample.token_ids) == 5

    async def test_the_same_seed_gives_the_same_samples(self, backend: Backend) -> None:
        prefix = backend.encode(PROMPT)
        sampling = Sampling(max_tokens=12, seed=7)
        first = await backend.sample(prefix, n=4, sampling=sampling)
        assert list(first) == list(await backend.sample(prefix, n=4, sampling=sampling))

    async def test_a_half_reply_is_continued_from_its_last_token(self, backend: Backend) -> None:
        """Greedily, going on from the first tokens arrives where going through did."""
        prefix = backend.encode(PROMPT)
        (whole,) = await backend.sample(prefix, n=1, sampling=Sampling(max_tokens=12, temperature=0))
        begun = whole.token_ids[:4]
        (rest,) = await backend.sample(prefix + begun, n=1, sampling=Sampling(max_tokens=8, temperature=0))
        assert begun + rest.token_ids == whole.token_ids

    async def test_the_token_that_ends_a_reply_is_not_part_of_it(self, backend: Backend) -> None:
        """So a question can be put behind any reply, finished or not."""
        ending = backend.encode_question(QUESTION)[0]
        samples = await backend.sample(backend.encode(PROMPT), n=8, sampling=Sampling(max_tokens=200, seed=3))
        for sample in samples:
            assert ending not in sample.token_ids[-1:]

    async def test_a_batch_of_questions_is_answered_in_order_and_alike_when_asked_alone(
        self, backend: Backend
    ) -> None:
        prefix, suffix = backend.encode(PROMPT), backend.encode_question(QUESTION)
        replies = ["echo: Tell me", "Otters swim.", "No.", ""]
        prompts = [prefix + backend.encode_text(reply) + suffix for reply in replies]
        together = await backend.ask(prompts)
        alone = [(await backend.ask([prompt]))[0] for prompt in prompts]
        assert together == pytest.approx(alone, abs=0.05)
        assert all(math.isfinite(odds) for odds in together)

    async def test_asking_nothing_answers_nothing(self, backend: Backend) -> None:
        assert list(await backend.ask([])) == []

    async def test_a_prompt_beyond_the_context_fails_alone(self, backend: Backend) -> None:
        sampling = Sampling(max_tokens=4, seed=1)
        prefix = backend.encode(PROMPT)
        too_long = prefix[:1] * (backend.max_context + 1)
        with pytest.raises(RequestError, match="tokens"):
            await backend.sample(too_long, n=1, sampling=sampling)
        with pytest.raises(RequestError, match="tokens"):
            await backend.ask([prefix, too_long])
        assert len(await backend.sample(prefix, n=1, sampling=sampling)) == 1

    async def test_a_reply_that_reaches_the_end_of_the_context_stops_there(self, backend: Backend) -> None:
        prefix = backend.encode(PROMPT)
        filling = backend.encode_text("a")[-1:] * (backend.max_context - len(prefix) - 3)
        samples = await backend.sample(prefix + filling, n=2, sampling=Sampling(max_tokens=50, seed=1))
        assert all(len(sample.token_ids) <= 3 for sample in samples)

    async def test_an_empty_prompt_and_nothing_to_generate_are_refused(self, backend: Backend) -> None:
        with pytest.raises(RequestError):
            await backend.sample((), n=1, sampling=Sampling(max_tokens=4))
        with pytest.raises(RequestError):
            await backend.sample(backend.encode(PROMPT), n=0, sampling=Sampling(max_tokens=4))
        with pytest.raises(RequestError):
            await backend.sample(backend.encode(PROMPT), n=1, sampling=Sampling(max_tokens=0))

    async def test_after_a_cancelled_call_the_next_is_served(self, backend: Backend) -> None:
        prefix = backend.encode(PROMPT)
        long = Sampling(max_tokens=backend.max_context // 2, seed=1)
        tasks = [asyncio.ensure_future(backend.sample(prefix, n=8, sampling=long)) for _ in range(3)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert len(await backend.sample(prefix, n=1, sampling=Sampling(max_tokens=4, seed=1))) == 1

    async def test_many_calls_at_once_do_not_mix(self, backend: Backend) -> None:
        prompts = [
            backend.encode(Prompt(turns=(Turn(role=Role.USER, text=f"Question {number}"),)))
            for number in range(6)
        ]
        greedy = Sampling(max_tokens=16, temperature=0)
        alone = [await backend.sample(prompt, n=1, sampling=greedy) for prompt in prompts]
        together = await asyncio.gather(*(backend.sample(prompt, n=1, sampling=greedy) for prompt in prompts))
        assert [list(samples) for samples in together] == [list(samples) for samples in alone]

    async def test_after_forgetting_it_answers_as_before_even_what_was_under_way(
        self, backend: Backend
    ) -> None:
        prefix, sampling = backend.encode(PROMPT), Sampling(max_tokens=12, temperature=0)
        before = await backend.sample(prefix, n=1, sampling=sampling)
        under_way = asyncio.create_task(backend.sample(prefix, n=1, sampling=sampling))
        await asyncio.sleep(0)
        await backend.forget_prefixes()
        await backend.forget_prefixes()
        assert list(await under_way) == list(before)
        assert list(await backend.sample(prefix, n=1, sampling=sampling)) == list(before)
