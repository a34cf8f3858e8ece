"""A backend without a model: it echoes, always in the same way. Knows only how prompts are worded.

The reply to a last user text T is `echo: T`, and further samples are `echo: T #2`, `echo: T #3` and so on.
A critique that is to be put into a note comes back as it is. The judge finds the unnumbered reply best.
So a whole service can be driven from outside in a second, and every answer is known beforehand.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache

from engine import wording
from engine.errors import EngineDownError, RequestError
from engine.models.profile import ANY_KIND, Judgement, Profile
from engine.ports import Backend, BackendState, Watch
from engine.types import Completion, LoraRef, Prompt, Sampling, TokenIds

SYSTEM, USER, ASSISTANT, END = range(4)
_ROLES = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
_FIRST_CHARACTER = 16
_FIRST_PACK = 1 << 32

# A reply's first characters are a token each; the rest of a long one comes in packs, as frequent words do in
# a real vocabulary. So a long text is echoed whole within a reply's usual token limit.
_SINGLE_CHARACTERS = 96
_PACK_CHARACTERS = 256

_FAULTS = ("repeat", "rude", "wrong", "invent", "contradict", "off topic")


# It reads a prompt as the first models did, and its fixed rule for yes and no is always right.
PROFILE = Profile(
    model="scripted",
    layout=wording.CLASSIC,
    judges={ANY_KIND: Judgement(whole=1.0, half=1.0)},
    words_notes=True,
    lexicon=False,
)


class ScriptedBackend(Backend):
    """Deterministic stand-in for a model. `delay_s` is spent in every call, so that it can be interrupted.

    `loaded` holds the LoRAs that are loaded now, by name; `used` the names of the LoRAs of the last calls.
    With `can_sleep` it lends memory as a GPU would.
    """

    def __init__(self, *, max_context: int = 1 << 20, delay_s: float = 0.0, can_sleep: bool = False) -> None:
        self.loaded: dict[str, LoraRef] = {}
        self.used: deque[str | None] = deque(maxlen=1000)
        self.forgotten = 0  # how often it was told to forget
        self._max_context = max_context
        self._delay_s = delay_s
        self._can_sleep = can_sleep
        self._state = BackendState.LOADING
        self._profile = PROFILE

    @property
    def model(self) -> str:
        return "scripted"

    @property
    def profile(self) -> Profile:
        return self._profile

    def adopt(self, profile: Profile) -> None:
        self._profile = profile

    @property
    def state(self) -> BackendState:
        return self._state

    @property
    def max_context(self) -> int:
        return self._max_context

    async def start(self, report: Callable[[str], None]) -> None:
        report("The scripted backend needs no model.")
        self._state = BackendState.READY

    async def stop(self) -> None:
        self._state = BackendState.STOPPED

    def encode(self, prompt: Prompt) -> TokenIds:
        turns = [
            _turn(_ROLES[one["role"]], one["content"])
            for one in wording.messages(prompt, self.profile.layout)
        ]
        return (*(token for turn in turns for token in turn), ASSISTANT)

    def encode_text(self, text: str) -> TokenIds:
        return _characters(text)

    def encode_question(self, text: str) -> TokenIds:
        return (END, *_turn(USER, text), ASSISTANT)

    def decode(self, token_ids: TokenIds) -> str:
        return "".join(map(_text, token_ids))

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        self._check(prefix)
        if n < 1 or sampling.max_tokens < 1:
            raise RequestError(f"{n} samples of {sampling.max_tokens} tokens are nothing to generate.")
        await self._work(lora)
        turns = self._turns(prefix)
        request, begun = _last(turns, USER), turns[-1][1]
        room = min(sampling.max_tokens, self._max_context - len(prefix))
        completions = [_completion(reply, begun, room) for reply in _replies(request, begun, n)]
        if watch is not None:
            for number, completion in enumerate(completions):
                watch(number, completion.token_ids)
        return completions

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        for prompt in prompts:
            self._check(prompt)
        await self._work(lora)
        return [self._log_odds(prompt) for prompt in prompts]

    async def load(self, lora: LoraRef) -> None:
        self.loaded[lora.name] = lora

    async def unload(self, lora: LoraRef) -> None:
        self.loaded.pop(lora.name, None)

    async def forget_prefixes(self) -> None:
        self.forgotten += 1

    async def sleep(self) -> bool:
        if self._can_sleep:
            self._state = BackendState.ASLEEP
        return self._can_sleep

    async def wake(self) -> None:
        self._state = BackendState.READY

    async def _work(self, lora: LoraRef | None) -> None:
        if self._state is BackendState.ASLEEP:
            raise EngineDownError("The model is asleep; try again in a moment.")
        self.used.append(lora.name if lora else None)
        await asyncio.sleep(self._delay_s)

    def _check(self, prefix: TokenIds) -> None:
        if not prefix:
            raise RequestError("An empty prompt cannot be continued.")
        if len(prefix) >= self._max_context:
            raise RequestError(
                f"The prompt has {len(prefix)} tokens, the model reads {self._max_context - 1} at most."
            )

    def _turns(self, token_ids: TokenIds) -> list[tuple[int, str]]:
        """What was said by whom; the last turn may be unfinished. Text before any role counts as begun."""
        turns: list[tuple[int, str]] = [(ASSISTANT, "")]
        start = 0
        for position in [at for at, token in enumerate(token_ids) if token <= END]:
            if token_ids[position] == END:
                turns[-1] = (turns[-1][0], self.decode(token_ids[start:position]))
            else:
                turns.append((token_ids[position], ""))
                start = position + 1
        if token_ids[-1] > END:
            turns[-1] = (turns[-1][0], self.decode(token_ids[start:]))
        return turns

    def _log_odds(self, prompt: TokenIds) -> float:
        """The fixed rule: sure of the plain reply, content with a beginning of it, less with a higher number.

        A question about a fault is answered the other way round, so that no is the good answer.
        """
        turns = self._turns(prompt)
        question = _last(turns, USER)
        before = turns[: max(i for i, turn in enumerate(turns) if turn[0] == USER)] if question else turns
        goodness = _goodness(_last(before, USER), _last(before, ASSISTANT))
        return -goodness if any(fault in question.lower() for fault in _FAULTS) else goodness


def _goodness(request: str, reply: str) -> float:
    plain = _reply(request, 1)
    if reply == plain:
        return 3.0
    if plain.startswith(reply):
        return 1.0
    number = reply.removeprefix(f"{plain} #")
    return 1.0 / int(number) if number.isdecimal() and int(number) > 0 else -1.0


def _replies(request: str, begun: str, n: int) -> list[str]:
    """The n first replies that go on from what has begun; if none does, what has begun is the reply."""
    numbers = range(1, n + 2)
    fitting = [reply for number in numbers if (reply := _reply(request, number)).startswith(begun)]
    return [fitting[i] if i < len(fitting) else (fitting or [begun])[-1] for i in range(n)]


def _reply(request: str, number: int) -> str:
    critique, is_for_note, _ = request.rpartition(f"\n{wording.NOTE_REQUEST}")
    if is_for_note:
        return critique
    text = request.removesuffix(f"\n{wording.REVISION_REQUEST}")
    return f"echo: {text}" if number == 1 else f"echo: {text} #{number}"


def _completion(reply: str, begun: str, room: int) -> Completion:
    tokens = _packed(reply, len(begun))
    # The end of a turn takes a token of its own, although it is not handed out.
    return Completion(token_ids=tokens[:room], finished=len(tokens) < room)


def _packed(reply: str, start: int) -> TokenIds:
    tokens = list(_characters(reply[start:_SINGLE_CHARACTERS]))
    at = max(start, _SINGLE_CHARACTERS)
    while at < len(reply):
        end = at + _PACK_CHARACTERS - (at - _SINGLE_CHARACTERS) % _PACK_CHARACTERS
        tokens.append(int.from_bytes(b"\x01" + reply[at:end].encode("utf-32-be", "surrogatepass")))
        at = end
    return tuple(tokens)


@lru_cache(maxsize=128)  # the judge's questions are the same about every reply
def _characters(text: str) -> TokenIds:
    return tuple([ord(character) + _FIRST_CHARACTER for character in text])


def _turn(role: int, text: str) -> TokenIds:
    return (role, *_characters(text), END)


@lru_cache(maxsize=1024)
def _text(token: int) -> str:
    if token >= _FIRST_PACK:
        return token.to_bytes((token.bit_length() + 7) // 8)[1:].decode("utf-32-be", "surrogatepass")
    return chr(token - _FIRST_CHARACTER) if token >= _FIRST_CHARACTER else ""


def _last(turns: Sequence[tuple[int, str]], role: int) -> str:
    return next((text for who, text in reversed(turns) if who == role), "")
