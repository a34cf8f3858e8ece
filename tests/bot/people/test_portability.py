"""A person's data out of one bot and into another, and in again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import func, select

from bot.answering import live_lora
from bot.context import new_id
from bot.errors import Refused, Unknown
from bot.events import Choice
from bot.people import portability
from bot.people.archive import LORA_FILES, write
from bot.people.archive.json_lines import RECORDS
from bot.records import Archive, LoraRecord
from bot.store import tables
from bot.store.loras import LoraState
from engine.backends.scripted import ScriptedBackend
from engine.errors import EngineError
from engine.loras.library import Library, person_folder
from engine.types import LoraRef, Mode
from tests.bot.conftest import Bot, StartBot
from tests.bot.people.test_archive import archives
from tests.bot.taught import (
    notes_of,
    react,
    say_under,
    who,
)
from tests.engine.loras.test_library import make_lora


async def _taught(bot: Bot) -> str:
    """A person who has done everything that can be done; the id of an answer to them."""
    asked = await bot.ask("tell me about otters", mode=Mode.BEST)
    reply = asked.replies[0]
    await react(bot, "❤️", reply.id)
    await say_under(bot, "shorter please", reply.id)
    await say_under(bot, "better: Otters swim.", reply.id)
    await bot.app.choose(
        Choice(
            event="c1",
            reply=reply.id,
            person=who("ann"),
            alternative=reply.alternatives[0].id,
            at=bot.context.clock(),
        )
    )
    await bot.ask("My cat is called Miso.")
    return reply.id


async def test_what_went_out_comes_in_on_another_bot_and_counts_there(
    start_bot: StartBot, tmp_path: Path
) -> None:
    async with start_bot() as bot:
        await _taught(bot)
        exported = await portability.export(bot.context, "ann")
    async with start_bot(database={"url": f"sqlite:///{tmp_path / 'other.db'}"}) as bot:
        await bot.ask("hello", person="eve")
        imported = await portability.take_in(bot.context, "eve", exported)
        assert imported.taken == {"replies": 4, "teachings": 2, "notes": 2, "choices": 1}
        assert await notes_of(bot, "eve") == ["shorter please", "My cat is called Miso."]
        later = await bot.ask("tell me about otters", person="eve", conversation="new")
        prompt = (await bot.store.replies.recorded(later.replies[0].id)).prompt
        assert prompt.notes == ("shorter please",)
        assert "Otters swim." in {example.reply for example in prompt.examples}


async def test_importing_twice_changes_nothing(bot: Bot) -> None:
    await _taught(bot)
    exported = await portability.export(bot.context, "ann")
    before = await bot.store.archives.of_person("ann")
    for _ in range(2):
        imported = await portability.take_in(bot.context, "ann", exported)
        assert imported.taken == {}
        assert all("there already" in reason for reason in imported.reasons)
    assert await bot.store.archives.of_person("ann") == before


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(archives)
async def test_what_was_imported_is_exported_again_as_it_was(bot: Bot, archive: Archive) -> None:
    """For every archive whose references hold: the others are left, and said to be."""
    ids = {reply.id for reply in archive.replies}
    archive = replace(
        archive,
        lora=None,
        teachings=tuple(one for one in archive.teachings if one.reply in ids),
        choices=tuple(one for one in archive.choices if one.reply in ids),
    )
    first, second = new_id(), new_id()
    await bot.store.people.meet(who(first))
    await bot.store.archives.take_in(first, archive)
    once = await bot.store.archives.of_person(first)
    assert _as_set(once) == _as_set(_holding(archive))
    await bot.store.people.meet(who(second))
    await bot.store.archives.take_in(second, once)
    assert _as_set(await bot.store.archives.of_person(second)) == _as_set(once)


def _holding(archive: Archive) -> Archive:
    """With references to nothing taken out, and each reaction once."""
    replies, notes = {one.id for one in archive.replies}, {one.id for one in archive.notes}
    return replace(
        archive,
        replies=tuple(
            replace(
                one,
                revises=one.revises if one.revises in replies else None,
                reactions=tuple(sorted(set(one.reactions))),
            )
            for one in archive.replies
        ),
        teachings=tuple(
            replace(
                one,
                note=one.note if one.note in notes else None,
                revision=one.revision if one.revision in replies else None,
            )
            for one in archive.teachings
        ),
        choices=tuple(archive.choices),
    )


def _as_set(archive: Archive) -> dict[str, set[bytes]]:
    """The records without their order; settings apart, which a person may lack."""
    return {name: set(kind.dump(getattr(archive, name)).splitlines()) for name, kind in RECORDS.items()}


async def test_a_damaged_archive_changes_nothing(bot: Bot) -> None:
    await _taught(bot)
    exported = await portability.export(bot.context, "ann")
    before = await bot.store.archives.of_person("ann")
    for data in (b"", exported[: len(exported) // 2], b"\x00\x01\x02", b"PK\x03\x04nonsense"):
        with pytest.raises(Refused):
            await portability.take_in(bot.context, "ann", data)
    assert await bot.store.archives.of_person("ann") == before


async def test_who_is_not_known_has_nothing_to_export(bot: Bot) -> None:
    with pytest.raises(Unknown):
        await portability.export(bot.context, "nobody")
    with pytest.raises(Unknown):
        await portability.take_in(bot.context, "nobody", b"text")


async def test_consent_is_not_imported(start_bot: StartBot, tmp_path: Path) -> None:
    async with start_bot() as bot:
        await _taught(bot)
        await bot.store.people.change("ann", learning=True, timezone="Europe/Lisbon")
        exported = await portability.export(bot.context, "ann")
    async with start_bot(database={"url": f"sqlite:///{tmp_path / 'other.db'}"}) as bot:
        await bot.ask("hello")
        await portability.take_in(bot.context, "ann", exported)
        known = await bot.store.people.get("ann")
        assert known is not None
        assert (known.learning, known.timezone) == (None, "Europe/Lisbon")


async def test_a_lora_is_carried_to_the_same_base_and_not_to_another(
    start_bot: StartBot, tmp_path: Path
) -> None:
    async with start_bot() as bot:
        await bot.ask("hello")
        version = await bot.store.loras.reserve(
            "ann", folder=person_folder("ann"), model=bot.context.backend.model, rank=8, night="n"
        )
        source = make_lora(tmp_path / "made")
        Library(live_lora.root(bot.context)).put("ann", version.version, source)
        await bot.store.loras.go_live(version.id)
        exported = await portability.export(bot.context, "ann")
        await bot.ask("hello", person="bob")
        assert (await portability.take_in(bot.context, "bob", exported)).taken["lora"] == 1
        carried = await bot.store.loras.live("bob")
        assert carried is not None
        assert carried.rank == 8
        for name in LORA_FILES:
            assert (live_lora.root(bot.context) / carried.path / name).read_bytes() == (
                source / name
            ).read_bytes()
        unpacked = portability.understood(exported).archive
        assert unpacked.lora is not None
        elsewhere = write(
            replace(unpacked, lora=replace(unpacked.lora, model="another")), made_at=bot.context.clock()
        )
        await bot.ask("hello", person="cid")
        imported = await portability.take_in(bot.context, "cid", elsewhere)
        assert "lora" not in imported.taken
        assert any("The next night trains a new one" in reason for reason in imported.reasons)


class Loadless(ScriptedBackend):
    """Takes no LoRA."""

    async def load(self, lora: LoraRef) -> None:
        raise EngineError("no room")


async def test_a_lora_that_cannot_be_used_is_kept_out_with_the_reason(
    start_bot: StartBot, tmp_path: Path
) -> None:
    async with start_bot(backend=Loadless()) as bot:
        await bot.ask("hello")
        source = make_lora(tmp_path / "made")
        files = {name: (source / name).read_bytes() for name in LORA_FILES}
        lora = LoraRecord(model=bot.context.backend.model, version=1, files=files)
        brought = write(Archive(lora=lora), made_at=bot.context.clock())
        imported = await portability.take_in(bot.context, "ann", brought)
        assert imported.reasons == ("lora: It cannot be used: no room.",)
        (version,) = await bot.store.loras.of_person("ann")
        assert (version.state, version.reason) == (LoraState.REJECTED, "It cannot be used: no room.")


async def test_texts_become_documents(bot: Bot) -> None:
    await bot.ask("hello")
    imported = await portability.take_in(bot.context, "ann", b"Dear diary, today I swam with otters.")
    assert imported.taken == {"documents": 1}
    query = select(func.count()).select_from(tables.documents).where(tables.documents.c.person == "ann")
    async with bot.store.database.reading() as connection:
        assert (await connection.execute(query)).scalar_one() == 1
