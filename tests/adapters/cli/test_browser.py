"""The page opens by itself where there is a screen, and nobody waits for the browser."""

from __future__ import annotations

import threading
import webbrowser
from queue import Queue

import pytest

from adapters.cli import browser


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Queue[str]:
    """What a browser that never ends was given to open, on a machine without a screen."""
    for name in browser.SCREENS:
        monkeypatch.delenv(name, raising=False)
    addresses: Queue[str] = Queue()

    def open_for_ever(address: str) -> None:
        addresses.put(address)
        threading.Event().wait()

    monkeypatch.setattr(webbrowser, "open", open_for_ever)
    return addresses


def test_a_browser_with_windows_is_opened_and_not_waited_for(
    opened: Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    browser.show("http://127.0.0.1:8765/")
    assert opened.get(timeout=10) == "http://127.0.0.1:8765/"


def test_without_a_screen_no_text_browser_takes_the_terminal(opened: Queue[str]) -> None:
    browser.show("http://127.0.0.1:8765/")
    assert opened.empty()
