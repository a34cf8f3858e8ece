"""What people said and took back: it is erased wherever it is kept. Knows no chat.

The rows stay, without a word in them: their ids say that a repeated delivery was here before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Text, cast, func, or_, select, update

from bot.events import Deletion, MessageState
from bot.store import tables
from bot.store.database import Database, DatabaseConnection
from bot.store.feedback import notes as store_notes
from bot.store.feedback.teachings import take_back
from bot.store.inbox import ItemKind
from bot.store.platform_events import EventKind, first_time
from bot.store.recorded_replies import (
    Branch,
    Delivery,
    Draft,
    branches_json,
    branches_of,
    prompt_json,
    prompt_of,
)
from engine import wording
from engine.types import Prompt, Role, Turn

inbox, replies, searches = tables.inbox, tables.replies, tables.searches
teachings, notes, choices = tables.teachings, tables.notes, tables.choices

PROBLEM: Final = "withdrawn"  # why it has no answer, in words for the person
ERASED_PROMPT: Final = Prompt(turns=(Turn(role=Role.USER, text=""),))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What is to be erased wherever it stands: what was said, what was answered, the notes made of it."""

    said: frozenset[str]
    notes: frozenset[str]


class WithdrawalStore:
    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def take(self, deletion: Deletion, item_id: str) -> Collection[str]:
        """What was said is withdrawn: cancelled, and erased with its answers and all that was taught on them.

        What it taught itself, under an answer or in passing, is taken back and erased too. The ids of what
        is not to be answered any more: this, and what waits that was said under its answers. None of them:
        the event was here before.
        """

        async def work(connection: DatabaseConnection) -> Collection[str]:
            now, platform = self._clock(), deletion.ref.platform
            if not await first_time(connection, platform, deletion.event, EventKind.DELETION, item_id, now):
                return ()
            return await _Erasure(connection, item_id, now).carry_out()

        return await self._database.write(work)

    async def wipe(self) -> None:
        """Leave no byte of what was erased in the database's files. It may take seconds."""
        await self._database.wipe_freed()


class _Erasure:
    """One message on its way out, within one transaction."""

    def __init__(self, connection: DatabaseConnection, item_id: str, now: datetime) -> None:
        self._connection = connection
        self._item = item_id
        self._now = now
        self._is_answer = or_(replies.c.message == item_id, replies.c.cause == item_id)
        self._answers = select(replies.c.id).where(self._is_answer)

    async def carry_out(self) -> Collection[str]:
        # Whoever keeps something of the message waits for its row; SQLite has one writer, and no need.
        this = select(inbox).where(inbox.c.id == self._item).with_for_update()
        item = (await self._connection.execute(this)).one()
        taught = await self._ids(select(teachings.c.id).where(teachings.c.message == self._item))
        is_note = notes.c.teaching.in_(taught) | (notes.c.message == self._item)
        words = await self._words(item, is_note)
        await self._take_back(taught, is_note)
        await self._erase_notes(is_note)
        await self._erase_teachings()
        cancelled = await self._cancel()
        # From now on no answer is recorded that could hold the words: see `without_withdrawn`.
        its_person = tables.people.c.key == item.person
        await self._execute(update(tables.people).where(its_person).values(withdrew_at=self._now))
        await self._erase_answers()
        await self._erase_elsewhere(item, words)
        return cancelled

    async def _words(self, item: Row[Any], is_note: Any) -> _Words:
        # Any: a row described by columns, and SQLAlchemy's expression
        query = select(replies.c.request, replies.c.text, searches.c.alternatives)
        query = query.join(searches, searches.c.reply == replies.c.id).where(self._is_answer)
        said = {item.text}
        for row in await self._connection.execute(query):
            said |= {row.request, row.text, *(branch.text for branch in branches_of(row.alternatives))}
        made = await self._connection.execute(select(notes.c.text).where(is_note))
        return _Words(said=frozenset(said - {""}), notes=frozenset(made.scalars()) - {""})

    async def _take_back(self, taught: Collection[str], is_note: Any) -> None:  # Any: SQLAlchemy's expression
        for teaching in taught:
            await take_back(self._connection, teaching, self._now)
        made = await self._ids(select(notes.c.id).where(is_note))
        await store_notes.take_back(self._connection, made, self._now)

    async def _erase_notes(self, is_note: Any) -> None:  # Any: as above
        await self._execute(update(notes).where(is_note).values(text="", source=""))

    async def _erase_teachings(self) -> None:
        is_on_it = teachings.c.reply.in_(self._answers) | (teachings.c.message == self._item)
        # Any: the values of columns
        gone: dict[str, Any] = {"text": "", "wanted": None, "attempts": [], "never_learn": True}
        await self._execute(update(teachings).where(is_on_it).values(**gone))

    async def _cancel(self) -> Collection[str]:
        """The message, and what waits that was said under its answers."""
        is_remark = (inbox.c.kind == ItemKind.THREAD_REPLY) & inbox.c.reply_to.in_(self._answers)
        is_gone = (inbox.c.id == self._item) | (is_remark & (inbox.c.state == MessageState.WAITING))
        cancelled = await self._ids(select(inbox.c.id).where(is_gone))
        state = {"state": MessageState.CANCELLED, "problem": PROBLEM}
        await self._execute(update(inbox).where(inbox.c.id.in_(cancelled)).values(**state))
        erased = {"text": "", "outcome": None, "never_learn": True}
        await self._execute(update(inbox).where(inbox.c.id == self._item).values(**erased))
        return cancelled

    async def _erase_answers(self) -> None:
        # Any: the values of columns
        gone: dict[str, Any] = {"text": "", "request": "", "heading": None, "duel": None, "answers": {}}
        hidden: dict[str, Any] = {"manners": None, "actions": [], "is_current": False, "never_learn": True}
        await self._execute(update(replies).where(self._is_answer).values(**gone, **hidden))
        is_unsent = replies.c.delivery == Delivery.STORED
        withdrawn = update(replies).where(self._is_answer, is_unsent)
        await self._execute(withdrawn.values(delivery=Delivery.WITHDRAWN))
        nothing = {"alternatives": [], "prompt": prompt_json(ERASED_PROMPT), "tree": []}
        await self._execute(update(searches).where(searches.c.reply.in_(self._answers)).values(**nothing))
        no_texts = {"chosen_text": "", "rejected_text": ""}
        await self._execute(update(choices).where(choices.c.reply.in_(self._answers)).values(**no_texts))

    async def _erase_elsewhere(self, item: Row[Any], words: _Words) -> None:
        """In the prompts of later answers; and a note above the answer that replaced it."""
        later = (replies.c.person == item.person) & (replies.c.at >= item.received_at)
        for note in words.notes:
            names_it = _contains(self._connection, replies.c.heading, note)
            await self._execute(update(replies).where(later, names_it).values(heading=None))
        dialect = self._connection.dialect.name
        prompt = cast(searches.c.prompt, Text)
        holds = [
            _contains(self._connection, prompt, _as_json(dialect, text)) for text in words.said | words.notes
        ]
        query = select(replies.c.id, replies.c.answers, searches.c.prompt, searches.c.alternatives)
        query = query.join(searches, searches.c.reply == replies.c.id)
        for row in (await self._connection.execute(query.where(later, or_(*holds)))).all():
            prompt_now = _without(prompt_of(row.prompt), words)
            branches = [_unasked(branch, words.notes) for branch in branches_of(row.alternatives)]
            values = {"prompt": prompt_json(prompt_now), "alternatives": branches_json(branches)}
            await self._execute(update(searches).where(searches.c.reply == row.id).values(**values))
            answers = _unasked_answers(row.answers, words.notes)
            await self._execute(update(replies).where(replies.c.id == row.id).values(answers=answers))

    async def _ids(self, query: Any) -> list[str]:  # Any: SQLAlchemy's expression
        return list((await self._connection.execute(query)).scalars())

    async def _execute(self, statement: Any) -> None:  # Any: as above
        await self._connection.execute(statement)


async def without_withdrawn(connection: DatabaseConnection, draft: Draft) -> Draft:
    """The draft. Where the person withdrew something meanwhile, its prompt is the own request alone."""
    query = select(tables.people.c.withdrew_at, inbox.c.received_at)
    query = query.join(inbox, inbox.c.person == tables.people.c.key).where(inbox.c.id == draft.cause)
    row = (await connection.execute(query.with_for_update(read=True, of=tables.people))).one()
    if row.withdrew_at is None or row.withdrew_at < row.received_at:
        return draft
    own = len(wording.before_critiques(draft.prompt).turns) - 1
    branches = tuple(replace(branch, answers={}) for branch in draft.branches)
    prompt = replace(draft.prompt.bare(), turns=draft.prompt.turns[own:])
    return replace(draft, prompt=prompt, answers={}, branches=branches, heading=None)


def _without(prompt: Prompt, words: _Words) -> Prompt:
    """The prompt without the words. Its own request stays, even where it says the same again."""
    own = len(wording.before_critiques(prompt).turns) - 1
    gone: set[int] = set()
    for index, turn in enumerate(prompt.turns[:own]):
        if turn.text in words.said:
            gone |= {index, index + 1 if turn.role is Role.USER else index - 1}
    kept = tuple(turn for index, turn in enumerate(prompt.turns) if index not in gone or index >= own)
    return replace(
        prompt,
        turns=kept,
        notes=_others(prompt.notes, words.notes),
        facts=_others(prompt.facts, words.notes),
        examples=tuple(
            example
            for example in prompt.examples
            if example.request not in words.said and example.reply not in words.said
        ),
    )


def _others(texts: Iterable[str], gone: frozenset[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text not in gone)


def _unasked(branch: Branch, gone: frozenset[str]) -> Branch:
    return replace(branch, answers=_unasked_answers(branch.answers, gone))


def _unasked_answers(answers: dict[str, float], gone: frozenset[str]) -> dict[str, float]:
    """The judge's answers without those to questions about a note that is gone."""
    return {question: yes for question, yes in answers.items() if not any(note in question for note in gone)}


def _as_json(dialect: str, text: str) -> str:
    """The text as it stands within JSON: SQLite keeps what Python writes, Postgres writes it anew."""
    return json.dumps(text, ensure_ascii=dialect == "sqlite")[1:-1]


def _contains(connection: DatabaseConnection, column: Any, text: str) -> Any:  # Any: SQLAlchemy's expressions
    """Not LIKE: on SQLite its patterns are short."""
    find = func.instr if connection.dialect.name == "sqlite" else func.strpos
    return find(column, text) > 0
