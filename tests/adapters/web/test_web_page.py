"""The page in a real browser: everything that a person does there, done with mouse and keyboard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, Route, async_playwright, expect
from sqlalchemy import update

from bot.events import Action, ActionKind, Notice, Person, Platform
from bot.store import tables
from engine.backends.scripted import ScriptedBackend
from engine.models.card import ModelCard
from engine.ports import BackendState
from tests.adapters.web.service import TOKEN, Service, serving
from tests.fakes.held_backend import HeldBackend

# One browser for all of them, which lives in one loop; each test has a context of its own.
pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="module")]

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)
SHORTER = "Shorter, please."
# What a browser keeps from a page that came over plain HTTP from another machine.
PLAIN_HTTP = "delete Crypto.prototype.randomUUID; delete Navigator.prototype.clipboard;"

expect.set_options(timeout=20_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser, service: Service, *, script: str = "", **options: Any
) -> AsyncIterator[Page]:
    """The page, with whoever looks named Ana. No request may leave the service, no script may fail.

    `script` runs before the page's own.
    """
    foreign: list[str] = []
    faults: list[str] = []

    def look(request: Request) -> None:
        if not request.url.startswith((str(service.address), "data:", "blob:")):
            foreign.append(request.url)

    context = await browser.new_context(**options)
    await context.add_init_script(script)
    page = await context.new_page()
    page.set_default_timeout(20_000)
    page.on("request", look)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Content Security" in line.text else None)
    await page.goto(f"{service.address}?token={TOKEN}&person=Ana")
    await expect(page.locator(".empty")).to_be_visible()
    try:
        yield page
    finally:
        await context.close()
    assert (foreign, faults) == ([], [])


async def ask(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")
    await expect(page.locator(".reply").last).to_contain_text(f"echo: {text.split()[0]}")


async def test_a_person_chats_and_the_token_leaves_the_address(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        assert TOKEN not in page.url
        await expect(page.get_by_text("Reply under an answer to teach.")).to_be_visible()
        await ask(page, "hello <b>there</b> **strong**")
        await expect(page.locator(".reply-text strong")).to_have_text("strong")
        assert await page.locator(".reply-text b").count() == 0
        await page.reload()
        await expect(page.locator(".reply")).to_contain_text("echo: hello <b>there</b>")
        await expect(page.locator(".conversation")).to_have_count(1)


async def test_a_person_chats_and_teaches_over_plain_http(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service, script=PLAIN_HTTP) as page:
        await ask(page, "hello\n```\ncode\n```")
        await expect(page.locator("figure.code")).to_be_visible()
        await expect(page.get_by_role("button", name="Copy")).to_have_count(0)
        await page.get_by_role("button", name="Teach").first.click()
        await page.get_by_label("What should be different").fill(SHORTER)
        await page.keyboard.press("Enter")
        await expect(page.locator(".reply .reply")).to_contain_text(f"Noted: “{SHORTER}”")


async def test_what_is_written_while_the_page_opens_stays_on_it(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        context = await browser.new_context()
        page = await context.new_page()
        may_go_on = asyncio.Event()

        async def held(route: Route) -> None:
            answer = await route.fetch()
            await may_go_on.wait()
            await route.fulfill(response=answer)

        await page.route("**/api/conversations?*", held, times=1)
        await page.goto(f"{service.address}?token={TOKEN}&person=Ana")
        async with page.expect_response("**/api/messages"):
            await page.get_by_label("Message", exact=True).fill("hello")
            await page.keyboard.press("Enter")
        may_go_on.set()
        await expect(page.locator(".reply")).to_contain_text("echo: hello")
        await context.close()


async def test_a_question_that_cannot_be_sent_stays_in_the_field(browser: Browser, tmp_path: Path) -> None:
    breaks = "crypto.getRandomValues = () => { throw new Error('no randomness here'); };"
    async with serving(tmp_path) as service, opened(browser, service, script=breaks) as page:
        await page.get_by_label("Message", exact=True).fill("hello")
        await page.keyboard.press("Enter")
        await expect(page.locator(".toast.error")).to_contain_text("no randomness here")
        await expect(page.get_by_label("Message", exact=True)).to_have_value("hello")


async def test_an_answer_is_rated_and_the_rating_taken_back(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.get_by_role("button", name="React: rate this answer").click()
        await page.get_by_role("button", name=re.compile("4 of 5, good")).first.click()
        await expect(page.locator(".meta")).to_contain_text("rated 4 of 5")
        await page.get_by_role("button", name=re.compile("Take .* back")).click()
        await expect(page.locator(".meta")).not_to_contain_text("rated")
        _, person = await service.call("GET", "/api/people/Ana")
        assert person["ratings"]["count"] == 0


async def test_a_critique_becomes_a_note_and_a_new_try_and_is_undone(
    browser: Browser, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.get_by_role("button", name="Teach").first.click()
        await page.get_by_label("What should be different").fill(SHORTER)
        await page.keyboard.press("Enter")
        revision = page.locator(".reply .reply")
        await expect(revision).to_contain_text(f"Noted: “{SHORTER}”")
        await page.locator("#me").click()
        await expect(page.locator(".notes")).to_contain_text(SHORTER)
        await page.keyboard.press("Escape")
        await revision.get_by_role("button", name="Undo").click()
        await expect(revision).to_contain_text("Taken back")
        await page.reload()
        await expect(page.locator(".reply .reply")).to_contain_text("Taken back")


async def test_a_remark_in_the_making_is_there_after_a_reload(browser: Browser, tmp_path: Path) -> None:
    backend = HeldBackend()
    async with serving(tmp_path, backend=backend) as service, opened(browser, service) as page:
        await ask(page, "hello")
        backend.is_free.clear()
        await page.get_by_role("button", name="Teach").first.click()
        await page.get_by_label("What should be different").fill(SHORTER)
        await page.keyboard.press("Enter")
        await expect(page.locator(".teaching")).to_contain_text("Taking it in")
        await page.reload()
        await expect(page.locator(".teaching")).to_contain_text(SHORTER)
        await expect(page.locator(".teaching")).to_contain_text("Taking it in")
        backend.is_free.set()
        await expect(page.locator(".reply .reply")).to_contain_text(f"Noted: “{SHORTER}”")
        await expect(page.locator(".teaching")).not_to_contain_text("Taking it in")
        await expect(page.locator(".teaching")).to_have_count(1)


async def test_a_correction_is_kept_word_for_word(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.get_by_role("button", name="Teach").first.click()
        await page.get_by_label("What should be different").fill("Good day, Ana.")
        await page.get_by_role("button", name="This is the text I wanted").click()
        await expect(page.locator(".reply .reply .reply-text")).to_have_text("Good day, Ana.")


async def test_what_was_a_question_is_answered_as_one(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.get_by_role("button", name="Teach").first.click()
        await page.get_by_label("What should be different").fill("I wonder about llamas.")
        await page.keyboard.press("Enter")
        await page.locator(".reply .reply").get_by_role("button", name="That was a question").click()
        await expect(page.locator(".bubble").last).to_have_text("I wonder about llamas.")
        await expect(page.locator(".exchange").last).to_contain_text("echo: I wonder about llamas.")


async def test_other_answers_are_paged_and_one_is_taken(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"mode": "best"}) as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.get_by_role("button", name="other answers").click()
        await page.get_by_role("button", name="The next one").click()
        shown = await page.locator(".other .reply-text").inner_text()
        assert shown.startswith("echo: hello #")
        await page.get_by_role("button", name="Take this one").click()
        await expect(page.locator(".reply > .reply-text")).to_have_text(shown)


async def test_of_two_answers_side_by_side_the_better_one_is_taken(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"mode": "best"}) as service, opened(browser, service) as page:
        reply = await service.ask("Ana", "hello")
        other = reply["alternatives"][0]
        duel = update(tables.replies).where(tables.replies.c.id == reply["id"]).values(duel=other["id"])

        async def up_for_choice(connection: Any) -> None:  # Any: the store's own connection
            await connection.execute(duel)

        await service.app.store.database.write(up_for_choice)
        await page.reload()
        await expect(page.locator(".duel .side")).to_have_count(2)
        await page.get_by_role("button", name="The second").click()
        await expect(page.locator(".reply > .reply-text")).to_have_text(other["text"])
        assert [one.kind for one in await service.app.store.choices.of_person("Ana")] == ["duel"]


async def test_why_shows_the_prompt_the_questions_and_the_tree(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"mode": "weave"}) as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.get_by_role("button", name="Why?").click()
        drawer = page.get_by_role("complementary", name="Why this answer?")
        await expect(drawer).to_contain_text("What the prompt held")
        await expect(drawer.locator("svg.tree .limb.chosen")).not_to_have_count(0)
        await drawer.locator("svg.tree .leaf").last.hover()
        await expect(drawer.locator(".branch")).to_contain_text("score")
        await page.keyboard.press("Escape")
        await expect(drawer).to_be_hidden()


async def test_a_note_is_deleted_and_settings_are_kept(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await ask(page, "hello")
        reply = await page.locator(".reply").get_attribute("data-reply")
        critique = {"person": "Ana", "text": SHORTER}
        await service.call("POST", f"/api/replies/{reply}/thread?wait=10", critique)
        await page.get_by_role("button", name="Yes, learn from me").click()
        await page.locator("#me").click()
        await page.get_by_role("button", name=f"Delete the note: {SHORTER}").click()
        await expect(page.get_by_text("None yet.")).to_be_visible()
        async with page.expect_response(lambda response: response.request.method == "PATCH"):
            await page.get_by_role("switch", name=re.compile("^Memory")).click()
        await expect(page.get_by_role("switch", name=re.compile("^Memory"))).not_to_be_checked()
        _, person = await service.call("GET", "/api/people/Ana")
        assert (person["learning"], person["memory"], person["notes"]) == (True, False, [])


async def agree_and_open_panel(page: Page) -> None:
    """One answer, the consent that is asked for under it, and the panel with its nights."""
    await ask(page, "hello")
    await page.get_by_role("button", name="Yes, learn from me").click()
    await page.locator("#me").click()


async def test_learn_now_says_what_came_of_it(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await agree_and_open_panel(page)
        await page.get_by_role("button", name="Learn now").click()
        await expect(page.locator(".night .verdict")).to_contain_text("Nothing was trained.")


async def test_a_night_that_began_elsewhere_ends_on_the_page_and_its_note_shows_more(
    browser: Browser, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await agree_and_open_panel(page)
        await page.route("**/api/nights/*", lambda route: route.abort(), times=1)  # it asks again
        _, night = await service.call("POST", "/api/nights", {"people": ["Ana"]})
        await expect(page.locator(".night .verdict")).to_contain_text("Nothing was trained.")
        await page.keyboard.press("Escape")
        more = Action(kind=ActionKind.SHOW_MORE, label="Show me more", target=night["id"])
        undo = Action(kind=ActionKind.UNDO_LORA, label="Undo", target=night["id"])
        ana = Person(key="Ana", platform=Platform.WEB)
        await service.app.tell(ana, None, Notice(text="Good morning.", actions=(more, undo)))
        note = page.locator(".notice").filter(has_text="Good morning.")  # beside what the night itself says
        await note.get_by_role("button", name="Show me more").click()
        await expect(note).to_contain_text("nothing clear enough")
        await note.get_by_role("button", name="Undo").click()
        await expect(page.locator(".toast").last).to_contain_text("nothing to undo")


async def test_a_night_is_followed_through_a_break_of_the_connection(
    browser: Browser, tmp_path: Path
) -> None:
    async def begun(route: Route) -> None:
        """However soon it is over, the page hears that it has begun."""
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "state": "running"})

    async with serving(tmp_path) as service, opened(browser, service) as page:
        await agree_and_open_panel(page)
        await page.route("**/api/nights", begun)
        await page.route("**/api/nights/*", lambda route: route.abort(), times=1)
        async with page.expect_event("requestfailed", lambda request: "/api/nights/" in request.url):
            await page.get_by_role("button", name="Learn now").click()
        await expect(page.locator(".night .verdict")).to_contain_text("Nothing was trained.")


async def test_what_was_missed_while_a_stream_had_ended_is_read(browser: Browser, tmp_path: Path) -> None:
    ended = {"content_type": "text/event-stream", "body": ": still here\n\n"}
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await page.route("**/api/events?*", lambda route: route.fulfill(**ended))
        await ask(page, "hello")
        conversation = page.url.partition("#")[2]
        async with page.expect_response("**/api/events?*"):
            await page.reload()
        await expect(page.locator(".reply")).to_have_count(1)
        await service.ask("Ana", "from elsewhere", conversation=conversation)
        await expect(page.locator(".reply").last).to_contain_text("echo: from elsewhere")


async def test_everything_is_exported_forgotten_and_imported(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.locator("#me").click()
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Export").click()
        archive = tmp_path / "archive.zip"
        await (await downloading.value).save_as(archive)
        await page.get_by_role("button", name="Forget me").click()
        await expect(page.get_by_role("button", name="Erase it all")).to_be_disabled()
        await page.get_by_label("Type Ana to confirm").fill("Ana")
        await page.get_by_role("button", name="Erase it all").click()
        await expect(page.locator(".empty")).to_be_visible()
        assert (await service.call("GET", "/api/people/Ana"))[0] == 404
        await page.locator("#me").click()
        await page.set_input_files("#import-file", archive)
        await expect(page.locator(".toast").last).to_contain_text("Taken: 1 replies")


async def test_a_wrong_token_and_a_wrong_file_are_explained(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as service, opened(browser, service) as page:
        broken = tmp_path / "broken.zip"
        broken.write_bytes(b"PK\x03\x04 this is none")
        await page.locator("#me").click()
        await page.set_input_files("#import-file", broken)
        await expect(page.locator(".toast.error")).to_be_visible()
        await page.goto(f"{service.address}?token=wrong")
        await expect(page.get_by_role("alert")).to_contain_text("wrong")
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator("#me")).to_be_visible()


async def test_while_the_model_loads_the_page_says_so_and_takes_questions(
    browser: Browser, tmp_path: Path
) -> None:
    backend = ScriptedBackend(delay_s=60)
    async with (
        serving(tmp_path, backend=backend, is_started=False) as service,
        opened(browser, service) as page,
    ):
        await expect(page.locator("#banner")).to_contain_text("Reading the weights: 2 of 5 files.")
        await page.get_by_label("Message", exact=True).fill("hello")
        await page.keyboard.press("Enter")
        await expect(page.locator(".weaving")).to_be_visible()


async def test_a_question_is_stopped(browser: Browser, tmp_path: Path) -> None:
    backend = ScriptedBackend(delay_s=10)
    async with serving(tmp_path, backend=backend) as service, opened(browser, service) as page:
        await page.get_by_label("Message", exact=True).fill("never mind")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Stop: withdraw this question").click()
        await expect(page.locator(".exchange")).to_contain_text("Withdrawn")
        await expect(page.get_by_role("button", name="Edit this question")).to_have_count(0)


async def test_an_edited_question_is_answered_anew(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path) as service, opened(browser, service) as page:
        await ask(page, "helo")
        await page.locator(".question").hover()
        await page.get_by_role("button", name="Edit this question").click()
        await page.get_by_label("Your question").fill("hello")
        await page.get_by_role("button", name="Ask this instead").click()
        await expect(page.locator(".exchange")).to_contain_text("echo: hello")
        await expect(page.locator(".reply")).to_have_count(1)


async def test_everything_is_done_with_the_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"mode": "best"}) as service, opened(browser, service) as page:
        await page.keyboard.press("Tab")
        await ask(page, "hello")
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("j")
        await page.keyboard.press("4")
        await expect(page.locator(".meta")).to_contain_text("rated 4 of 5")
        await page.keyboard.press("o")
        await expect(page.locator(".other")).to_be_visible()
        await page.locator(".reply").first.focus()
        await page.keyboard.press("r")
        await page.keyboard.type(SHORTER)
        await page.keyboard.press("Enter")
        await expect(page.locator(".reply .reply")).to_contain_text("Noted")
        await page.locator(".reply").first.focus()
        await page.keyboard.press("w")
        await expect(page.get_by_role("complementary")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("Rate the answer")
        await page.keyboard.press("Escape")
        await page.keyboard.press("n")
        await expect(page.locator(".empty")).to_be_visible()


async def test_on_a_phone_nothing_sticks_out(browser: Browser, tmp_path: Path) -> None:
    phone: dict[str, Any] = {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "has_touch": True,
    }
    async with serving(tmp_path) as service, opened(browser, service, **phone) as page:
        await ask(page, "a " + "long" * 40 + "\n```\n" + "code " * 60 + "\n```")
        await page.get_by_role("button", name="React: rate this answer").click()
        await expect(page.locator(".picker")).to_be_in_viewport(ratio=1)
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Conversations").click()
        await page.locator("#me").click()
        await expect(page.get_by_role("complementary")).to_be_visible()
        widest = await page.evaluate(
            "Math.max(...[...document.querySelectorAll('body *')]"
            ".filter((each) => each.offsetParent && !each.closest('pre, .tree-scroll, .sidebar'))"
            ".map((each) => each.getBoundingClientRect().right))"
        )
        assert widest <= 391


async def test_every_control_has_a_name_for_screen_readers(browser: Browser, tmp_path: Path) -> None:
    async with serving(tmp_path, limits={"mode": "best"}) as service, opened(browser, service) as page:
        await ask(page, "hello")
        await page.locator("#me").click()
        nameless = await page.evaluate(
            "[...document.querySelectorAll('button, input, select, textarea, [role]')]"
            ".filter((each) => each.offsetParent && !each.textContent.trim() && !each.ariaLabel"
            " && !each.closest('label') && !each.labels?.length && each.getAttribute('role') !== 'status')"
            ".map((each) => each.outerHTML.slice(0, 120))"
        )
        assert nameless == []


CARD = ModelCard(
    id="tiny@1",
    title="Tiny",
    nature="a model for tests",
    licence="Apache-2.0",
    parameters=135_000_000,
    weight_bytes=269_000_000,
    max_context=8192,
)


class Carded(ScriptedBackend):
    """Its card is known once it has started."""

    @property
    def card(self) -> ModelCard | None:
        return CARD if self.state is BackendState.READY else None


async def test_the_page_says_which_model_answers_once_it_is_found(browser: Browser, tmp_path: Path) -> None:
    backend = Carded()
    async with (
        serving(tmp_path / "data", backend=backend, is_started=False) as service,
        opened(browser, service) as page,
    ):
        await expect(page.locator("#banner")).to_contain_text("Waking up.")
        assert (await service.call("GET", "/api/about"))[1]["card"] is None
        await expect(page.locator("#model")).to_be_empty()
        await backend.start(lambda words: None)
        told = "Tiny: 135 million parameters, 269 MB, reads 8,192 tokens; a model for tests; Apache-2.0"
        await expect(page.locator("#model")).to_have_text(told)
        card = (await service.call("GET", "/api/about"))[1]["card"]
        assert card == {**asdict(CARD), "sentence": told}
