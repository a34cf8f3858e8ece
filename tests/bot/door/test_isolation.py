"""Nothing of one person reaches another, and nothing is left of who was erased."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.cli.logs import configure
from bot.errors import Unknown
from bot.events import Command, Place, Platform
from bot.settings import LogSettings
from engine.backends.scripted import ScriptedBackend
from engine.loras.library import Library, person_folder
from tests.adapters.web.service import Service, serving
from tests.bot.conftest import Bot, StartBot
from tests.bot.taught import react, say_under, who
from tests.engine.loras.test_library import make_lora

PEOPLE = 20


async def test_twenty_people_teach_opposite_things_at_once_and_share_no_line(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await asyncio.gather(*(_live(service, number) for number in range(PEOPLE)))
        prompts = await asyncio.gather(*(_prompts(service, number) for number in range(PEOPLE)))
    for number, own in enumerate(prompts):
        assert f"secret{number:02}" in own
        strangers = [other for other in range(PEOPLE) if other != number and f"secret{other:02}" in own]
        assert strangers == []


async def _live(service: Service, number: int) -> None:
    """Ask, state a fact, criticise, correct, rate, choose, in a conversation that has one name for all."""
    person, secret = f"p{number:02}", f"secret{number:02}"
    await service.ask(person, f"My cat is called {secret}.")
    reply = await service.ask(person, f"tell me about {secret}", mode="best")
    way = "long" if number % 2 else "short"
    for text in (f"always {way} answers about {secret}", f"better: {secret} it is."):
        said = {"person": person, "text": text}
        status, _ = await service.call("POST", f"/api/replies/{reply['id']}/thread?wait=20", said)
        assert status == 200
    body = {"person": person, "emoji": "❤️", "on": True}
    await service.call("POST", f"/api/replies/{reply['id']}/reactions", body)
    taken = {"person": person, "alternative": reply["alternatives"][0]["id"]}
    await service.call("POST", f"/api/replies/{reply['id']}/choose", taken)


async def _prompts(service: Service, number: int) -> str:
    """Everything that a person's later prompts hold, and their answers."""
    seen = []
    for conversation in ("c", "shared"):
        reply = await service.ask(f"p{number:02}", "and what now?", conversation=conversation)
        _, why = await service.call("GET", f"/api/replies/{reply['id']}/why")
        seen.append(f"{reply}{why['prompt']}")
    return "\n".join(seen)


async def test_a_reaction_to_another_person_s_answer_gives_no_example(bot: Bot) -> None:
    anns = await bot.ask("tell me about otters")
    await bot.ask("hello", person="bob")
    assert await react(bot, "❤️", anns.replies[0].id, person="bob") == 5
    bobs = await bot.ask("tell me about otters", person="bob", conversation="2")
    prompt = (await bot.store.replies.recorded(bobs.replies[0].id)).prompt
    assert prompt.examples == ()
    assert (await bot.store.replies.get(anns.replies[0].id)).rating is None


WORD = "Xylophilia"


@pytest.mark.usefixtures("log_as_it_was")
async def test_forgetting_leaves_no_byte_of_what_was_said(
    start_bot: StartBot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LogSettings(level="info", form="json"))
    async with start_bot() as bot:
        await bot.ask("hello", person="bob")
        await _say_everything(bot)
        library = Library(tmp_path / "loras")
        library.put("ann", 1, make_lora(tmp_path / "made"))
        assert _files_with(tmp_path)
        notice = await bot.app.command(_command("forget", "everything"))
        assert "Erased" in notice.text
        assert "2 notes" in notice.text
        assert await bot.store.people.get("ann") is None
        assert await bot.store.people.get("bob") is not None
        assert _files_with(tmp_path) == []
        assert isinstance(bot.context.backend, ScriptedBackend)
        assert bot.context.backend.forgotten == 1
    assert _files_with(tmp_path) == []
    said = capsys.readouterr()
    assert WORD not in said.out + said.err


async def _say_everything(bot: Bot) -> None:
    asked = await bot.ask(f"tell me about {WORD}")
    await say_under(bot, f"more {WORD} please", asked.replies[0].id)
    await say_under(bot, f"better: {WORD}!", asked.replies[0].id)
    await react(bot, "❤️", asked.replies[0].id)
    await bot.ask(f"My cat is called {WORD}.")
    await bot.app.command(_command("import", attachment=f"A text about {WORD}.".encode()))


def _command(name: str, *arguments: str, attachment: bytes | None = None) -> Command:
    place = Place(platform=Platform.WEB, channel="c")
    return Command(person=who("ann"), place=place, name=name, arguments=arguments, attachment=attachment)


def _files_with(folder: Path) -> list[str]:
    word = WORD.encode()
    return [str(path) for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


async def test_forgetting_takes_the_loras_along(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.ask("ann", "hello")
        Library(tmp_path / "loras").put("ann", 1, make_lora(tmp_path / "made"))
        await service.app.erase("ann")
        assert not (tmp_path / "loras" / person_folder("ann")).exists()
        with pytest.raises(Unknown):
            await service.app.erase("ann")


async def test_forgetting_is_asked_for_twice(bot: Bot) -> None:
    await bot.ask("hello")
    notice = await bot.app.command(_command("forget"))
    assert "forget everything" in notice.text
    assert await bot.store.people.get("ann") is not None


async def test_what_is_being_answered_stops_when_its_person_is_forgotten(start_bot: StartBot) -> None:
    async with start_bot(backend=ScriptedBackend(delay_s=5.0)) as bot:
        asked = asyncio.create_task(bot.ask("hello"))
        await asyncio.sleep(0.2)
        await bot.app.erase("ann")
        asked.cancel()
        await asyncio.sleep(0.1)
        assert await bot.store.people.get("ann") is None
        assert await bot.store.replies.of_person("ann") == []
