"""The morning note in words: what a night learned from, what it brought. Knows no store and no platform."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from bot.events import Action, ActionKind, Notice
from bot.figures import BeforeAndAfter, NightFigures, to_json
from bot.nights.curve import Curve, draw
from bot.store.nights import NightOutcome, NightPerson

QUIET_FOR: Final = timedelta(days=7)
MAX_EXAMPLE_CHARS: Final = 400
FORMS: Final = {  # of a count's name: its singular and plural
    "ratings": ("rating", "ratings"),
    "revisions": ("critique", "critiques"),
    "corrections": ("correction", "corrections"),
    "choices": ("choice", "choices"),
    "notes": ("note", "notes"),
}


def morning_note(
    person: NightPerson, night: str, curve: Curve, *, told_at: datetime | None, now: datetime
) -> Notice | None:
    """The note about a person's night; None where there is nothing that they need to hear again.

    A night that changed nothing says so at most once a week. `told_at`: when the last note came.
    """
    if person.outcome is NightOutcome.PROMOTED:
        actions = (
            Action(kind=ActionKind.UNDO_LORA, label="Undo", target=night),
            Action(kind=ActionKind.SHOW_MORE, label="Show me more", target=night),
        )
        picture = draw(curve) if curve.points else None
        return Notice(text=_good_morning(person), actions=actions, image_png=picture)
    if told_at is not None and now - told_at < QUIET_FOR:
        return None
    return Notice(text=f"Last night changed nothing: {person.reason}.")


def more(person: NightPerson) -> str:
    """All figures of a night, for whoever pressed *Show me more*."""
    head = f"Version {person.version}: {person.outcome}, {person.reason}." if person.version else None
    lines = [head or f"{person.reason}."]
    lines += [f"- {name.replace('_', ' ')}: {count}" for name, count in person.used.items()]
    figures = to_json(person.figures)
    numbers = {name: value for name, value in figures.items() if isinstance(value, int | float)}
    lines += [f"- {name.replace('_', ' ')}: {value:g}" for name, value in numbers.items()]
    if person.figures is not None and person.figures.set_aside:
        lines.append(f"- not compared with what answered before: {person.figures.set_aside}")
    return "\n".join(lines)


def _good_morning(person: NightPerson) -> str:
    lines = [f"Good morning. Last night I learned from {_learned_from(person.used)}."]
    if person.figures is not None:
        lines.append(_gain(person.figures))
        if person.figures.example is not None:
            lines += ["", *_example(person.figures.example)]
    return "\n".join(lines)


def _gain(figures: NightFigures) -> str:
    """Old against new, by the judge where it sees what is wanted, else by the feedback held back."""
    gate = figures.gate
    if not gate.judge_sees:
        likely = 100 * gate.probability_better
        return f"By the feedback I held back, my answers are better now with a probability of {likely:.0f}%."
    return (
        f"On requests I had not seen, {100 * gate.wanted_after:.0f}% of my answers are now as you like them; "
        f"before it was {100 * gate.wanted_before:.0f}% (a gain of {100 * gate.wanted_low:.0f} to "
        f"{100 * gate.wanted_high:.0f} points)."
    )


def _learned_from(used: Mapping[str, int]) -> str:
    counts = [
        f"{used[name]} {singular if used[name] == 1 else plural}"
        for name, (singular, plural) in FORMS.items()
        if used.get(name)
    ]
    if not counts:
        return "what you said"
    return counts[0] if len(counts) == 1 else f"{', '.join(counts[:-1])} and {counts[-1]}"


def _example(example: BeforeAndAfter) -> list[str]:
    return [
        f"To “{_short(example.request)}” I used to say:",
        f"> {_short(example.before)}",
        "and now:",
        f"> {_short(example.after)}",
    ]


def _short(text: str) -> str:
    on_one_line = " ".join(text.split())
    if len(on_one_line) <= MAX_EXAMPLE_CHARS:
        return on_one_line
    return on_one_line[: MAX_EXAMPLE_CHARS - 1] + "…"
