"""Makes one reply to one prompt: how much is sampled, what is judged, which candidate wins.

The door to the engine's search. Knows no person, no chat and no store: what is known of the person
comes in as the prompt's notes, the judge and the LoRA.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.judge import Judge, Verdict
from engine.ports import Backend, EngineError, RequestError
from engine.types import (
    Candidate,
    Completion,
    Composed,
    Limits,
    LoraRef,
    Mode,
    Prompt,
    Sampling,
    TokenIds,
    TreeNode,
)

Progress = Callable[[int, int], None]


async def compose(
    backend: Backend,
    prompt: Prompt,
    *,
    judge: Judge,
    mode: Mode,
    limits: Limits,
    seed: int,
    lora: LoraRef | None = None,
    on_progress: Progress | None = None,
) -> Composed:
    """The best reply that the mode and the limits allow. Raises EngineError if there is none to give.

    `on_progress` is told how many branches have been made, of how many. The same seed and backend give
    the same reply, as long as the deadline is not what ends the search.
    """
    composition = _Composition(backend, prompt, judge, limits, seed, lora, on_progress)
    return await composition.make(mode)


@dataclass(slots=True)
class _Reply:
    """A whole reply on its way to becoming a candidate."""

    token_ids: TokenIds
    text: str
    is_cut: bool  # the token limit or the deadline ended it, not the model
    verdict: Verdict


class _Composition:
    """The state of one call of `compose`: what it was given, and what it has spent."""

    def __init__(
        self,
        backend: Backend,
        prompt: Prompt,
        judge: Judge,
        limits: Limits,
        seed: int,
        lora: LoraRef | None,
        on_progress: Progress | None,
    ) -> None:
        self._backend = backend
        self._judge = judge
        self._limits = limits
        self._seed = seed
        self._lora = lora
        self._report = on_progress or (lambda done, total: None)
        self._prompt_ids = backend.encode(prompt)
        self._room = self._room_for_reply()
        self._generated = 0
        self._started = asyncio.get_running_loop().time()

    async def make(self, mode: Mode) -> Composed:
        count = 1 if mode is Mode.FAST else self._limits.samples
        replies = await self._sample(count, self._seed)
        if len(replies) > 1:
            replies = await self._judged(replies)
        return self._composed(replies, Mode.FAST if count == 1 else Mode.BEST)

    async def _sample(self, count: int, seed: int) -> list[_Reply]:
        """Whole replies, unjudged, none twice."""
        count = max(1, min(count, self._limits.budget_tokens // self._room))
        self._report(0, count)
        sampling = Sampling(max_tokens=self._room, seed=seed)
        completions = await self._backend.sample(
            self._prompt_ids, n=count, sampling=sampling, lora=self._lora
        )
        self._generated += sum(len(completion.token_ids) for completion in completions)
        self._report(count, count)
        return self._distinct([self._reply(completion) for completion in completions])

    def _reply(self, completion: Completion) -> _Reply:
        token_ids = completion.token_ids
        if not completion.finished:
            token_ids = self._whole_sentences(token_ids)
        return _Reply(token_ids, self._backend.decode(token_ids), not completion.finished, Verdict(score=0.0))

    def _whole_sentences(self, token_ids: TokenIds) -> TokenIds:
        """A reply that was cut off, up to its last full sentence; as it is where it has none."""
        end = end_of_last_sentence(self._backend.decode(token_ids))
        kept = len(token_ids) if end else 0
        while kept and len(self._backend.decode(token_ids[:kept])) > end:
            kept -= 1
        return token_ids[:kept] or token_ids

    def _distinct(self, replies: Sequence[_Reply]) -> list[_Reply]:
        """Replies that say something, each text once."""
        by_text: dict[str, _Reply] = {}
        for reply in replies:
            if reply.text.strip():
                by_text.setdefault(reply.text, reply)
        return list(by_text.values())

    async def _judged(self, replies: list[_Reply]) -> list[_Reply]:
        try:
            verdicts = await self._judge.score(self._prompt_ids, [reply.token_ids for reply in replies])
        except EngineError:  # an unjudged reply is better than none
            return replies
        return [
            _Reply(reply.token_ids, reply.text, reply.is_cut, verdict)
            for reply, verdict in zip(replies, verdicts, strict=True)
        ]

    def _composed(self, replies: Sequence[_Reply], mode: Mode) -> Composed:
        if not replies:
            raise RequestError("The model gave no reply. Ask again, or in other words.")
        ranked = sorted(replies, key=lambda reply: (reply.is_cut, -reply.verdict.score))
        candidates = [
            Candidate(
                token_ids=reply.token_ids,
                text=reply.text,
                score=reply.verdict.score,
                answers=dict(reply.verdict.answers),
            )
            for reply in ranked
        ]
        return Composed(
            best=candidates[0],
            others=tuple(candidates[1:]),
            tree=flat_tree(candidates),
            mode=mode,
            seed=self._seed,
            generated_tokens=self._generated,
            seconds=asyncio.get_running_loop().time() - self._started,
        )

    def _room_for_reply(self) -> int:
        free = self._backend.max_context - len(self._prompt_ids) - self._judge.longest_question
        room = min(self._limits.max_reply_tokens, self._limits.budget_tokens, free)
        if room < 1:
            raise RequestError(
                f"The conversation fills the model's context of {self._backend.max_context} tokens. Start a new one."
            )
        return room


def flat_tree(candidates: Sequence[Candidate]) -> tuple[TreeNode, ...]:
    """Whole samples as a tree: one root, one branch each. The first is the chosen one."""
    root = TreeNode(id=0, parent=None, text="", score=0.0, is_finished=False, is_chosen=True)
    branches = (
        TreeNode(id=number, parent=0, text=one.text, score=one.score, is_finished=True, is_chosen=number == 1)
        for number, one in enumerate(candidates, start=1)
    )
    return (root, *branches)


def end_of_last_sentence(text: str) -> int:
    """Where the last full sentence of a text ends; 0 where there is none."""
    return max((match.end() for match in _SENTENCE_END.finditer(text)), default=0)


_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)")
