"""What a model can do, as it was measured: which prompts it follows, whether it can judge, how fast it is.

Everything that depends on a model's abilities is decided by its profile, and nothing asks which model it is.
A profile is measured once and kept by the model's fingerprint. Knows no engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final  # Any: what a JSON file holds

from engine.types import ExamplesAs, Layout, NotesAt

VERSION: Final = 1
# A yes/no judge that orders replies worse than this (0.5 is a coin) is not asked.
TELLS_FROM: Final = 0.7
SHIPPED: Final = Path(__file__).parent / "profiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How well yes/no answers order replies, whole and half-written: the area under the curve."""

    whole: float = 0.5
    half: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast the model is here. `tokens_per_s`: of all samples, by how many run side by side."""

    first_token_s: float = 0.0
    tokens_per_s: Mapping[int, float] = field(default_factory=dict)
    lora_factor: float = 1.0  # of the speed, that is left under a LoRA


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`follows`: the share of replies that are as a note wants them, by manner; `follows_best`: if the best
    of four is taken.

    `judges`: by kind of wish, how well the model's own yes or no tells replies apart. A kind that is not in
    it was not measured, and is not asked about.
    """

    model: str = ""
    layout: Layout = field(default_factory=Layout)
    follows: Mapping[str, float] = field(default_factory=dict)
    follows_best: Mapping[str, float] = field(default_factory=dict)
    judges: Mapping[str, Judgement] = field(default_factory=dict)
    words_notes: bool = False
    lexicon: bool = True  # critiques are looked up in the lexicon before the model is asked to word them
    speed: Speed = field(default_factory=Speed)
    version: int = VERSION

    def tells(self, kind: str) -> bool:
        """Whether the model's yes or no is worth asking for, on whole replies, for this kind of wish."""
        judgement = self.judges.get(kind) or self.judges.get(ANY_KIND)
        return judgement is not None and judgement.whole >= TELLS_FROM

    @property
    def tells_of_halves(self) -> bool:
        """Whether its yes or no orders half-written replies, so that a tree of them can be searched."""
        judgement = self.judges.get(ANY_KIND)
        return judgement is not None and judgement.half >= TELLS_FROM

    def summary(self) -> str:
        """Two sentences for people."""
        followed = sum(self.follows.values()) / len(self.follows) if self.follows else None
        follows = (
            "not measured yet how well it follows notes"
            if followed is None
            else f"follows notes in {followed:.0%} of replies ({self.layout})"
        )
        able = sorted(kind for kind in self.judges if self.tells(kind))
        judges = (
            f"Its own yes or no is asked about {', '.join(able)}."
            if able
            else "It cannot judge: what can be counted is counted, the rest is learned from ratings."
        )
        return f"{follows[:1].upper()}{follows[1:]}. {judges}"


ANY_KIND: Final = "any"  # a judgement for all kinds that have none of their own
# Until a model is measured nothing is believed of it that it might not be able to do.
CAREFUL: Final = Profile()


def write(profile: Profile, path: Path) -> None:
    """The profile as a file, there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(asdict(profile), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def read(path: Path) -> Profile | None:
    """A profile that was kept; None: there is none, or it is damaged or of another version."""
    try:
        return _profile(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def known(model: str, folder: Path | None) -> Profile:
    """The profile of a model, by its id: measured here, else as it came along, else a careful one."""
    name, _, fingerprint = model.partition("@")
    kept = read(kept_at(folder, model)) if folder is not None else None
    if kept is None and fingerprint:
        kept = read(SHIPPED / f"{name}.json")
    return replace(kept or CAREFUL, model=model)


def kept_at(folder: Path, model: str) -> Path:
    """The file in which the profile of a model is kept, by its fingerprint."""
    return folder / f"{model.rpartition('@')[2]}.json"


def _profile(kept: dict[str, Any]) -> Profile | None:
    if kept["version"] != VERSION:
        return None
    layout, speed = kept["layout"], kept["speed"]
    return Profile(
        **{
            **kept,
            "layout": Layout(
                **{**layout, "notes": NotesAt(layout["notes"]), "examples": ExamplesAs(layout["examples"])}
            ),
            "judges": {kind: Judgement(**judgement) for kind, judgement in kept["judges"].items()},
            "speed": Speed(
                **{**speed, "tokens_per_s": {int(n): rate for n, rate in speed["tokens_per_s"].items()}}
            ),
        }
    )
