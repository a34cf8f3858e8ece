"""What a person takes back is erased wherever it was kept, and nothing else is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.events import Choice, Deletion, MessageState, TeachingKind, ThreadReply
from bot.store import Store
from bot.store.feedback.notes import NewNote, NoteKind, Origin
from bot.store.feedback.teachings import Attempt, NewTeaching
from bot.store.inbox import Item
from bot.store.recorded_replies import Branch
from engine.types import Example, Prompt, Role, TreeNode, Turn
from tests.bot.store.conftest import Clock, open_store
from tests.bot.store.making import NOON, OWNER, PLACE, draft, message, person, posted, reaction, ref, taken
from tests.migrated import migrated

SECRET = "the zebra’s “safe” is\n4711"  # JSON writes it otherwise than it is
ECHO = f"echo: {SECRET}"
NOTE = "Call my zebra Otto."


async def _withdraw(store: Store, item: Item, *, event: str = "d") -> bool:
    return bool(await store.withdrawals.take(Deletion(event=event, ref=item.ref, at=NOON), item.id))


async def _told(store: Store) -> tuple[Item, str]:
    """A secret that was answered, rated, corrected, chosen about, noted in passing, and answered anew."""
    item = await taken(store, "e1", text=SECRET)
    node = TreeNode(id=0, parent=None, text=SECRET, score=0.0, is_finished=True, is_chosen=True)
    branches = (Branch(id="b1", text=f"again: {SECRET}", score=0.1, answers={SECRET: 0.5}),)
    made = draft(item, text=ECHO, branches=branches, tree=(node,), heading=f"Noted: “{NOTE}”")
    await store.replies.record(made, owner=OWNER)
    await posted(store, made.id, "m1")
    await store.reactions.put(reaction("👍", "m1", event="r1"), "👍")
    choice = Choice(event="c1", reply=made.id, person=person(), alternative="b1", at=NOON)
    await store.choices.take(choice, owner=OWNER)
    note = NewNote(
        id="n1",
        person="ann",
        kind=NoteKind.NOTE,
        text=NOTE,
        source=SECRET,
        origin=Origin.MESSAGE,
        message=item.id,
    )
    await store.notes.keep(note)
    return item, made.id


async def _corrected(store: Store, reply_id: str) -> Item:
    """Said under an answer: it gives the text that was wanted, and quotes what was asked."""
    said = await taken(store, "t1", text="a correction of mine", reply_to=reply_id)
    teaching = NewTeaching(
        id="t1",
        person="ann",
        reply=reply_id,
        message=said.id,
        kind=TeachingKind.CORRECTION,
        text=f"better: {SECRET}",
        wanted=SECRET,
        at=NOON,
    )
    await store.teachings.keep(teaching, [], note_text=None)
    await store.teachings.tried("t1", [Attempt(text=SECRET, score=0.0)])
    return said


async def _later(store: Store, *, event: str = "e2", of: str = "goes on") -> str:
    """An answer whose prompt holds the secret as a turn, as an example and as a note, and more than that."""
    turns = [(Role.USER, "first"), (Role.ASSISTANT, "First."), (Role.USER, SECRET), (Role.ASSISTANT, ECHO)]
    prompt = Prompt(
        turns=tuple(Turn(role=role, text=said) for role, said in (*turns, (Role.USER, of))),
        notes=("be brief", NOTE),
        examples=(
            Example(request=SECRET, reply="ok", rating=5),
            Example(request="hi", reply="ho", rating=4),
        ),
    )
    answers = {"is it good?": 0.5, f'Does the reply follow the note "{NOTE}"?': 0.5}
    branches = (Branch(id="b", text="other", score=0.0, answers=answers),)
    heading = f"Noted. It takes the place of “{NOTE}”."
    made = draft(
        await taken(store, event, text=of),
        text=f"an answer to {of}",
        prompt=prompt,
        answers=answers,
        branches=branches,
        heading=heading,
    )
    await store.replies.record(made, owner=OWNER)
    return made.id


async def test_no_byte_of_what_was_withdrawn_is_left_in_the_files(tmp_path: Path, clock: Clock) -> None:
    store = await open_store(migrated(f"sqlite:///{tmp_path / 'a.db'}"), clock)
    item, reply_id = await _told(store)
    await _corrected(store, reply_id)
    later = await _later(store)
    assert b"4711" in _held(tmp_path)
    assert await _withdraw(store, item)
    await store.withdrawals.wipe()
    held = _held(tmp_path)
    await store.close()
    for word in (b"4711", b"zebra", b"Otto"):
        assert word not in held
    for word in (b"a correction of mine", b"goes on", b"First.", b"be brief", later.encode()):
        assert word in held


async def test_of_a_later_prompt_the_withdrawn_words_alone_go(store: Store) -> None:
    item, _ = await _told(store)
    later = await _later(store)
    bystander = await _later(store, event="e3", of=SECRET)
    await _withdraw(store, item)
    kept = await store.replies.recorded(later)
    assert [turn.text for turn in kept.prompt.turns] == ["first", "First.", "goes on"]
    assert kept.prompt.notes == ("be brief",)
    assert [example.request for example in kept.prompt.examples] == ["hi"]
    assert (kept.answers, kept.reply.heading) == ({"is it good?": 0.5}, None)
    assert kept.branches[0].answers == {"is it good?": 0.5}
    # The same words said again are another message: they stay.
    assert (await store.replies.recorded(bystander)).prompt.turns[-1].text == SECRET


async def test_another_persons_words_stay(store: Store) -> None:
    item, _ = await _told(store)
    other = await taken(store, "b1", who="bob", text=SECRET)
    made = draft(other, text=ECHO)
    await store.replies.record(made, owner=OWNER)
    await _withdraw(store, item)
    assert (await store.replies.get(made.id)).text == ECHO


async def test_what_was_withdrawn_is_still_known_to_have_been_here(store: Store) -> None:
    item, reply_id = await _told(store)
    await _withdraw(store, item)
    assert not await _withdraw(store, item)
    again = await store.inbox.take(message("e1", text=SECRET), conversation="room/t", owner=OWNER)
    assert (again.id, again.is_new) == (item.id, False)
    withdrawn = await store.inbox.get(item.id)
    assert withdrawn is not None
    assert (withdrawn.state, withdrawn.text, withdrawn.never_learn) == (MessageState.CANCELLED, "", True)
    assert (await store.replies.recorded(reply_id)).never_learn


async def test_what_was_withdrawn_is_in_no_list_and_no_export(store: Store) -> None:
    item, reply_id = await _told(store)
    await _corrected(store, reply_id)
    await _withdraw(store, item)
    archive = await store.archives.of_person("ann")
    assert (archive.replies, archive.teachings, archive.notes, archive.choices) == ((), (), (), ())
    assert await store.replies.of_person("ann") == []
    assert await store.teachings.of_person("ann") == []
    assert await store.notes.active("ann") == []
    assert await store.examples.of_person("ann", limit=10) == []
    assert item.id not in {said.id for said in await store.inbox.of_conversation("ann", "room/t")}


async def test_of_a_withdrawn_remark_its_revision_goes_and_the_first_answer_stays(store: Store) -> None:
    asked = await taken(store, "e1", text="who swims?")
    first = draft(asked, text="An otter.")
    await store.replies.record(first, owner=OWNER)
    said = await _corrected(store, first.id)
    revised = draft(said, text=SECRET)
    await store.replies.record(revised, owner=OWNER)
    await _withdraw(store, said)
    assert (await store.replies.get(first.id)).text == "An otter."
    assert (await store.replies.get(revised.id)).text == ""
    assert await store.replies.last_texts([asked.id]) == {asked.id: "An otter."}


async def test_what_was_said_under_a_withdrawn_answer_and_waits_is_cancelled(store: Store) -> None:
    item, reply_id = await _told(store)
    await posted(store, reply_id, "m1")
    said = ThreadReply(
        event="t9", ref=ref("t9"), to=ref("m1"), place=PLACE, person=person(), text="shorter", at=NOON
    )
    waiting = await store.inbox.take_thread_reply(said, reply=reply_id, conversation="room/t", owner=OWNER)
    question = await taken(store, "e9", text="and now?", reply_to=reply_id)
    cancelled = await store.withdrawals.take(Deletion(event="d", ref=item.ref, at=NOON), item.id)
    assert set(cancelled) == {item.id, waiting.id}
    assert await store.inbox.begin(waiting.id, owner=OWNER) is None
    assert await store.inbox.begin(question.id, owner=OWNER) is not None


async def test_an_answer_under_way_is_recorded_without_what_was_withdrawn_meanwhile(
    store: Store, clock: Clock
) -> None:
    item, _ = await _told(store)
    asked = await taken(store, "e5", text="and now?")
    clock.pass_s(1)
    await _withdraw(store, item)
    turns = (Turn(role=Role.USER, text=SECRET), Turn(role=Role.ASSISTANT, text=ECHO))
    prompt = Prompt(turns=(*turns, Turn(role=Role.USER, text="and now?")), notes=(NOTE,))
    made = draft(asked, prompt=prompt, answers={NOTE: 0.5})
    assert await store.replies.record(made, owner=OWNER)
    kept = await store.replies.recorded(made.id)
    assert kept.prompt == Prompt(turns=(Turn(role=Role.USER, text="and now?"),))
    assert kept.answers == {}
    clock.pass_s(1)
    later = draft(await taken(store, "e6", text="later"), prompt=prompt)
    assert await store.replies.record(later, owner=OWNER)
    assert (await store.replies.recorded(later.id)).prompt == prompt


async def test_an_answer_recorded_at_the_very_moment_holds_nothing_of_it(store: Store) -> None:
    for number in range(20):
        item = await taken(store, f"w{number}", text=f"secret {number}")
        asked = await taken(store, f"a{number}", text="and now?")
        turns = (Turn(role=Role.USER, text=f"secret {number}"), Turn(role=Role.ASSISTANT, text="Well."))
        made = draft(asked, prompt=Prompt(turns=(*turns, Turn(role=Role.USER, text="and now?"))))
        await asyncio.gather(
            store.replies.record(made, owner=OWNER), _withdraw(store, item, event=f"d{number}")
        )
        kept = await store.replies.recorded(made.id)
        assert [turn.text for turn in kept.prompt.turns] == ["and now?"]


def _held(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())
