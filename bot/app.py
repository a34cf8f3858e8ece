"""The one door for every event: deduplicates, routes, and owns the tasks. Knows no platform and no SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeAlias

from bot.events import (
    Action,
    Choice,
    Command,
    Deletion,
    Edit,
    Message,
    NightProgress,
    Notice,
    Outcome,
    Person,
    Place,
    Platform,
    Progress,
    Reaction,
    ReactionState,
    Ref,
    Reply,
    ThreadReply,
)
from bot.ports import Chat

Heard: TypeAlias = Progress | Reply | Notice | NightProgress


class App:
    """Takes events and answers them. Each method returns when what it was told is durable."""

    def attach(self, chat: Chat) -> None:
        """Answers to this platform go through `chat` from now on. Before `run`."""
        raise NotImplementedError

    async def run(self) -> None:
        """Work until `stop`: what an earlier process left undone first."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Finish what is being sent, leave the rest in the inbox, end `run`. Under 10 s."""
        raise NotImplementedError

    async def message(self, message: Message) -> str:
        """Take a question; its id. A repeated event gives the same id. Raises Refused, TooMany."""
        raise NotImplementedError

    async def edit(self, edit: Edit) -> None:
        """The question changed: it is answered anew in the old answer's place. Raises Unknown, NotYours."""
        raise NotImplementedError

    async def delete(self, deletion: Deletion) -> None:
        """The question was withdrawn: cancelled, never learned from. Raises Unknown."""
        raise NotImplementedError

    async def reaction(self, reaction: Reaction) -> int | None:
        """An emoji was put on or taken off: the rating (1..5) that the person's set now amounts to."""
        raise NotImplementedError

    async def reactions(self, states: Sequence[ReactionState]) -> int:
        """What stands on the platform now replaces what is stored; how many sets changed."""
        raise NotImplementedError

    async def thread_reply(self, thread_reply: ThreadReply) -> str:
        """Take what was said under an answer; the id of its inbox row. Raises Unknown, NotYours, Refused."""
        raise NotImplementedError

    async def choose(self, choice: Choice) -> Reply:
        """Another branch becomes the answer. Raises Unknown, NotYours."""
        raise NotImplementedError

    async def press(self, person: Person, place: Place, action: Action) -> Notice | None:
        """A button was pressed: what to show to that person alone, if anything. Raises BotError."""
        raise NotImplementedError

    async def command(self, command: Command) -> Notice:
        """A command by name: what to show to that person alone. Raises BotError."""
        raise NotImplementedError

    async def posted(self, platform: Platform, *, since: datetime, limit: int) -> Sequence[tuple[Ref, Place]]:
        """The pieces of the answers posted since then, newest first, for reading back."""
        raise NotImplementedError

    async def reply_at(self, ref: Ref) -> Reply | None:
        """The reply of which this platform message is a piece; None: it is none of ours."""
        raise NotImplementedError

    async def outcome(self, message_id: str, *, wait_s: float = 0.0) -> Outcome:
        """What became of a message or thread reply, waiting until it is settled. Raises Unknown."""
        raise NotImplementedError

    def listen(self, person: str) -> AbstractAsyncContextManager[AsyncIterator[Heard]]:
        """Everything that happens to a person from now on. A slow listener loses progress, nothing else."""
        raise NotImplementedError
