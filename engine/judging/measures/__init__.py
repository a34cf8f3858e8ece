"""What code can count in a reply, and wishes about it. See docs/measures.md."""

from engine.judging.measures.catalogue import MEASURES
from engine.judging.measures.measure import Course, Measure, Occasion
from engine.judging.measures.wishes import Outlook, Relation, UnknownMeasure, Wish, WishError, parse

__all__ = [
    "MEASURES",
    "Course",
    "Measure",
    "Occasion",
    "Outlook",
    "Relation",
    "UnknownMeasure",
    "Wish",
    "WishError",
    "parse",
]
