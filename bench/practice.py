"""Measures the practice model (`python -m bench.practice`), records it and writes docs/practice-model.md.

Everything is asked of the product's own backend, in the product's own words, about combinations of thing and
request that were never trained on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.record import RESULTS, interval, record
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.ports import Backend
from engine.types import Sampling
from practice import WEIGHTS, report
from practice.document import document
from practice.manners import Preference

DOCUMENT = Path(__file__).parent.parent / "docs" / "practice-model.md"
TAUGHT = (
    Preference.of(tone="pirate", emoji="some"),
    Preference.of(shape="list", ending="question"),
    Preference.of(tone="formal", figure="literal"),
)


def main(
    weights: Annotated[Path, typer.Option(help="The model to measure.")] = WEIGHTS,
    n: Annotated[int, typer.Option(help="Prompts for each figure.")] = 800,
    seed: Annotated[int, typer.Option(help="Draws the prompts and samples.")] = 7,
    page_only: Annotated[bool, typer.Option(help="Only write the page anew from the results.")] = False,
    write: Annotated[bool, typer.Option(help="Write the results and docs/practice-model.md.")] = True,
) -> None:
    """Measure the practice model on what it was never trained on."""
    console = Console()
    if page_only:
        figures = json.loads((RESULTS / "practice.json").read_text("utf-8"))
        DOCUMENT.write_text(document(figures, n=figures["n"]), encoding="utf-8")
        return
    figures = {"machine_load": os.getloadavg()[0]}
    figures |= asyncio.run(_measure(weights, n, seed, console))
    console.print("Tuning a LoRA …")
    figures["tuning"] = _tuned(weights, seed)
    figures["loads_without_warning"] = loads_without_warning(weights)
    if not write:
        console.print(figures)
        return
    record("practice", figures, seed=seed, n=n, model=f"practice ({weights.name})")
    DOCUMENT.write_text(document(figures, n=n), encoding="utf-8")
    console.print(f"Wrote {DOCUMENT}")


async def _measure(weights: Path, n: int, seed: int, console: Console) -> dict[str, object]:
    backend = VllmLocalBackend(VllmSettings(model=str(weights), max_context=2048))
    await backend.start(console.print)
    try:
        return {**await _talk(backend, n, seed, console), **await _judge_and_speed(backend, n, seed, console)}
    finally:
        await backend.stop()


async def _talk(backend: Backend, n: int, seed: int, console: Console) -> dict[str, object]:
    figures: dict[str, object] = {}
    console.print("Untaught …")
    trials, _ = await report.untaught(backend, n, seed)
    worst, factor = report.even_handedness(trials)
    for name in ("coherent", "about", "ended", "repeats"):
        figures[name] = rate(trials[name])
    figures["even_handed"] = {"worst_value": worst, "times_its_fair_share": factor}
    figures["shares"] = {
        name.removeprefix("share."): sum(seen) / len(seen)
        for name, seen in trials.items()
        if name.startswith("share.")
    }
    known = await report.remembers(backend, n // 2, seed + 1)
    figures |= {name: rate(values) for name, values in known.items()}
    console.print("Under notes …")
    for name, new_wordings in (("one_note", False), ("one_note_in_new_words", True)):
        obeyed = await report.one_note(backend, n, seed + 2, new_wordings=new_wordings)
        figures[name] = rate(obeyed.pop("all"))
        figures[f"{name}_by_dimension"] = {
            dimension: sum(seen) / len(seen) for dimension, seen in obeyed.items()
        }
    figures["three_notes"] = rate(await report.three_notes(backend, n, seed + 3))
    figures["three_notes_in_new_words"] = rate(
        await report.three_notes(backend, n // 2, seed + 3, new_wordings=True)
    )
    scoped = await report.notes_for_other_kinds(backend, n, seed + 4)
    figures["notes_for_other_kinds"] = {
        "obeyed_alone": rate(scoped["alone.obeyed"]),
        "obeyed_beside_one": rate(scoped["beside.obeyed"]),
        "change_in_points": 100 * _difference(scoped["beside.obeyed"], scoped["alone.obeyed"]),
        "its_value_comes_more_by_points": 100 * _difference(scoped["beside.other"], scoped["alone.other"]),
        "obeyed_where_it_applies": rate(scoped["inside.other"]),
    }
    understood = await report.notes_understood(backend, n, seed + 9)
    figures["notes_for_one_kind"] = {name: rate(values) for name, values in understood.items()}
    shown = await report.examples(backend, n // 2, seed + 5)
    figures["three_liked_examples"] = {**rate(shown["met"]), "by_chance": sum(shown["by_chance"]) / (n // 2)}
    console.print("Critiques …")
    for name, new_wordings in (("critique", False), ("critique_in_new_words", True)):
        criticised = await report.critiques(backend, n, seed + 6, new_wordings=new_wordings)
        figures[name] = {key: rate(values) for key, values in criticised.items()}
    return figures


async def _judge_and_speed(backend: Backend, n: int, seed: int, console: Console) -> dict[str, object]:
    console.print("Judging …")
    _, replies = await report.untaught(backend, n // 2, seed + 7)
    judged = await report.judgements(backend, replies, seed + 8)
    console.print("Speed …")
    return {"judge_auc": judged, "tokens_per_second_at_64": await _speed(backend, seed)}


async def _speed(backend: Backend, seed: int, rounds: int = 6) -> float:
    """The best round of 64 samples side by side, since whatever else runs on the machine slows the others."""
    rng = random.Random(seed)
    _, prompt = report.asks(rng, report.held_out(rng), ["Answer at length."])
    paces = []
    for _ in range(rounds):
        began = time.monotonic()
        sampling = Sampling(max_tokens=64)
        completions = await backend.sample(backend.encode(prompt), n=64, sampling=sampling)
        tokens = sum(len(completion.token_ids) for completion in completions)
        paces.append(tokens / (time.monotonic() - began))
    return max(paces)


def _tuned(weights: Path, seed: int) -> dict[str, object]:
    """The worst of the preferences taught, in each regard, and each by itself."""
    from practice.tuning import tune

    each = {
        " and ".join(f"{dimension} {value}" for dimension, value in taught.wanted): tune(
            weights, taught, seed=seed
        )
        for taught in TAUGHT
    }
    return {
        "taught": "; ".join(each),
        "before": max(one["before"] for one in each.values()),
        "after": min(one["after"] for one in each.values()),
        "seconds": max(one["seconds"] for one in each.values()),
        "each": each,
    }


def loads_without_warning(weights: Path) -> bool:
    """Whether transformers and PEFT take the model without a word; vLLM has been seen to above."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    heard: list[logging.LogRecord] = []
    listener = _Listener(heard)
    logging.getLogger("transformers").addHandler(listener)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        AutoTokenizer.from_pretrained(weights)
        get_peft_model(
            AutoModelForCausalLM.from_pretrained(weights), LoraConfig(r=8, target_modules=["q_proj"])
        )
    return not heard and not [one for one in warned if issubclass(one.category, UserWarning)]


class _Listener(logging.Handler):
    """Keeps every warning that is logged."""

    def __init__(self, heard: list[logging.LogRecord]) -> None:
        super().__init__(level=logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record)


def rate(values: Sequence[float]) -> dict[str, float]:
    low, high = interval([float(value) for value in values])
    return {"rate": sum(values) / len(values), "low": low, "high": high}


def _difference(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(left) / len(left) - sum(right) / len(right)


if __name__ == "__main__":
    typer.run(main)
