"""Why an answer is as it is: what its prompt held, what the judge found, whether it is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot import permission
from bot.context import Context
from bot.errors import NotYours
from bot.store.recorded_replies import RecordedReply
from engine.judging.rubric import text_of_note
from engine.types import Layout, Prompt

SHOWN_CHARS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the prompt: persona, name, fact, note, example, user or assistant."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of the judge, and the probability of yes."""

    name: str
    text: str
    yes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    recorded: RecordedReply
    parts: tuple[Part, ...]
    questions: tuple[Asked, ...]
    is_learned_from: bool
    learned_why: str


async def why(context: Context, reply_id: str, *, person: str | None = None) -> Why:
    """With a `person`, only their own. Raises Unknown, NotYours."""
    recorded = await context.store.replies.recorded(reply_id)
    if person is not None and recorded.reply.person != person:
        raise NotYours("not_yours", "This answer was given to another person.")
    known = await context.store.people.get(recorded.reply.person)
    obstacle = None if known is None else permission.why_not(context.settings, known, recorded)
    texts = {
        question.name: question.text
        for rubric in (*context.rubrics.values(), context.rubric)
        for question in rubric.questions
    }
    texts |= {manner.name: manner.text for manner in context.rubric.manners}
    return Why(
        recorded=recorded,
        parts=tuple(parts(recorded.prompt, context.backend.profile.layout)),
        questions=tuple(
            Asked(name=name, text=texts.get(name) or text_of_note(name), yes=yes)
            for name, yes in recorded.answers.items()
        ),
        is_learned_from=obstacle is None,
        learned_why=obstacle or "You said that I may learn from you by night.",
    )


def parts(prompt: Prompt, layout: Layout) -> list[Part]:
    """Everything that the model read, in the order in which it read it."""
    persona = prompt.persona or layout.persona
    found = [Part(kind="persona", text=persona)] if persona else []
    found += [Part(kind="name", text=prompt.name)] if prompt.name and layout.has_name else []
    found += [Part(kind="fact", text=fact) for fact in prompt.facts]
    found += [Part(kind="note", text=note) for note in prompt.notes]
    found += [
        Part(kind="example", text=f"{example.request}\n{example.reply}\n{example.rating} of 5")
        for example in prompt.examples
    ]
    return [*found, *(Part(kind=str(turn.role), text=turn.text) for turn in prompt.turns)]


def told(found: Why) -> str:
    """The same as a text for a chat."""
    reply = found.recorded.reply
    lines = [
        f"Mode {reply.mode}, seed {reply.seed}, LoRA {reply.lora or 'none'}, model {found.recorded.model}."
    ]
    for kind in ("note", "fact", "example"):
        lines += [f"{kind.title()}: {_short(part.text)}" for part in found.parts if part.kind == kind]
    turns = sum(part.kind in ("user", "assistant") for part in found.parts)
    lines.append(f"The conversation gave {turns} turn{'s' if turns != 1 else ''}.")
    lines += [f"{round(100 * asked.yes)} % yes: {asked.text}" for asked in found.questions]
    lines.append(
        "It is learned from." if found.is_learned_from else f"It is not learned from. {found.learned_why}"
    )
    return "\n".join(lines)


def _short(text: str) -> str:
    line = " / ".join(text.splitlines())
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"
