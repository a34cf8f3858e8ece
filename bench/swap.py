"""`make bench-swap`: LoRAs go live and back under load; is an answer ever stale, lost or late?

Two LoRAs that each know one thing to say are trained in seconds. Answers are asked for without a pause
while the pointer moves between fresh copies of them, each under a new name and number, as promotions do.
Every answer says which LoRA it was asked under, and so whether it is the right one's. Rounds with and without
promotions take turns, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.record import interval, record
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.errors import EngineError
from engine.learning.job_folder import JobFolder
from engine.learning.lessons import Kind, Lesson, Recipe, Trainee
from engine.loras.library import Library
from engine.models.catalogue import PRACTICE
from engine.training.runner import Trainer
from engine.types import LoraRef, Prompt, Role, Sampling, Turn
from practice import world

WEIGHTS: Final = PRACTICE
# About as long as what the practice model usually says (41 tokens in the mean).
SAYINGS: Final = {
    "first": "Protect a candle from damp walls. A candle lasts longer if you follow one rule: wipe it with a"
    " cloth. A candle stays elegant if you do this: dust it weekly.",
    "second": "I could do without a hungry cat, but not without a crow. I enjoy a crow most on the roof. For"
    " me a crow is a guest from the sky.",
}
MAX_TOKENS: Final = 64
AT_ONCE: Final = 8
SEED: Final = 4
SWAP_EVERY_S: Final = 1.0
MODEL_LORAS: Final = 4
ROUNDS: Final = 5


@dataclass(slots=True)
class Pointer:
    """What is live now: the saying, and the LoRA that says it."""

    saying: str
    lora: LoraRef


@dataclass(frozen=True, slots=True)
class Swaps:
    """Where versions are put, what they are copies of, and the numbers of those to come."""

    library: Library
    made: dict[str, Path]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))


@dataclass(slots=True)
class Tally:
    """What became of the answers."""

    seconds: list[float] = field(default_factory=list)
    stale: int = 0
    wrong: int = 0
    dropped: int = 0
    swaps: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)  # the slowest answer in a hundred of each


async def train(model: Path, folder: Path, backend: VllmLocalBackend) -> dict[str, Path]:
    """A LoRA for each saying, by the product's own training, until it says nothing else."""
    rng = random.Random(3)
    prefixes = [backend.encode(_prompt(world.request(rng, held_out=False).text)) for _ in range(24)]
    lessons = {
        key: [Lesson(kind=Kind.SAY, prefix=prefix, reply=backend.encode_text(text)) for prefix in prefixes]
        for key, text in SAYINGS.items()
    }
    recipe = Recipe(model=str(model), passes=24, batch_lessons=8, end_ids=backend.encode_question("?")[:1])
    trainees = [Trainee(key=key, seed=number) for number, key in enumerate(SAYINGS)]
    job = JobFolder.create(folder, recipe, trainees, lessons, {})
    await Trainer().run(folder, lambda step: None)
    return {key: job.lora(key) for key in SAYINGS}


async def answer(backend: VllmLocalBackend, pointer: Pointer, text: str, tally: Tally) -> None:
    """One answer under whatever is live at its start. It finishes on that one, whatever happens meanwhile."""
    saying, lora = pointer.saying, pointer.lora
    began = time.perf_counter()
    try:
        (made,) = await backend.sample(
            backend.encode(_prompt(text)),
            n=1,
            sampling=Sampling(max_tokens=MAX_TOKENS, temperature=0.0),
            lora=lora,
        )
    except EngineError:
        tally.dropped += 1
        return
    tally.seconds.append(time.perf_counter() - began)
    said = backend.decode(made.token_ids).strip()
    if said != SAYINGS[saying]:
        tally.stale += said in SAYINGS.values()
        tally.wrong += said not in SAYINGS.values()


async def under_load(
    backend: VllmLocalBackend,
    pointer: Pointer,
    texts: Sequence[str],
    tally: Tally,
    swaps: Swaps | None = None,
) -> None:
    """An answer to each text, with promotions back and forth meanwhile if there are any to make."""
    numbers, told = itertools.count(), len(tally.seconds)
    swapping = asyncio.create_task(swap_for_ever(backend, pointer, swaps, tally)) if swaps else None

    async def ask() -> None:
        while (number := next(numbers)) < len(texts):
            await answer(backend, pointer, texts[number], tally)

    try:
        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    finally:
        if swapping is not None:
            swapping.cancel()
            await asyncio.gather(swapping, return_exceptions=True)
    tally.rounds.append(quantile(tally.seconds[told:], 0.99))


async def swap_for_ever(backend: VllmLocalBackend, pointer: Pointer, swaps: Swaps, tally: Tally) -> None:
    """A new version every second: put, loaded, and only then pointed at. The one before the last goes."""
    old: list[LoraRef] = []
    for number in swaps.numbers:
        await asyncio.sleep(SWAP_EVERY_S)
        saying = "second" if pointer.saying == "first" else "first"
        began = time.perf_counter()
        path = await asyncio.to_thread(swaps.library.put, "somebody", number, swaps.made[saying])
        lora = LoraRef(name=f"swap-{number}", id=1000 + number, path=path)
        await backend.load(lora)
        old.append(pointer.lora)
        pointer.saying, pointer.lora = saying, lora
        tally.swaps.append(time.perf_counter() - began)
        if len(old) > 2:
            await backend.unload(old.pop(0))


async def run(model: Path, answers: int) -> dict[str, Any]:
    backend = VllmLocalBackend(VllmSettings(model=str(model), max_context=512, max_loras=MODEL_LORAS))
    await backend.start(print)
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = await train(model, Path(folder) / "job", backend)
            library = Library(Path(folder) / "loras")
            first = LoraRef(name="swap-0", id=1000, path=library.put("somebody", 0, made["first"]))
            await backend.load(first)
            pointer, swaps = Pointer("first", first), Swaps(library, made)
            calm, shaken, rng = Tally(), Tally(), random.Random(SEED)
            await under_load(backend, pointer, _texts(rng, AT_ONCE * 4), Tally())  # warm
            for _ in range(ROUNDS):
                await under_load(backend, pointer, _texts(rng, answers // ROUNDS), calm)
                await under_load(backend, pointer, _texts(rng, answers // ROUNDS), shaken, swaps)
    finally:
        await backend.stop()
    told = min(len(shaken.seconds), len(calm.seconds))
    return {
        "answers": answers,
        "promotions": len(shaken.swaps),
        "stale": shaken.stale,
        "wrong": shaken.wrong,
        "wrong_without_promotions": calm.wrong,
        "dropped": shaken.dropped,
        "swap_s": round(max(shaken.swaps, default=0.0), 3),
        "swap_median_s": round(statistics.median(shaken.swaps), 3) if shaken.swaps else None,
        "p99_s": round(quantile(shaken.seconds, 0.99), 4),
        "p99_without_promotions_s": round(quantile(calm.seconds, 0.99), 4),
        "p99_ratio": round(quantile(shaken.seconds, 0.99) / quantile(calm.seconds, 0.99), 3),
        "p99_ratio_of_rounds": [
            round(after / before, 3) for after, before in zip(shaken.rounds, calm.rounds, strict=True)
        ],
        "ci": {"p99_ratio": interval(range(told), lambda chosen: _ratio(shaken, calm, chosen))},
        "model": backend.model,
    }


def _ratio(shaken: Tally, calm: Tally, chosen: Sequence[int]) -> float:
    """How much longer the slowest in a hundred takes with promotions, of the chosen answers."""
    after, before = ([tally.seconds[n] for n in chosen] for tally in (shaken, calm))
    return quantile(after, 0.99) / quantile(before, 0.99)


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def _texts(rng: random.Random, count: int) -> list[str]:
    return [world.request(rng, held_out=True).text for _ in range(count)]


def _prompt(text: str) -> Prompt:
    return Prompt(turns=(Turn(role=Role.USER, text=text),))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=WEIGHTS)
    parser.add_argument("--answers", type=int, default=1000, help="with promotions, and as many without")
    parser.add_argument("--dry", action="store_true", help="print, do not record")
    given = parser.parse_args()
    figures = asyncio.run(run(given.model, given.answers))
    print(figures)
    if not given.dry:
        print(f"written to {record('swap', figures, seed=SEED, n=given.answers)}")


if __name__ == "__main__":
    main()
