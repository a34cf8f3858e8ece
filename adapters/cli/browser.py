"""Opens a page in this machine's browser, if it has one with windows. Knows no page."""

from __future__ import annotations

import os
import threading
import webbrowser

# Without a screen only a text browser is found, which would take the terminal; BROWSER may name another.
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def show(address: str) -> None:
    """Returns at once: a browser may keep who opens it waiting until it is closed."""
    if any(os.environ.get(name) for name in SCREENS):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
