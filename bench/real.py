"""`make bench-real`: does the real model that comes along do what people say?

    follows    nine manners, told under the layout of the model's profile: one sample, and the best of four
    notes      200 critiques that were worded by somebody who had not seen the lexicon
    memory     simulated people criticise over HTTP; then unseen requests are asked, in new conversations
    revision   the new answers under those critiques
    start      the first answer after the service is ready, and twelve people at once

Requests are public ones, the half that nothing was decided on (`--data`, a folder with requests.jsonl), or
everyday ones where there is no such folder. A figure's interval is a bootstrap over requests or people.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.people import WAIT_S, Api, connected
from bench.record import RESULTS, interval, record
from bench.running import TOKEN, Running
from bot.teaching import note_wording, said_in_passing
from engine import wording
from engine.backends.vllm_local import VllmLocalBackend, VllmSettings
from engine.judging.demonstrations import demonstrations
from engine.judging.judge import Judge
from engine.judging.measures import Occasion, Wish
from engine.judging.rubric import SHIPPED_RUBRIC, load_rubric, note_questions
from engine.learning.everyday_requests import EverydayRequests
from engine.search.compose import compose
from engine.types import Limits, Mode, Prompt, Role, Turn

MODEL: Final = "smollm2"
MAX_REQUEST_CHARS: Final = 240
# What people say who miss something, in words that the lexicon's authors did not write for this.
CRITIQUES: Final[Mapping[str, str]] = {
    "brief": "that is too long for me",
    "bullets": "give me bullet points please",
    "numbered": "please number the points",
    "one_paragraph": "put it all into one paragraph",
    "asks": "I'd like you to end with a question",
    "emoji": "use some emoji",
    "lower_case": "write in lower case only",
    "greeting": "say hello first",
    "one_sentence": "one sentence is enough",
}
TRIPLES: Final = (
    ("brief", "asks", "greeting"),
    ("brief", "lower_case", "emoji"),
    ("numbered", "greeting", "emoji"),
    ("one_sentence", "lower_case", "emoji"),
    ("brief", "one_paragraph", "asks"),
    ("bullets", "asks", "lower_case"),
)
RUBRIC: Final = load_rubric(SHIPPED_RUBRIC)
CRITIQUES_FILE: Final = Path(__file__).parent / "data" / "critiques.jsonl"
SETTINGS: Final = {
    "NIGHTLOOM_BACKEND__KIND": "vllm",
    "NIGHTLOOM_MODEL": MODEL,
    "NIGHTLOOM_LIMITS__MESSAGES_PER_MINUTE": "100000",
    "NIGHTLOOM_LEARNING__MIN_FEEDBACK": "1000000",
    "NIGHTLOOM_COMPARISON__ONE_IN": "0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    requests: Sequence[str]
    per_cell: int
    per_person: int
    seed: int


def wish_of(manner: str) -> Wish:
    wish = RUBRIC.wish_of(manner)
    assert wish is not None, manner
    return wish


def share(values: Sequence[float], seed: int) -> dict[str, Any]:  # Any: figures
    low, high = interval(values, seed=seed)
    return {"mean": round(statistics.fmean(values), 4), "ci": [round(low, 4), round(high, 4)]}


# --- follows ---


async def follows(given: Given) -> dict[str, Any]:  # Any: figures
    backend = VllmLocalBackend(VllmSettings(model=MODEL))
    await backend.start(print)
    try:
        figures: dict[str, Any] = {"layout": str(backend.profile.layout), "manners": {}}
        for manner in CRITIQUES:
            figures["manners"][manner] = await _followed(backend, manner, given)
            print(manner, figures["manners"][manner])
        told = figures["manners"].values()
        for kind in ("single", "best_of_4", "before"):
            figures[kind] = round(statistics.fmean(row[kind]["mean"] for row in told), 4)
        return figures
    finally:
        await backend.stop()


async def _followed(backend: VllmLocalBackend, manner: str, given: Given) -> dict[str, Any]:  # Any: figures
    """The share that is as wanted: one sample, the best of four, and one as prompts were laid out before."""
    wish, note = wish_of(manner), RUBRIC.note_of(manner)
    requests = random.Random(f"{given.seed} {manner}").sample(list(given.requests), given.per_cell)
    advised = backend.sampling_defaults
    limits = Limits(
        samples=4,
        temperature=advised.temperature,
        top_p=advised.top_p,
        top_k=advised.top_k,
        repetition_penalty=advised.repetition_penalty,
        frequency_penalty=advised.frequency_penalty,
    )

    async def best(request: str) -> float:
        occasion = Occasion(request=request)
        judge = Judge(backend, note_questions([RUBRIC.noted(note)]), occasion=occasion)
        prompt = _told(request, note, wish)
        made = await compose(backend, prompt, judge=judge, mode=Mode.BEST, limits=limits, seed=given.seed)
        return float(not made.best.is_cut and wish.is_met(made.best.text, occasion))

    async def single(prompt: Prompt) -> float:
        prefix = backend.encode(prompt)
        (made,) = await backend.sample(prefix, n=1, sampling=limits.sampling(256, given.seed))
        occasion = Occasion(request=prompt.turns[-1].text)
        return float(made.finished and wish.is_met(backend.decode(made.token_ids), occasion))

    bests = await asyncio.gather(*map(best, requests))
    singles = await asyncio.gather(*(single(_told(request, note, wish)) for request in requests))
    chosen = backend.profile
    backend.adopt(replace(chosen, layout=wording.CLASSIC))
    before = await asyncio.gather(*(single(_told(request, note, None)) for request in requests))
    backend.adopt(chosen)
    return {
        "single": share(singles, given.seed),
        "best_of_4": share(bests, given.seed),
        "before": share(before, given.seed),
    }


def _told(request: str, note: str, wish: Wish | None) -> Prompt:
    examples = demonstrations([wish], unlike=request) if wish is not None else ()
    return Prompt(turns=(Turn(role=Role.USER, text=request),), notes=(note,), examples=examples)


# --- notes ---


def notes(given: Given) -> dict[str, Any]:  # Any: figures
    rows = [json.loads(line) for line in CRITIQUES_FILE.read_text(encoding="utf-8").splitlines()]
    right: dict[str, list[float]] = {}
    nonsense = 0
    for row in rows:
        reply = "word " * row["reply_words"]
        made = note_wording.looked_up(row["critique"], reply=reply, rubric=RUBRIC)
        manners = {RUBRIC.noted(note).manner for note in made}
        is_right = _is_right(row, made, manners)
        said = " ".join(row["critique"].split()).casefold()
        nonsense += any(
            RUBRIC.noted(note).manner is None and note.casefold().rstrip(".!") not in said for note in made
        )
        right.setdefault("all", []).append(is_right)
        right.setdefault(row["language"], []).append(is_right)
        right.setdefault(row["kind"], []).append(is_right)
    return {"nonsense": nonsense, **{kind: share(values, given.seed) for kind, values in right.items()}}


def _is_right(row: Mapping[str, Any], made: Sequence[str], manners: set[str | None]) -> float:
    named = {manner for manner in manners if manner is not None}
    wanted = [set(row["expect"]), *(set(also) for also in row.get("also", ()))]
    if row["kind"] == "manner" or (named and named in wanted):
        return float(named in wanted)
    if named:
        return 0.0
    if row["kind"] == "this_answer":
        return float(not made)
    is_fact = bool(said_in_passing.facts(row["critique"]))
    return float(bool(made) or (row["kind"] == "fact" and is_fact))


# --- memory and revisions ---


async def memory(given: Given) -> dict[str, Any]:  # Any: figures
    with tempfile.TemporaryDirectory() as folder:
        service = Running(Path(folder), SETTINGS)
        started = time.monotonic()
        await service.start()
        try:
            async with connected(service.url, TOKEN, at_once=12) as api:
                figures = {"start_s": round(time.monotonic() - started, 1), **await _first(api, given)}
                return figures | await _taught(api, given)
        finally:
            await service.stop()


async def _first(api: Api, given: Given) -> dict[str, Any]:  # Any: figures
    began = time.monotonic()
    await api.ask("first", "first", given.requests[0], mode="auto")
    first_s = time.monotonic() - began
    began, seconds = time.monotonic(), []

    async def asks(number: int) -> None:
        await api.ask(f"guest{number}", "talk", given.requests[number], mode="auto")
        seconds.append(time.monotonic() - began)

    await asyncio.gather(*(asks(number) for number in range(1, 13)))
    return {
        "first_answer_s": round(first_s, 2),
        "twelve_at_once_s": {"median": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)},
        "deadline_misses": sum(taken > 60.0 for taken in seconds),
        "answers_lost": 12 - len(seconds),
    }


async def _taught(api: Api, given: Given) -> dict[str, Any]:  # Any: figures
    singles = await asyncio.gather(*(_person(api, given, (manner,)) for manner in CRITIQUES))
    triples = await asyncio.gather(*(_person(api, given, manners) for manners in TRIPLES))
    revisions = [met for person in (*singles, *triples) for met in person["revisions"]]
    rows = (*singles, *triples)
    return {
        "memory": {
            "untaught": share([row["untaught"] for row in rows], given.seed),
            "after_1": share([row["after"] for row in singles], given.seed),
            "after_3": share([row["after"] for row in triples], given.seed),
            "after_removal": share([row["removed"] for row in rows], given.seed),
            "by_wish": {"+".join(row["manners"]): row["after"] for row in rows},
        },
        "revision_better": share(revisions, given.seed),
        "echoes": sum(row["echoes"] for row in rows),
    }


async def _person(api: Api, given: Given, manners: Sequence[str]) -> dict[str, Any]:  # Any: figures
    """One person: asked untaught, criticises one thing at a time, is asked again, deletes the notes."""
    name = "-".join(manners)
    source = random.Random(f"{given.seed} {name}")
    requests = source.sample(list(given.requests), 2 * given.per_person + len(manners))
    asked, teaching = requests[: given.per_person], requests[2 * given.per_person :]
    untaught = await _share_met(api, name, "untaught", asked, manners)
    revisions, echoes = [], 0
    for request, manner in zip(teaching, manners, strict=True):
        reply = await api.ask(name, f"teaching {manner}", request, mode="auto")
        body = {"person": name, "text": CRITIQUES[manner]}
        said = await api.call("POST", f"/api/replies/{reply['id']}/thread?wait={WAIT_S}", body)
        text = (said.get("reply") or {}).get("text", "")
        revisions.append(float(wish_of(manner).is_met(text, Occasion(request=request))))
        echoes += text.strip() in (reply["text"].strip(), CRITIQUES[manner])
    after = await _share_met(api, name, "after", requests[given.per_person : 2 * given.per_person], manners)
    for note in (await api.call("GET", f"/api/people/{name}"))["notes"]:
        await api.call("DELETE", f"/api/people/{name}/notes/{note['id']}")
    removed = await _share_met(api, name, "removed", asked, manners)
    print(name, untaught, after, removed, revisions)
    return {
        "manners": manners,
        "untaught": untaught,
        "after": after,
        "removed": removed,
        "revisions": revisions,
        "echoes": echoes,
    }


async def _share_met(
    api: Api, person: str, phase: str, requests: Sequence[str], manners: Sequence[str]
) -> float:
    async def met(number: int, request: str) -> float:
        reply = await api.ask(person, f"{phase} {number}", request, mode="auto")
        return float(
            all(wish_of(manner).is_met(reply["text"], Occasion(request=request)) for manner in manners)
        )

    return statistics.fmean([await met(number, request) for number, request in enumerate(requests)])


# --- the whole ---


def unseen_requests(folder: Path) -> Sequence[str]:
    """Public requests of the half nothing was decided on; everyday ones where there is no such folder."""
    file = folder / "requests.jsonl"
    if not file.is_file():
        return EverydayRequests().shared
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row["text"] for row in rows if row["split"] == "unseen" and len(row["text"]) <= MAX_REQUEST_CHARS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--part", choices=("follows", "notes", "memory", "all"), default="all")
    parser.add_argument("--per-cell", type=int, default=16)
    parser.add_argument("--per-person", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    given = Given(
        requests=unseen_requests(options.data),
        per_cell=options.per_cell,
        per_person=options.per_person,
        seed=options.seed,
    )
    kept = RESULTS / "real.json"
    figures: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    parts = ("notes", "follows", "memory") if options.part == "all" else (options.part,)
    if "notes" in parts:
        figures["notes_right"] = notes(given)
    if "follows" in parts:
        figures["follows"] = asyncio.run(follows(given))
    if "memory" in parts:
        figures |= asyncio.run(memory(given))
    for about in ("made", "seed", "n"):
        figures.pop(about, None)
    record("real", figures, seed=given.seed, n=given.per_cell, model=MODEL)


if __name__ == "__main__":
    main()
