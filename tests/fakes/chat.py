"""A chat platform without a network, which keeps what was posted and can be told to fail."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from bot.events import Notice, Outgoing, Person, Place, Platform, Progress, Ref
from bot.ports import Chat


class FakeChat(Chat):
    """Posts each key once, as a platform with idempotency keys does. `refuse` holds errors to be raised.

    So does `refuse_after`, once what was to be posted stands there; and `refuse_to_tell`, for what is said
    to one person alone.
    """

    def __init__(self, platform: Platform = Platform.WEB) -> None:
        self.platform = platform
        self.shown: dict[str, str] = {}  # platform message id → text, as people see it now
        self.posts: list[Outgoing] = []
        self.told: list[tuple[Person, Notice]] = []
        self.progress: list[Progress | None] = []
        self.idled: list[Ref] = []
        self.refuse: deque[Exception] = deque()
        self.refuse_after: deque[Exception] = deque()
        self.refuse_to_tell: deque[Exception] = deque()
        self.hold = asyncio.Event()  # posting waits while it is cleared
        self.hold.set()
        self.tells = asyncio.Event()  # while it is cleared, what is posted stands there untold
        self.tells.set()
        self._keys: dict[str, tuple[Ref, ...]] = {}

    async def post(self, outgoing: Outgoing) -> Sequence[Ref]:
        await self.hold.wait()
        if self.refuse:
            raise self.refuse.popleft()
        if outgoing.key not in self._keys:
            ref = outgoing.replaces[0] if outgoing.replaces else self._new_ref(outgoing)
            self.shown[ref.id] = outgoing.reply.text
            self._keys[outgoing.key] = (ref,)
            self.posts.append(outgoing)
        await self.tells.wait()
        if self.refuse_after:
            raise self.refuse_after.popleft()
        return self._keys[outgoing.key]

    async def working(self, place: Place, question: Ref, progress: Progress | None) -> None:
        self.progress.append(progress)

    async def idle(self, place: Place, question: Ref) -> None:
        self.idled.append(question)

    async def tell(self, person: Person, place: Place | None, notice: Notice) -> None:
        if self.refuse_to_tell:
            raise self.refuse_to_tell.popleft()
        self.told.append((person, notice))

    def _new_ref(self, outgoing: Outgoing) -> Ref:
        place, channel = outgoing.place, outgoing.place.channel
        if self.platform is Platform.DISCORD:  # there a thread is a channel of its own
            channel = place.thread or channel
        return Ref(platform=self.platform, channel=channel, id=f"m{len(self.posts) + 1}")
