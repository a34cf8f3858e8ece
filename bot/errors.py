"""What the bot refuses, and how it says so. Adapters turn these into their platform's words or a status.

BotError
├── Unknown     no such message, reply, person, note or night
├── NotYours    it belongs to somebody else
├── Refused     it cannot be done as asked: too long, blocked, consent missing
├── TooMany     too fast, or the queue is full: try again after `retry_after_s`
└── StoreError  the database cannot be used as it is: say why, exit
"""

from __future__ import annotations


class BotError(Exception):
    """Something was asked that the bot does not do. `message` says what to do next."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Unknown(BotError, LookupError):
    """There is no such thing here."""


class NotYours(BotError):
    """It exists, and belongs to another person."""


class Refused(BotError):
    """It cannot be done as asked."""


class TooMany(BotError):
    """Too much at once."""

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class StoreError(BotError):
    """The database cannot be used as it is."""
