"""vLLM's own processes end with the service that started them, also where that is killed without a word.

vLLM leaves them running then: they keep their memory, and poll for work on a core that the next start needs.
"""

from __future__ import annotations

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """In a process that another one started: end at once when that one is gone. Elsewhere nothing happens."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="ends-with-parent", daemon=True).start()
