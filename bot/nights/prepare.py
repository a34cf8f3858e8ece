"""What a night learns from for one person: their feedback out of the store, their notes, and the lessons.

Asks the model for replies under the person's notes, and the judge which of them keep to the notes. Trains
nothing and decides nothing.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.answering.respond import limits_of
from bot.answering.taste import population
from bot.context import Context
from bot.nights import history
from bot.settings import LearningSettings
from bot.store.feedback.notes import Note, NoteKind, Origin
from bot.store.people import KnownPerson
from bot.store.recorded_replies import RecordedReply
from bot.teaching.inferred_notes import FEWEST, as_rated, rethink
from bot.teaching.note_wording import manner_of
from engine.errors import EngineDownError, EngineError
from engine.judging import scope
from engine.judging.judge import (
    Judge,
    Question,
    Verdict,
    combined,
    note_questions,
)
from engine.judging.taste import Population, Taste, Want
from engine.learning import dataset
from engine.learning.dataset import Dataset, Feedback, Source
from engine.learning.lessons import Kind, Lesson, Trial
from engine.search.compose import compose
from engine.types import Mode, Prompt, Role, TokenIds, Turn
from engine.wording import last_request, note_question, question

MAX_OWN_REQUESTS = 40
AT_ONCE = 48  # requests to the model under way for one person
CLEAR_GAP = 2.0  # between two replies, in the judge's log-odds, for one to be taught over the other
KEPT_FROM = 0.5  # the share of replies that must keep to a note for the others to be dropped
CERTAIN = 1.0  # log-odds; a judge that answers less clearly drops nothing
HELD_EVERY = 7  # replies, one is trained with the notes in sight, so that both together work too
ASKED_EVERY = 7  # replies, one is asked about, so that the judge goes on judging as the base does
ASKED_RATINGS = 6  # the newest rated replies, on which the judge learns what the stars meant
ASKED_WEIGHT = 0.5
SEARCH_TOKENS = 512  # of one request that is answered anew
OWN_WORDS_PRIOR, NO_NOTES_PRIOR = 0.92, 0.5
_SETTINGS = LearningSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One person's part in a night. `prior`: how sure it is, before training, that this is what they want."""

    person: str
    notes: tuple[str, ...]
    prior: float
    used: Mapping[str, int]
    lessons: tuple[Lesson, ...]
    asked: tuple[Lesson, ...]  # the judge's side: the answers to questions about replies
    trials: tuple[Trial, ...]
    held_out: tuple[Prompt, ...]  # the requests that the gate asks


@dataclass(frozen=True, slots=True)
class Noted:
    """A reply that the model gave under the notes that are meant for its request."""

    prompt: Prompt
    notes: tuple[str, ...]
    reply: TokenIds
    verdict: Verdict  # on these notes, and what holds for everybody


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Which lessons there are, and how many. The default was chosen by the ablation in docs/log.md."""

    replies: int = _SETTINGS.replies
    has_pairs: bool = True
    has_ratings: bool = False
    holds_noted: bool = True
    keeps_judging: bool = True
    judged_pairs: int = _SETTINGS.judged_pairs


async def study(
    context: Context,
    person: KnownPerson,
    recipe: Recipe,
    *,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> Material | str:
    """What this person's night learns from, or the reason why there is nothing to learn."""
    feedback = await history.gather(context, person)
    data = dataset.gather(feedback, max_chars=context.backend.max_context * 4)
    everything = [note for note in await context.store.notes.all(person.key) if note.kind is NoteKind.NOTE]
    said = [one for one in everything if one.origin is not Origin.REACTIONS and one.deleted_at is None]
    rated = await _rated_for_training(context, person, {one.id for one in data.train})
    seen = await asyncio.to_thread(_seen, context, rated, everything, await population(context))
    notes = (
        *(note.text for note in said[-context.settings.memory.max_notes :]),
        *(want.note for want in seen),
    )
    encode, encode_text = context.backend.encode, context.backend.encode_text
    taught: list[Lesson] = []
    if recipe.has_pairs or recipe.has_ratings:
        made = dataset.lessons(data.train, encode=encode, encode_text=encode_text)
        taught = [one for one in dataset.balanced(made) if recipe.has_ratings or one.kind is not Kind.RATED]
    if not notes and not taught:
        return "nothing clear enough to learn from has been said yet"
    own = _own_requests(data.train)
    noted: list[Lesson] = []
    asked: list[Lesson] = []
    if notes:
        noted, asked = await _noted(context, person, notes, own, recipe, seed, on_progress)
        again = _again(context, person, own, recipe.judged_pairs, seed + 1)
        judged = await _judged(context, notes, again, seed)
        taught += dataset.lessons(judged, encode=encode, encode_text=encode_text)
        if recipe.keeps_judging:
            asked += _starred(context, rated, notes)
    room = context.backend.max_context - 1
    lessons = tuple(one for one in (*taught, *noted) if _tokens(one) <= room)
    if not lessons:
        return "the model gave no reply that keeps to the notes, and there is no other feedback to learn from"
    since = await _since(context, person)
    fresh = [one for one in data.held_out if since is None or one.at > since]
    trials = dataset.trials(fresh, encode=encode, encode_text=encode_text)
    return Material(
        person=person.key,
        notes=notes,
        prior=_prior(said, seen),
        used=_counts(data, notes, seen, lessons),
        lessons=lessons,
        asked=tuple(one for one in asked if _tokens(one) <= room),
        trials=tuple(one for one in trials if _tokens(one) <= room),
        held_out=tuple(one for one in _own_requests(data.held_out) if len(encode(one)) <= room // 2),
    )


async def _noted(
    context: Context,
    person: KnownPerson,
    notes: Sequence[str],
    own: Sequence[Prompt],
    recipe: Recipe,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> tuple[list[Lesson], list[Lesson]]:
    """Replies that the model gives under the notes and that keep to them, as lessons to give them without.

    Beside them the judge's side.
    """
    prompts = _variants(context, person, own, recipe.replies, seed)
    gate, done = asyncio.Semaphore(AT_ONCE), 0

    async def ask(number: int, prompt: Prompt) -> Noted | None:
        nonlocal done
        async with gate:
            meant = await scope.meant(context.backend, notes, last_request(prompt))
            given = await _reply(context, _judge(context, meant), replace(prompt, notes=meant), seed + number)
        done += 1
        on_progress(done, len(prompts))
        return None if given is None else Noted(prompt, meant, *given)

    answers = await asyncio.gather(*(ask(number, prompt) for number, prompt in enumerate(prompts)))
    given = [one for one in answers if one is not None]
    kept = _kept(given, (*context.rubric.questions, *note_questions(notes)))
    source = random.Random(seed)
    lessons: list[Lesson] = []
    asked: list[Lesson] = []
    for number, one in enumerate(kept):
        (distilled,) = dataset.distilled(one.prompt, one.notes, [one.reply], encode=context.backend.encode)
        lessons.append(distilled)
        if recipe.holds_noted and number % HELD_EVERY == 0:
            lessons.append(Lesson(kind=Kind.HOLD, prefix=distilled.teacher, reply=one.reply))
        if recipe.keeps_judging and one.notes and number % ASKED_EVERY == 0:
            asked.append(_asked(context, distilled, source.choice(one.notes), one.verdict))
    return lessons, asked


async def _judged(
    context: Context, notes: Sequence[str], prompts: Sequence[Prompt], seed: int
) -> list[Feedback]:
    """The person's earlier requests and others like them answered anew by search, without the notes.

    Best over worst, as the base without any LoRA judges: it does not change while it is learned from. Where
    it sees little between the two, or could have been won over by a trick, there is nothing to learn.
    """
    limits = limits_of(context)
    limits = replace(limits, budget_tokens=min(limits.budget_tokens, SEARCH_TOKENS))

    async def search(number: int, prompt: Prompt) -> Feedback | None:
        meant = await scope.meant(context.backend, notes, last_request(prompt))
        try:
            made = await compose(
                context.backend,
                prompt,
                judge=_judge(context, meant),
                mode=Mode.WEAVE,
                limits=limits,
                seed=(seed + number) % 2**31,
            )
        except EngineDownError:
            raise
        except EngineError:
            return None
        worst = made.others[-1] if made.others else made.best
        if made.best.score - worst.score < CLEAR_GAP:
            return None
        if not dataset.is_honest_gain(made.best.text, worst.text):
            return None
        return Feedback(
            id=f"judged{number}",
            source=Source.JUDGED,
            thread=0,
            at=context.clock(),
            prompt=prompt,
            reply=worst.text,
            better=made.best.text,
        )

    found = await asyncio.gather(*(search(number, prompt) for number, prompt in enumerate(prompts)))
    return [one for one in found if one is not None]


def _judge(context: Context, notes: Sequence[str]) -> Judge:
    """The base, asked about what holds for everybody and these notes."""
    return Judge(context.backend, (*context.rubric.questions, *note_questions(notes)))


def _asked(context: Context, taught: Lesson, note: str, verdict: Verdict) -> Lesson:
    """The judge's side: under the LoRA a question about a reply is answered as the base did."""
    wanted = verdict.answers.get(f"note: {note}", 0.5)
    return _question_lesson(context, taught.teacher + taught.reply, note, wanted)


def _starred(context: Context, rated: Sequence[RecordedReply], notes: Sequence[str]) -> list[Lesson]:
    """The judge's side again: where the stars say something else than the judge, it learns from the stars."""
    made = []
    for one in rated[:ASKED_RATINGS]:
        found = {note: _seen_in(context, one, note) for note in notes}
        answers = {note: p for note, p in found.items() if p is not None}
        if not answers or one.reply.rating is None:
            continue
        told = dataset.as_rated(answers, one.reply.rating)
        note = max(told, key=lambda note: abs(told[note] - answers[note]))
        prefix = context.backend.encode(replace(one.prompt.bare(), notes=tuple(notes)))
        made.append(
            _question_lesson(context, prefix + context.backend.encode_text(one.reply.text), note, told[note])
        )
    return made


def _seen_in(context: Context, one: RecordedReply, note: str) -> float | None:
    """The judge's P that a described reply keeps to a note; None where the rubric has no manner for it."""
    manner, found = manner_of(context.rubric, note) or "", one.manners or {}
    if manner.removeprefix("!") not in found:
        return None
    p = found[manner.removeprefix("!")]
    return 1 - p if manner.startswith("!") else p


def _question_lesson(context: Context, judged: TokenIds, note: str, wanted: float) -> Lesson:
    ending = context.backend.encode_question(question(note_question(note)))
    return Lesson(kind=Kind.ASK, prefix=judged + ending, wanted=wanted, weight=ASKED_WEIGHT)


async def _reply(
    context: Context, judge: Judge, prompt: Prompt, seed: int
) -> tuple[TokenIds, Verdict] | None:
    """One whole reply with the judge's verdict; None where the model did not finish or refused."""
    prefix = context.backend.encode(prompt)
    room = context.backend.max_context - len(prefix) - judge.longest_question
    if room < 2:
        return None
    sampling = limits_of(context).sampling(room, seed % 2**31)
    try:
        (completion,) = await context.backend.sample(prefix, n=1, sampling=sampling)
        if not completion.finished or not context.backend.decode(completion.token_ids).strip():
            return None
        (verdict,) = await judge.score(prefix, [completion.token_ids])
    except EngineDownError:
        raise
    except EngineError:
        return None  # one request less; the night goes on with the others
    return completion.token_ids, verdict


def _kept(answers: Sequence[Noted], questions: Sequence[Question]) -> list[Noted]:
    """The replies that are in order and keep to every note meant for them that replies keep to at all.

    A note that hardly any reply keeps to is not understood, or the judge cannot see it.
    """
    clear = []
    for asked in questions:
        # 0 where it was not asked: the note is for other requests.
        told = [odds for one in answers if (odds := combined([asked], one.verdict.answers))]
        is_certain = sum(map(abs, told)) > CERTAIN * len(told)
        if asked.weight and is_certain and sum(one > 0 for one in told) > KEPT_FROM * len(told):
            clear.append(asked)
    return [one for one in answers if all(combined([each], one.verdict.answers) >= 0 for each in clear)]


def _variants(
    context: Context, person: KnownPerson, own: Sequence[Prompt], count: int, seed: int
) -> list[Prompt]:
    """The person's own requests, the newest first, and everyday ones in the same setting."""
    mine = [prompt.bare() for prompt in own[:MAX_OWN_REQUESTS]][:count]
    setting = mine[0] if mine else Prompt(turns=(), persona=context.settings.persona, name=person.name)
    others = context.everyday.draw(count - len(mine), seed=seed)
    return mine + [_asking(setting, text) for text in others]


def _again(
    context: Context, person: KnownPerson, own: Sequence[Prompt], count: int, seed: int
) -> list[Prompt]:
    """Some of the person's earlier requests, the newest, and for each another that is near it."""
    earlier = _variants(context, person, own, -(-count // 2), seed)
    others = [
        context.everyday.near(last_request(prompt), seed=seed + number)
        for number, prompt in enumerate(earlier, start=1)
    ]
    return [*earlier, *map(_asking, earlier, others)][:count]


def _asking(setting: Prompt, text: str) -> Prompt:
    """The same setting with another request."""
    return replace(setting, turns=(Turn(role=Role.USER, text=text),))


def _own_requests(feedback: Sequence[Feedback]) -> list[Prompt]:
    """Each request once, the newest first."""
    found: dict[str, Prompt] = {}
    for one in sorted(feedback, key=lambda one: one.at, reverse=True):
        found.setdefault(last_request(one.prompt), one.prompt.bare())
    return list(found.values())


async def _rated_for_training(
    context: Context, person: KnownPerson, train: Collection[str]
) -> list[RecordedReply]:
    """The rated replies that are trained on, each described, the newest first."""
    if not context.rubric.manners:
        return []
    await rethink(context, person.key)  # every rated answer is described, the newest too
    recorded = await context.store.replies.of_person(person.key, limit=history.MAX_REPLIES)
    return [one for one in recorded if one.reply.id in train and one.reply.rating is not None and one.manners]


def _seen(
    context: Context, rated: Sequence[RecordedReply], everything: Sequence[Note], everybody: Population
) -> list[Want]:
    """What the ratings say the person wants, read anew from those that are trained on alone.

    The notes that stand by day were seen in all ratings. Were they taken, held-out ratings would vouch for
    what they themselves had suggested.
    """
    if len(rated) < FEWEST:
        return []
    likings = [as_rated(one, one.manners or {}) for one in rated]
    taste = Taste.blank(context.rubric.manners, everybody).following(likings)
    return [want for want in taste.wants() if not _is_spoken_for(context, want, everything)]


def _is_spoken_for(context: Context, want: Want, everything: Sequence[Note]) -> bool:
    """Whether the person has said something about it, or deleted that very note: a word outweighs a guess."""
    manner = manner_of(context.rubric, want.note)
    group = context.rubric.group_of(manner) or want.manner
    for note in everything:
        is_said = note.origin is not Origin.REACTIONS and note.deleted_at is None
        if is_said and context.rubric.group_of(note.manner) == group:
            return True
        if note.manner == manner and note.deleted_at is not None and note.origin is Origin.REACTIONS:
            return True
    return False


def _prior(said: Sequence[Note], seen: Sequence[Want]) -> float:
    """A person's word is nearly certain; what was seen in ratings is as certain as the taste finds it."""
    if not said and not seen:
        return NO_NOTES_PRIOR
    each = [*([OWN_WORDS_PRIOR] if said else []), *(want.probability for want in seen)]
    # Not the product: a LoRA that has most of it right is better than one that has nothing.
    return math.exp(sum(map(math.log, each)) / len(each))


def _counts(
    data: Dataset, notes: Sequence[str], seen: Sequence[Want], lessons: Sequence[Lesson]
) -> dict[str, int]:
    counts = {**data.counts(), "notes": len(notes), "lessons": len(lessons)}
    return {**counts, "notes_from_reactions": len(seen)} if seen else counts


async def _since(context: Context, person: KnownPerson) -> datetime | None:
    """When what answers now was made: held-out feedback from before has had its say about it."""
    live = await context.store.loras.live(person.key, model=context.backend.model)
    return None if live is None else live.created_at


def _tokens(one: Lesson | Trial) -> int:
    teacher = one.teacher if isinstance(one, Lesson) else ()
    return max(len(one.prefix), len(teacher)) + max(len(one.reply), len(one.against)) + 1
