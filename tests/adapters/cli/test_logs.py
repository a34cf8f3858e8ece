"""The log is JSON where no person watches, and no line of it holds what anybody wrote."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from adapters.cli import logs
from bot.settings import LogSettings

pytestmark = pytest.mark.usefixtures("log_as_it_was")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_every_line_about_a_message_carries_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(form="json"))
    with structlog.contextvars.bound_contextvars(message="m1"):
        structlog.get_logger("bot").info("answered", tokens=3)
        logging.getLogger("a.library").warning("something")
    structlog.get_logger("bot").info("after")
    first, second, third = lines(capsys)
    assert (first["event"], first["message"], first["tokens"]) == ("answered", "m1", 3)
    assert (second["event"], second["message"]) == ("something", "m1")
    assert "message" not in third


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(form="json", level="warning"))
    structlog.get_logger("bot").info("unheard")
    structlog.get_logger("bot").warning("heard")
    assert [line["event"] for line in lines(capsys)] == ["heard"]


def test_a_traceback_is_one_line_and_shows_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(form="json"))
    secret = "what a person wrote"
    try:
        raise ValueError("a fault")
    except ValueError:
        structlog.get_logger("bot").exception("work failed")
    (line,) = lines(capsys)
    assert "a fault" in json.dumps(line)
    assert secret not in json.dumps(line)


def test_a_person_in_a_terminal_reads_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(form="human"))
    structlog.get_logger("bot").info("answered", tokens=3)
    written = capsys.readouterr().err
    assert "answered" in written
    assert not written.startswith("{")
