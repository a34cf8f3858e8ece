"""What every test runs under: no network beyond this machine, no proxy, a loop that is never blocked.

The children that a test starts are told by environment to stay offline too.
"""

from __future__ import annotations

import asyncio.events
import gc
import ipaddress
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.models import cache, smollm2

# One callback that computes or sleeps for this long is a fault; waiting for a core on a busy machine is none.
LOOP_CPU_LIMIT_S = 3.0
LOOP_WALL_LIMIT_S = 6.0
REAL_FACTOR = 5
MOMENT_S = 0.1

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "NO_PROXY": "*",
}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")

_thread = threading.local()


class NetworkForbidden(BaseException):
    """A test tried to leave this machine. Not an Exception, so that no retry swallows it."""


def pytest_configure() -> None:
    """No proxy, offline children, and none of the developer's own settings: also for session fixtures.

    Where the models are kept is the machine's, and stays.
    """
    own = [name for name in os.environ if name.startswith("NIGHTLOOM_") and name != cache.VARIABLE]
    for name in [*own, *(name for name in os.environ if name in PROXIES)]:
        del os.environ[name]
    os.environ.update(OFFLINE)
    # A traceback drawn with its variables takes a second, in the midst of the loop.
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: each full collection would walk all of it, in whatever callback it falls."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _guarded_network() -> Iterator[list[str]]:
    """Every connection and every name look-up beyond this machine is refused and remembered."""
    attempts: list[str] = []

    def refuse(target: object) -> None:
        attempts.append(str(target))
        raise NetworkForbidden(f"a test tried to reach {target}; tests stay on this machine")

    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if not _stays_here(self, address):
            refuse(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        if not _stays_here(self, address):
            refuse(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_local(host):
            refuse(host)
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield attempts


@pytest.fixture(scope="session")
def smollm2_folder() -> Path:
    """The real model that comes along, as the set-up makes it: for tests marked `real`. Made if missing."""
    return smollm2.make(print)


@pytest.fixture(autouse=True)
def _no_network(_guarded_network: list[str]) -> Iterator[None]:
    """Whoever tried to leave this machine fails, even where the error was caught."""
    yield
    attempts = list(_guarded_network)
    _guarded_network.clear()
    assert not attempts, f"the test tried to leave this machine: {attempts}"


@pytest.fixture(autouse=True)
def _loop_never_blocked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A callback that keeps an event loop busy for long fails the test in which it ran."""
    factor = REAL_FACTOR if request.node.get_closest_marker("real") else 1
    blocked: list[str] = []
    run: Callable[[asyncio.events.Handle], None] = asyncio.events.Handle._run

    def timed_run(handle: asyncio.events.Handle) -> None:
        began = _moment()
        run(handle)
        if time.monotonic() - began.wall_s < LOOP_CPU_LIMIT_S * factor:
            return  # in less time nothing takes more of a core
        ended = _now()
        wall_s, cpu_s = ended.wall_s - began.wall_s, ended.cpu_s - began.cpu_s
        wall_s -= ended.queued_s - began.queued_s
        if wall_s > LOOP_WALL_LIMIT_S * factor or cpu_s > LOOP_CPU_LIMIT_S * factor:
            blocked.append(f"{handle!r} for {wall_s:.1f} s ({cpu_s:.1f} s of it computing)")

    monkeypatch.setattr(asyncio.events.Handle, "_run", timed_run)
    yield
    assert not blocked, f"the event loop was blocked: {blocked}"


@pytest.fixture
def log_as_it_was() -> Iterator[None]:
    """What a test sets about the log ends with it: its stream is closed, and every line after would fail."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@dataclass(frozen=True, slots=True)
class _Moment:
    """What a thread had used by then."""

    wall_s: float
    cpu_s: float
    queued_s: float


def _moment() -> _Moment:
    """A moment no longer ago than `MOMENT_S`, for reading these clocks costs more than most callbacks."""
    moment: _Moment | None = getattr(_thread, "moment", None)
    if moment is None or time.monotonic() - moment.wall_s > MOMENT_S:
        moment = _thread.moment = _now()
    return moment


def _now() -> _Moment:
    return _Moment(time.monotonic(), time.thread_time(), _queued_s())


def _queued_s() -> float:
    """How long this thread has waited for a core so far, as Linux counts it; 0 where it does not."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _stays_here(sock: socket.socket, address: Any) -> bool:
    if sock.family == socket.AF_UNIX:
        return True
    return isinstance(address, tuple) and _is_local(address[0])


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(name).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
