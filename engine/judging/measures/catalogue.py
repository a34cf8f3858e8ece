"""All measures by their names, and docs/measures.md, the page about them. Knows no bound and no wish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from engine.judging.measures import opening, readability, shape, signs, voice
from engine.judging.measures.language import main_language
from engine.judging.measures.measure import Counting, Course, Measure, Occasion
from engine.judging.measures.phrases import Finder
from engine.judging.measures.reply import Reply
from engine.judging.measures.word_lists import LANGUAGES

LANGUAGE_NAMES: Final[Mapping[str, str]] = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "pt": "Portuguese",
    "it": "Italian",
    "ja": "Japanese",
}
# A text of so few words may be in any language, if no word tells.
TOO_SHORT_TO_TELL: Final = 6


def _grows(name: str, about: str, counting: Counting, least: Counting | None = None) -> Measure:
    return Measure(name=name, about=about, course=Course.GROWS, counting=counting, least=least)


def _said(name: str, about: str, finder: Finder) -> Measure:
    """A measure of how often one of the phrases of a kind is said."""
    return Measure(
        name=name,
        about=about,
        course=Course.GROWS,
        languages=finder.languages,
        counting=lambda reply, occasion: finder.count(reply, occasion.request),
        least=lambda reply, occasion: finder.least(reply, occasion.request),
    )


def _language(language: str) -> Measure:
    def is_in_language(reply: Reply, occasion: Occasion) -> float:
        main = main_language(reply)
        if main is None:
            return float(language != "ja" and len(reply.plain.split()) <= TOO_SHORT_TO_TELL)
        return float(main == language)

    return Measure(
        name=f"language_{language}",
        about=f"1 if most of the text is {LANGUAGE_NAMES[language]}, or is too short to tell from its words.",
        course=Course.END,
        languages=(language,),
        most=1.0,
        counting=is_in_language,
    )


def _structure() -> Iterator[Measure]:
    yield _grows("words", "Words; two Japanese characters are one word, code is none.", shape.words)
    yield _grows(
        "sentences",
        "Sentences in paragraphs and list items; no abbreviation, initial or decimal ends any.",
        shape.sentences,
    )
    yield _grows("longest_sentence", "Words in the longest sentence.", shape.longest_sentence)
    yield _grows(
        "paragraphs",
        "Paragraphs set apart by empty lines; each list item, table and code block is one.",
        shape.paragraphs,
    )
    yield _grows("longest_paragraph", "Words in the longest paragraph or list item.", shape.longest_paragraph)
    yield _grows("structures", "List items, headings and tables together.", shape.structures)
    yield _grows("list_items", "List items with a bullet or a number.", shape.list_items)
    yield _grows("bullets", "List items with a bullet: - * + • – and their like.", shape.bullets)
    yield _grows("numbered", "List items with a number or a letter: 1. 1) (1) a) ① 1️⃣.", shape.numbered)
    yield _grows("headings", "Lines behind # to ######, and short lines in bold.", shape.headings)
    yield _grows("tables", "Tables with a row of dashes under their header.", shape.tables)
    yield _grows("code_blocks", "Blocks of code between fences.", shape.code_blocks)
    yield Measure(
        name="starts_with_code",
        about="1 if a block of code comes first.",
        course=Course.BEGINNING,
        most=1.0,
        counting=shape.starts_with_code,
        is_decided=shape.has_begun,
    )
    yield _grows("bold", "Passages in bold.", shape.bold)
    yield _grows("italics", "Passages in italics.", shape.italics)
    yield _grows("links", "Links and web addresses.", shape.links)


def _signs() -> Iterator[Measure]:
    yield _grows("emoji", "Emoji; a flag, a keycap, a family is one, a broken one none.", signs.emoji)
    yield _grows("exclamation_marks", "Exclamation marks.", signs.exclamation_marks)
    yield _grows("question_marks", "Question marks.", signs.question_marks)
    yield Measure(
        name="ends_with_question",
        about="1 if the last sentence is a question; emoji and quotation marks behind it do not matter.",
        course=Course.END,
        most=1.0,
        counting=signs.ends_with_question,
    )
    yield _grows("capitals", "Capital letters outside code and web addresses.", signs.capitals)
    yield _grows("small_letters", "Small letters outside code and web addresses.", signs.small_letters)
    yield _grows("numbers", "Numbers in figures; those of lists do not count.", signs.numbers)
    yield _grows("parentheses", "Opening brackets, links and list markers aside.", signs.parentheses)
    yield _grows("dashes", "Dashes — – - between words; hyphens and ranges do not count.", signs.dashes)
    yield _grows(
        "quotes",
        "Quotations of three words or more, and paragraphs behind >.",
        signs.quotes,
        signs.least_quotes,
    )
    yield Measure(
        name="reading_grade",
        about="School grade that a reader needs: Flesch and Kincaid, Wiener Sachtextformel, LIX and others.",
        course=Course.END,
        languages=LANGUAGES,
        counting=readability.reading_grade,
    )


def _opening() -> Iterator[Measure]:
    yield Measure(
        name="greetings",
        about="1 if the reply begins with a greeting or a salutation.",
        course=Course.BEGINNING,
        languages=opening.GREETINGS.languages,
        most=1.0,
        counting=opening.greetings,
        is_decided=opening.is_greeting_decided,
    )
    yield Measure(
        name="fillers",
        about='Opening phrases ("Sure!", "Here is") that begin the first two sentences behind the greeting.',
        course=Course.BEGINNING,
        languages=opening.FILLERS.languages,
        most=opening.OPENING_SENTENCES,
        counting=opening.fillers,
        least=opening.least_fillers,
        is_decided=opening.is_opening_over,
    )
    yield Measure(
        name="restatements",
        about="Sentences among these two that repeat the question or say what was asked.",
        course=Course.BEGINNING,
        languages=opening.RESTATEMENTS.languages,
        most=opening.OPENING_SENTENCES,
        counting=opening.restatements,
        least=opening.least_restatements,
        is_decided=opening.is_opening_over,
    )


def _voice() -> Iterator[Measure]:
    yield _grows("names", "How often the person is called by their name.", voice.names)
    yield _said("first_person", 'Words by which the bot means itself: "I", "me".', voice.FIRST_PERSON)
    yield Measure(
        name="second_person",
        about='Words that address the person: "you", "your", formal ones too.',
        course=Course.GROWS,
        languages=voice.SECOND_PERSON.languages,
        counting=voice.second_person,
        least=voice.least_second_person,
    )
    yield _said(
        "contractions",
        'Contractions that could be written out: "don\'t".',
        Finder("contractions", binds_words=True),
    )
    yield _said("hedges", 'Words that say "I am not sure": "perhaps", "I think".', Finder("hedges"))
    yield _said("apologies", "Sentences that apologise.", Finder("apologies", once_a_sentence=True))
    yield _said(
        "offers",
        "Sentences that offer more help or hope that this helped.",
        Finder("offers", once_a_sentence=True),
    )
    yield _said(
        "praise",
        "Sentences that praise the person or what they asked.",
        Finder("praise", once_a_sentence=True),
    )
    yield _said(
        "disclaimers",
        'Sentences with "as an AI", "consult a professional" and their like.',
        Finder("disclaimers", once_a_sentence=True),
    )
    yield _said(
        "summaries", 'Sentences that announce a summary: "In short".', Finder("summaries", at_start=True)
    )
    yield _said("examples", 'Announced examples: "for example", "such as".', Finder("examples"))
    yield _said("comparisons", 'Comparisons: "like a", "as … as", "imagine".', Finder("comparisons"))


def _all() -> Iterator[Measure]:
    yield from _structure()
    yield from _signs()
    yield from _opening()
    yield from _voice()
    yield from map(_language, LANGUAGES)


MEASURES: Final[Mapping[str, Measure]] = MappingProxyType({measure.name: measure for measure in _all()})


def documentation() -> str:
    """The text of docs/measures.md."""
    rows = (
        f"| `{measure.name}` | {measure.about} | {_languages(measure)} | {measure.course.value} |"
        for measure in MEASURES.values()
    )
    return "\n".join((_HEAD, *rows, ""))


def _languages(measure: Measure) -> str:
    if not measure.languages:
        return "any"
    return "all seven" if measure.languages == LANGUAGES else ", ".join(measure.languages)


_HEAD: Final = """\
# What code counts in a reply

These measures cost no token and ask no model. A wish is a measure with a bound, written `words <= 45`,
`emoji >= 1` or `sentences == 1`.

- **Code is no text.** Nothing in a code block or a `code span` is counted, but the block itself.
- **Languages.** "any" means that the rule needs no language. A rule that knows languages has a list for each
  in `engine/judging/measures/word_lists`: `en` English, `de` German, `fr` French, `es` Spanish,
  `pt` Portuguese, `it` Italian, `ja` Japanese.
- **Half-written replies.** What *only grows* is lost for certain as soon as it is too much, and met for
  certain as soon as it is enough. What is *decided by the beginning* is certain after the first words or
  sentences. What is *known at the end* is open until then.

| measure | what it counts | languages | half-written |
|---|---|---|---|"""
