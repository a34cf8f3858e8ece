"""The pictures of the web chat that docs/web.md shows (`make pictures`).

A service on the practice model, the page in headless Chromium, and somebody who asks, teaches and rates.
Takes some two minutes and overwrites docs/pictures/web-*.png.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright, expect

from bench.people import SimulatedPerson, connected
from bench.pictures import PICTURES
from bench.running import TOKEN, Running
from practice.manners import manner_of
from practice.world import Preference

CHROMIUM: Final = "/usr/bin/chromium"
DESK: Final[Mapping[str, Any]] = {"viewport": {"width": 1200, "height": 900}}
PHONE: Final[Mapping[str, Any]] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
SETTINGS: Final = {"NIGHTLOOM_BACKEND__KIND": "vllm", "NIGHTLOOM_MODEL": "practice"}
PERSON: Final = "Ana"
TAUGHT: Final = 24  # pieces of feedback before the night
REST_S: Final = 1.0  # until what moves has come to rest


async def main() -> None:
    expect.set_options(timeout=60_000)
    with tempfile.TemporaryDirectory() as data:
        service = Running(Path(data), SETTINGS)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            try:
                await service.begin()
                await _waking(browser, service)
                await _chatting(browser, service)
                await _taught(browser, service)
                await _gone(browser, service)
            finally:
                await service.stop()
                await browser.close()


async def _waking(browser: Browser, service: Running) -> None:
    async with _page(browser, service) as page:
        await _write(page, "Tell me about an otter.")
        await expect(page.locator("#banner[data-kind=loading]")).to_be_visible()
        await _shown(page, "web-loading")
        await service.ready()
        await expect(page.locator(".reply")).to_be_visible()


async def _chatting(browser: Browser, service: Running) -> None:
    async with _page(browser, service, person="Bo") as page:
        await _shown(page, "web-empty")
    async with _page(browser, service) as page:
        first = await page.locator(".reply .reply-text").first.inner_text()
        critique = "No more pirate." if manner_of(first).tone == "pirate" else "Talk like a pirate, please."
        await page.get_by_role("button", name="Teach").first.click()
        await page.get_by_label("What should be different").fill(critique)
        await page.keyboard.press("Enter")
        second = page.locator(".reply .reply")
        await expect(second.get_by_role("button", name="Why?")).to_be_visible()
        await second.get_by_role("button", name="React: rate this answer").click()
        await page.get_by_role("button", name="5 of 5").first.click()
        await page.get_by_role("button", name="Yes, learn from me").click()
        await _write(page, "Why do people like pottery?")
        await expect(page.locator(".exchange").last.get_by_role("button", name="Why?")).to_be_visible()
        await _shown(page, "web-chat")
    async with _page(browser, service, color_scheme="dark") as page:
        await expect(page.locator(".exchange")).to_have_count(2)
        await _shown(page, "web-dark")
    async with _page(browser, service, **PHONE) as page:
        await expect(page.locator(".exchange")).to_have_count(2)
        await _shown(page, "web-phone")


async def _taught(browser: Browser, service: Running) -> None:
    """After a night: the tree behind an answer, and the panel."""
    async with connected(service.url, TOKEN, at_once=1) as api:
        await api.set(PERSON, learning=True, mode="weave")
        person = SimulatedPerson.draw(PERSON, 1)
        person.preference = Preference.of(tone="pirate", emoji="some")
        await person.teach(api, TAUGHT)
        await api.night([PERSON])
        await api.ask(PERSON, "a picnic", "Give me ideas around a picnic.", mode="weave")
    async with _page(browser, service) as page:
        await page.get_by_role("button", name="Why?").click()
        await expect(page.locator("svg.tree")).to_be_visible()
        await _shown(page, "web-why")
        await page.locator("#me").click()
        await expect(page.locator(".versions")).to_be_visible()
        await page.locator(".versions").scroll_into_view_if_needed()
        await _shown(page, "web-panel")


async def _gone(browser: Browser, service: Running) -> None:
    async with _page(browser, service) as page:
        await expect(page.locator(".reply").first).to_be_visible()
        await service.stop()
        await expect(page.locator("#banner[data-kind=error]")).to_be_visible()
        await _shown(page, "web-error")


@asynccontextmanager
# Any: what a context of Playwright's takes.
async def _page(
    browser: Browser, service: Running, *, person: str = PERSON, **options: Any
) -> AsyncIterator[Page]:
    context = await browser.new_context(**{**DESK, **options})
    page = await context.new_page()
    await page.goto(f"{service.url}/?token={TOKEN}&person={person}")
    try:
        yield page
    finally:
        await context.close()


async def _write(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


async def _shown(page: Page, name: str) -> None:
    await page.wait_for_timeout(1000 * REST_S)
    await page.screenshot(path=PICTURES / f"{name}.png")
    print(f"docs/pictures/{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
