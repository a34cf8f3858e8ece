"""Other programs' conversations and ratings, and plain texts, as records of ours. Pure; knows no store."""

from bot.people.foreign.reading import KNOWN_FORMS, read_many, read_one

__all__ = ["KNOWN_FORMS", "read_many", "read_one"]
