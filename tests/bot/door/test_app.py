"""The door: what is taken in is answered once, in order, fairly; edits and deletions reach the work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from bot.errors import NotYours, Refused, TooMany, Unknown
from bot.events import (
    Choice,
    Deletion,
    Edit,
    Message,
    MessageState,
    Person,
    Platform,
    Progress,
    Reaction,
    ReactionState,
    Ref,
    Reply,
)
from bot.people import portability
from bot.ports import RateLimited, Undeliverable, Unreachable
from bot.store.inbox import Acceptance, InboxStore
from engine.backends.scripted import ScriptedBackend
from engine.errors import EngineDownError, RequestError
from engine.models.sampling import SamplingDefaults
from engine.ports import Watch
from engine.types import Completion, LoraRef, Mode, Prompt, Sampling, TokenIds
from tests.bot.conftest import Bot, StartBot, is_answered, message
from tests.bot.taught import thread_reply
from tests.fakes.chat import FakeChat

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANN = Person(key="ann", platform=Platform.WEB, name="Ann")
BOB = Person(key="bob", platform=Platform.WEB, name="Bob")


class FailingBackend(ScriptedBackend):
    """Fails as often as it was told to, then answers."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        if self.errors:
            raise self.errors.pop(0)
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)


class WatchedBackend(ScriptedBackend):
    """Keeps how it was asked to sample."""

    def __init__(self) -> None:
        super().__init__()
        self.sampled: list[Sampling] = []

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        self.sampled.append(sampling)
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)


class HeldBackend(ScriptedBackend):
    """Answers nothing until it is let go; counts what was broken off."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.begun: list[str] = []
        self.broken_off = 0
        self._asked: dict[TokenIds, str] = {}

    def encode(self, prompt: Prompt) -> TokenIds:
        encoded = super().encode(prompt)
        self._asked[encoded] = prompt.turns[-1].text
        return encoded

    async def sample(
        self,
        prefix: TokenIds,
        *,
        n: int,
        sampling: Sampling,
        lora: LoraRef | None = None,
        watch: Watch | None = None,
    ) -> Sequence[Completion]:
        if prefix in self._asked:
            self.begun.append(self._asked[prefix])
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.broken_off += 1
            raise
        return await super().sample(prefix, n=n, sampling=sampling, lora=lora, watch=watch)

    async def has_begun(self, text: str) -> None:
        async with asyncio.timeout(10):
            while text not in self.begun:
                await asyncio.sleep(0.005)


async def test_a_question_is_answered_recorded_and_posted_once(bot: Bot) -> None:
    outcome = await bot.ask("hello")
    await bot.sent(1)
    assert is_answered(outcome)
    assert [reply.text for reply in outcome.replies] == ["echo: hello"]
    assert [post.reply.text for post in bot.chat.posts] == ["echo: hello"]


async def test_a_repeated_event_is_answered_once_under_the_same_id(bot: Bot) -> None:
    asked = message("hello", event="e")
    ids = {await bot.app.message(asked) for _ in range(5)}
    assert len(ids) == 1
    await bot.ask("the next", event="f")
    await bot.sent(2)
    assert [post.reply.text for post in bot.chat.posts] == ["echo: hello", "echo: the next"]


@pytest.mark.parametrize("messages_per_minute", [1, 30], ids=["too-fast-for-another", "within-the-pace"])
async def test_what_was_stored_before_its_connection_dropped_is_answered_when_it_is_told_again(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch, messages_per_minute: int
) -> None:
    take, asked = InboxStore.take, message("hello", event="e")

    async def stored_and_lost(
        inbox: InboxStore, message: Message, *, conversation: str, owner: str
    ) -> Acceptance:
        monkeypatch.setattr(InboxStore, "take", take)
        await take(inbox, message, conversation=conversation, owner=owner)
        raise OSError("the connection dropped")

    async with start_bot(limits={"messages_per_minute": messages_per_minute}) as bot:
        monkeypatch.setattr(InboxStore, "take", stored_and_lost)
        with pytest.raises(OSError, match="dropped"):
            await bot.app.message(asked)
        again = await bot.app.message(asked)
        assert is_answered(await bot.app.outcome(again, wait_s=10))
        await bot.sent(1)


async def test_one_persons_questions_are_answered_in_the_order_they_were_asked(bot: Bot) -> None:
    for number in range(10):
        await bot.app.message(message(f"question {number}"))
    await bot.sent(10)
    assert [post.reply.text for post in bot.chat.posts] == [f"echo: question {n}" for n in range(10)]


async def test_who_floods_delays_nobody_else(start_bot: StartBot) -> None:
    backend = HeldBackend()
    async with start_bot(backend=backend, limits={"at_once": 1, "mode": "fast"}) as bot:
        for number in range(30):
            await bot.app.message(message(f"flood {number}", person="mallory"))
        await backend.has_begun("flood 0")
        await bot.app.message(message("hello", person="ann", conversation="d"))
        backend.go.set()
        await bot.sent(31)
    in_order = list(dict.fromkeys(backend.begun))
    assert in_order[:3] == ["flood 0", "hello", "flood 1"]


async def test_a_newer_question_leaves_the_earlier_ones_to_be_answered(start_bot: StartBot) -> None:
    backend = HeldBackend()
    async with start_bot(backend=backend) as bot:
        first = await bot.app.message(message("first"))
        await backend.has_begun("first")
        second = await bot.app.message(message("second"))
        backend.go.set()
        for taken in (first, second):
            assert is_answered(await bot.app.outcome(taken, wait_s=10))


async def test_an_edit_breaks_the_work_off_and_is_answered_instead(start_bot: StartBot) -> None:
    backend = HeldBackend()
    async with start_bot(backend=backend) as bot:
        asked = message("old")
        taken = await bot.app.message(asked)
        await backend.has_begun("old")
        await bot.app.edit(Edit(event="x", ref=asked.ref, person=ANN, text="new", at=NOW))
        backend.go.set()
        outcome = await bot.app.outcome(taken, wait_s=10)
        await bot.sent(1)
        assert backend.broken_off == 1
        assert [reply.text for reply in outcome.replies] == ["echo: new"]
        assert [post.reply.text for post in bot.chat.posts] == ["echo: new"]


async def test_an_edit_after_the_answer_replaces_the_posted_text(bot: Bot) -> None:
    asked = message("old")
    taken = await bot.app.message(asked)
    await bot.sent(1)
    await bot.app.edit(Edit(event="x", ref=asked.ref, person=ANN, text="new", at=NOW))
    await bot.sent(2)
    outcome = await bot.app.outcome(taken, wait_s=10)
    assert bot.chat.shown == {"m1": "echo: new"}
    assert [reply.text for reply in outcome.replies] == ["echo: new"]


async def test_an_edit_by_another_person_is_refused(bot: Bot) -> None:
    asked = message("mine")
    await bot.app.message(asked)
    with pytest.raises(NotYours):
        await bot.app.edit(Edit(event="x", ref=asked.ref, person=BOB, text="not yours", at=NOW))


async def test_a_deletion_breaks_the_work_off_and_nothing_is_posted(start_bot: StartBot) -> None:
    backend = HeldBackend()
    async with start_bot(backend=backend) as bot:
        asked = message("regretted")
        taken = await bot.app.message(asked)
        await backend.has_begun("regretted")
        await bot.app.delete(Deletion(event="d", ref=asked.ref, at=NOW))
        outcome = await bot.app.outcome(taken, wait_s=10)
        assert outcome.state is MessageState.CANCELLED
        backend.go.set()
        await bot.ask("next")
        await bot.sent(1)
        assert backend.broken_off == 1
        assert [post.reply.text for post in bot.chat.posts] == ["echo: next"]
        assert bot.chat.idled == [asked.ref]


async def test_a_deleted_question_that_still_waits_is_never_begun(start_bot: StartBot) -> None:
    backend = HeldBackend()
    async with start_bot(backend=backend) as bot:
        await bot.app.message(message("first"))
        await backend.has_begun("first")
        waiting = message("second")
        await bot.app.message(waiting)
        await bot.app.delete(Deletion(event="d", ref=waiting.ref, at=NOW))
        backend.go.set()
        await bot.ask("third")
        assert "second" not in backend.begun


async def test_editing_or_deleting_what_was_never_asked_is_refused(bot: Bot) -> None:
    nowhere = Ref(platform=Platform.WEB, channel="c", id="nothing")
    with pytest.raises(Unknown):
        await bot.app.edit(Edit(event="x", ref=nowhere, person=ANN, text="new", at=NOW))
    with pytest.raises(Unknown):
        await bot.app.delete(Deletion(event="d", ref=nowhere, at=NOW))
    with pytest.raises(Unknown):
        await bot.app.outcome("nothing")


@pytest.mark.parametrize("text", ["", " \n\t", "x" * 101])
async def test_an_empty_or_too_long_message_is_refused_and_not_kept(start_bot: StartBot, text: str) -> None:
    async with start_bot(limits={"max_message_chars": 100}) as bot:
        with pytest.raises(Refused):
            await bot.app.message(message(text))
        assert await bot.store.inbox.of_conversation("ann", "c") == []


async def test_what_the_model_cannot_take_is_told_to_the_person(start_bot: StartBot) -> None:
    async with start_bot(backend=ScriptedBackend(max_context=300), limits={"max_reply_tokens": 50}) as bot:
        outcome = await bot.ask("long " * 2000)
        assert outcome.state is MessageState.FAILED
        assert "too long" in (outcome.problem or "")
        assert [(person.key, notice.text) for person, notice in bot.chat.told] == [("ann", outcome.problem)]


async def test_who_asks_too_fast_is_told_when_to_ask_again(start_bot: StartBot) -> None:
    async with start_bot(limits={"messages_per_minute": 3}) as bot:
        for number in range(3):
            await bot.app.message(message(f"question {number}"))
        with pytest.raises(TooMany) as refused:
            await bot.app.message(message("one more"))
        assert 0 < refused.value.retry_after_s <= 20
        assert is_answered(await bot.ask("hello", person="bob"))


async def test_no_more_waits_than_the_limits_allow(start_bot: StartBot) -> None:
    backend = HeldBackend()
    async with start_bot(backend=backend, limits={"waiting_per_person": 2, "waiting": 3}) as bot:
        await bot.app.message(message("worked on"))
        await backend.has_begun("worked on")
        for number in range(2):
            await bot.app.message(message(f"waiting {number}"))
        with pytest.raises(TooMany) as refused:
            await bot.app.message(message("one too many"))
        assert refused.value.code == "too_many"
        backend.go.set()


async def test_what_waits_already_is_not_refused_when_it_is_delivered_again(start_bot: StartBot) -> None:
    async with start_bot(limits={"messages_per_minute": 3}) as bot:
        asked = message("one")
        taken = await bot.app.message(asked)
        answered = (await bot.app.outcome(taken, wait_s=10)).replies[0]
        said = thread_reply("shorter please", under=answered.id)
        remark = await bot.app.thread_reply(said)
        await bot.app.message(message("two"))
        with pytest.raises(TooMany):
            await bot.app.message(message("three"))
        assert await bot.app.message(asked) == taken
        assert await bot.app.thread_reply(said) == remark


async def test_answers_that_cannot_be_sent_wait_within_the_same_limit(start_bot: StartBot) -> None:
    async with start_bot(limits={"waiting": 3}) as bot:
        bot.chat.hold.clear()
        for number in range(3):
            assert is_answered(await bot.ask(f"question {number}", conversation=f"c{number}"))
        with pytest.raises(TooMany) as refused:
            await bot.app.message(message("one too many"))
        assert refused.value.code == "busy"
        bot.chat.hold.set()
        await bot.sent(3)


async def test_a_burst_does_not_pass_the_limit_of_what_may_wait(start_bot: StartBot) -> None:
    async with start_bot(limits={"waiting_per_person": 2}) as bot:
        bot.chat.hold.clear()
        burst = [bot.app.message(message(f"question {number}")) for number in range(8)]
        taken = await asyncio.gather(*burst, return_exceptions=True)
        assert sum(isinstance(one, str) for one in taken) <= 3  # one may be under way already
        assert all(one.code == "too_many" for one in taken if isinstance(one, TooMany))
        bot.chat.hold.set()


async def test_a_blocked_person_is_refused(bot: Bot) -> None:
    await bot.ask("hello")
    await bot.store.people.change("ann", is_blocked=True)
    with pytest.raises(Refused, match="blocked"):
        await bot.app.message(message("again"))


async def test_while_the_engine_is_down_messages_wait(start_bot: StartBot) -> None:
    backend = FailingBackend(*(EngineDownError("restarting") for _ in range(3)))
    async with start_bot(backend=backend, limits={"tries": 1, "mode": "fast"}) as bot:
        outcome = await bot.ask("hello")
        assert [reply.text for reply in outcome.replies] == ["echo: hello"]
        assert not bot.chat.told


async def test_a_failed_request_is_tried_again(start_bot: StartBot) -> None:
    backend = FailingBackend(RequestError("a hiccup"), ValueError("a fault"))
    async with start_bot(backend=backend, limits={"tries": 3, "mode": "fast"}) as bot:
        assert is_answered(await bot.ask("hello"))


async def test_what_fails_again_and_again_is_given_up_and_told_while_others_are_answered(
    start_bot: StartBot,
) -> None:
    backend = FailingBackend(*(ValueError("a fault") for _ in range(2)))
    async with start_bot(backend=backend, limits={"tries": 2, "mode": "fast"}) as bot:
        outcome = await bot.ask("hello")
        assert outcome.state is MessageState.FAILED
        assert [person.key for person, _ in bot.chat.told] == ["ann"]
        assert is_answered(await bot.ask("hello again"))


async def test_an_unreachable_or_busy_platform_is_tried_again_in_order(bot: Bot) -> None:
    bot.chat.refuse.extend(
        [Unreachable("gone"), RateLimited("slower", retry_after_s=0.05), TimeoutError(), KeyError("a fault")]
    )
    await bot.app.message(message("first"))
    await bot.app.message(message("second"))
    await bot.sent(2)
    assert [post.reply.text for post in bot.chat.posts] == ["echo: first", "echo: second"]


async def test_what_can_never_be_delivered_is_recorded_and_told(bot: Bot) -> None:
    bot.chat.refuse.append(Undeliverable("the channel is gone"))
    outcome = await bot.ask("hello")
    async with asyncio.timeout(10):
        while not bot.chat.told:
            await asyncio.sleep(0.005)
    recorded = await bot.store.replies.recorded(outcome.replies[0].id)
    assert recorded.delivery_problem == "the channel is gone"
    assert "the channel is gone" in bot.chat.told[0][1].text


async def test_what_a_stopped_bot_left_undone_is_done_by_the_next(start_bot: StartBot) -> None:
    chat = FakeChat()
    held = HeldBackend()
    async with start_bot(backend=held, chat=chat) as bot:
        ids = [await bot.app.message(message(f"question {n}", person=f"p{n}")) for n in range(5)]
        await held.has_begun("question 0")
    assert not chat.posts
    async with start_bot(chat=chat) as bot:
        outcomes = [await bot.app.outcome(taken, wait_s=10) for taken in ids]
        await bot.sent(5)
    assert all(is_answered(outcome) for outcome in outcomes)
    assert sorted(chat.shown.values()) == [f"echo: question {n}" for n in range(5)]


async def test_what_was_recorded_but_not_sent_is_sent_by_the_next_under_the_same_key(
    start_bot: StartBot,
) -> None:
    stuck, chat = FakeChat(), FakeChat()
    stuck.refuse.extend(Unreachable("gone") for _ in range(1000))
    async with start_bot(chat=stuck) as bot:
        outcome = await bot.ask("hello")
    async with start_bot(chat=chat) as bot:
        await bot.sent(1)
    assert [post.key for post in chat.posts] == [f"{outcome.replies[0].id}.0"]


async def test_a_prompt_never_holds_a_line_of_another_person_of_the_same_place(bot: Bot) -> None:
    await bot.ask("the secret of bob", person="bob", conversation="shared")
    outcome = await bot.ask("hello", person="ann", conversation="shared")
    recorded = await bot.store.replies.recorded(outcome.replies[0].id)
    assert "secret" not in str(recorded.prompt)


async def test_a_prompt_holds_what_went_before_in_the_conversation(bot: Bot) -> None:
    await bot.ask("one")
    await bot.ask("elsewhere", conversation="d")
    outcome = await bot.ask("two")
    recorded = await bot.store.replies.recorded(outcome.replies[0].id)
    assert [turn.text for turn in recorded.prompt.turns] == ["one", "echo: one", "two"]


async def test_a_question_that_goes_on_from_an_earlier_answer_leaves_out_what_came_after(bot: Bot) -> None:
    first = await bot.ask("one")
    await bot.ask("two")
    outcome = await bot.ask("three", reply_to=first.replies[0].id)
    recorded = await bot.store.replies.recorded(outcome.replies[0].id)
    assert [turn.text for turn in recorded.prompt.turns] == ["one", "echo: one", "three"]


async def test_a_question_that_goes_on_from_another_persons_answer_sees_nothing_of_it(bot: Bot) -> None:
    bobs = await bot.ask("the secret", person="bob")
    outcome = await bot.ask("go on", person="ann", reply_to=bobs.replies[0].id)
    recorded = await bot.store.replies.recorded(outcome.replies[0].id)
    assert [turn.text for turn in recorded.prompt.turns] == ["go on"]


async def test_the_message_says_how_much_search_it_gets_else_the_person_else_the_operator(
    start_bot: StartBot,
) -> None:
    async with start_bot(limits={"mode": "fast"}) as bot:
        by_operator = (await bot.ask("one")).replies[0].mode
        await bot.store.people.change("ann", mode=Mode.BEST)
        by_person = (await bot.ask("two")).replies[0].mode
        by_message = (await bot.ask("three", mode=Mode.FAST)).replies[0].mode
        assert (by_operator, by_person, by_message) == (Mode.FAST, Mode.BEST, Mode.FAST)


async def test_replies_are_sampled_as_the_operator_set(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLOOM_BACKEND__TEMPERATURE", "0.5")
    monkeypatch.setenv("NIGHTLOOM_BACKEND__TOP_P", "0.9")
    backend = WatchedBackend()
    async with start_bot(backend=backend) as bot:
        await bot.ask("what do otters eat?")
    assert {(one.temperature, one.top_p) for one in backend.sampled} == {(0.5, 0.9)}


async def test_what_the_operator_leaves_open_is_sampled_as_the_models_makers_advise(
    start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Advised(WatchedBackend):
        @property
        def sampling_defaults(self) -> SamplingDefaults:
            return SamplingDefaults(temperature=0.2, top_p=0.8, top_k=20, repetition_penalty=1.1)

    monkeypatch.setenv("NIGHTLOOM_BACKEND__TEMPERATURE", "0.5")
    backend = Advised()
    async with start_bot(backend=backend) as bot:
        await bot.ask("what do otters eat?")
    sampled = {(one.temperature, one.top_p, one.top_k, one.repetition_penalty) for one in backend.sampled}
    assert sampled == {(0.5, 0.8, 20, 1.1)}


async def test_a_taken_alternative_is_shown_in_the_old_place(start_bot: StartBot) -> None:
    async with start_bot(limits={"mode": "best"}) as bot:
        reply = (await bot.ask("hello")).replies[0]
        await bot.sent(1)
        other = reply.alternatives[0]
        choice = Choice(event="c", reply=reply.id, person=ANN, alternative=other.id, at=NOW)
        taken = await bot.app.choose(choice)
        await bot.sent(2)
        assert taken.text == other.text
        assert bot.chat.shown == {"m1": other.text}
        with pytest.raises(NotYours):
            await bot.app.choose(Choice(event="d", reply=reply.id, person=BOB, alternative="x", at=NOW))


async def test_another_answer_to_what_was_imported_is_refused_and_nothing_is_changed(
    start_bot: StartBot,
) -> None:
    async with start_bot(limits={"mode": "best"}) as bot:
        await bot.ask("hello")
        await bot.store.people.meet(BOB)
        await portability.take_in(bot.context, "bob", await portability.export(bot.context, "ann"))
        (imported,) = await bot.store.replies.of_person("bob")
        other = imported.reply.alternatives[0]
        choice = Choice(event="c", reply=imported.reply.id, person=BOB, alternative=other.id, at=NOW)
        with pytest.raises(Unknown):
            await bot.app.choose(choice)
        assert await bot.store.replies.recorded(imported.reply.id) == imported
        assert await bot.store.choices.of_person("bob") == []


async def test_a_reaction_rates_and_its_removal_takes_the_rating_back(bot: Bot) -> None:
    reply = (await bot.ask("hello")).replies[0]

    async def react(event: str, emoji: str, *, on: bool, who: Person = ANN) -> int | None:
        ref = Ref(platform=Platform.WEB, channel="c", id=reply.id)
        at = datetime.now(UTC)
        return await bot.app.reaction(Reaction(event=event, ref=ref, person=who, emoji=emoji, on=on, at=at))

    assert await react("1", ":+1:", on=True) == 4
    assert await react("2", "👎", on=True, who=BOB) == 1
    assert await react("3", "no emoji", on=True) == 4
    assert await react("4", "👍", on=False) is None
    nowhere = Ref(platform=Platform.DISCORD, channel="c", id="1")
    assert (
        await bot.app.reaction(Reaction(event="5", ref=nowhere, person=ANN, emoji="👍", on=True, at=NOW))
        is None
    )


async def test_reactions_are_read_back_for_what_stands_on_the_platform(bot: Bot) -> None:
    reply = (await bot.ask("hello")).replies[0]
    ref = Ref(platform=Platform.WEB, channel="c", id=reply.id)
    state = ReactionState(ref=ref, person=ANN, emoji=frozenset({"👍", "not one"}))
    assert await bot.app.reactions([state]) == 1
    assert await bot.app.reactions([state]) == 0
    assert (await bot.store.replies.get(reply.id)).rating == 4


async def test_a_listener_hears_progress_and_the_reply_and_nothing_of_others(bot: Bot) -> None:
    heard: list[object] = []
    async with bot.app.listen("ann") as events:
        await bot.ask("secret", person="bob", conversation="d")
        await bot.app.message(message("hello"))
        async with asyncio.timeout(10):
            async for event in events:
                heard.append(event)
                if isinstance(event, Reply):
                    break
    assert isinstance(heard[-1], Reply)
    assert heard[-1].text == "echo: hello"
    assert all(event.person == "ann" for event in heard if isinstance(event, Reply | Progress))


async def test_the_person_sees_that_it_works(bot: Bot) -> None:
    await bot.ask("hello", mode=Mode.BEST)
    assert bot.chat.progress
    assert bot.chat.progress[0] is None
