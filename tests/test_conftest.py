"""The rules that every test runs under hold: they are tried here by breaking them."""

from __future__ import annotations

import socket

import pytest

pytest_plugins = ["pytester"]

BREACHES = """
import socket
import time


def test_reaching_out():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    except BaseException:
        pass


def test_looking_up_a_name():
    try:
        socket.getaddrinfo("example.org", 80)
    except BaseException:
        pass


async def test_computing_in_the_loop():
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        pass
"""

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
markers = real
"""


def test_whoever_breaks_a_rule_fails_even_where_the_error_is_swallowed(
    pytester: pytest.Pytester, request: pytest.FixtureRequest
) -> None:
    rules = (request.config.rootpath / "tests" / "conftest.py").read_text()
    pytester.makeconftest(rules.replace("LOOP_CPU_LIMIT_S = 3.0", "LOOP_CPU_LIMIT_S = 0.3"))
    pytester.makeini(SETTINGS)
    pytester.makepyfile(BREACHES)
    pytester.runpytest_subprocess("-pno:schemathesis").assert_outcomes(passed=3, errors=3)


def test_a_connection_on_this_machine_is_let_through() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()
