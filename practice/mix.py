"""How often the rarer and longer kinds of training document come, by how far a training is. Knows no text."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Shares of documents, or of the prompts and judgements in them."""

    single_turn: float  # a conversation of one turn and no facts
    noted: float  # notes in the prompt, where there are no examples
    examples: float  # rated examples in the prompt
    criticised: float  # the prompt holds an answer and its critique
    plain_notes: float  # notes as the rubric words them
    whole: float  # judgements behind a whole reply
    described: float  # the reply's manner is asked for in words

    def towards(self, other: Mix, share: float) -> Mix:
        """What lies between two mixes, from this one at 0 to the other at 1."""
        mine, theirs = asdict(self), asdict(other)
        return Mix(**{name: mine[name] + share * (theirs[name] - mine[name]) for name in mine})


FULL = Mix(
    single_turn=0.3, noted=0.75, examples=0.12, criticised=0.15, plain_notes=0.1, whole=0.5, described=0.3
)
# What the loop needs most, in prompts of few tokens: a model begins with these.
CORE = Mix(
    single_turn=0.9, noted=0.85, examples=0.02, criticised=0.03, plain_notes=0.7, whole=0.65, described=0.4
)
