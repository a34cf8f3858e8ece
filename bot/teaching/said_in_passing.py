"""What a person says in passing that should stand: facts about them, and wishes for all answers.

Pure. Deliberately narrow: what is missed can be said again under an answer, what is wrongly kept annoys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 160
MAX_STATEMENTS: Final = 8  # of one message


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that is so. Of two facts with one `key` the later replaces the earlier."""

    key: str
    text: str


def facts(text: str) -> tuple[Fact, ...]:
    """The facts that a message states, in the order in which it states them; of one key the last."""
    found: dict[str, Fact] = {}
    for sentence in _sentences(text):
        fact = _fact(_without_opening(sentence))
        if fact is not None and len(fact.text) <= MAX_CHARS:
            found.pop(fact.key, None)
            found[fact.key] = fact
    return tuple(found.values())[:MAX_STATEMENTS]


def wishes(text: str) -> tuple[str, ...]:
    """The sentences of a message that ask for something in all answers to come."""
    found = [
        sentence for sentence in _sentences(text) if _WISH.match(sentence) and not _NO_WISH.match(sentence)
    ]
    kept = dict.fromkeys(_closed(sentence) for sentence in found if len(sentence) <= MAX_CHARS)
    return tuple(kept)[:MAX_STATEMENTS]


def is_only_facts(text: str) -> bool:
    """Whether a text states facts and says nothing else."""
    sentences = _sentences(text)
    return bool(sentences) and all(_fact(_without_opening(sentence)) for sentence in sentences)


def _sentences(text: str) -> Sequence[str]:
    """The sentences of a text that are no questions."""
    parts = (part.strip() for line in text.splitlines() for part in _SENTENCE.findall(line))
    return [part for part in parts if part and not part.endswith("?")]


_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?=\S)[^.!?]*)*[.!?]*")
_OPENINGS = re.compile(
    r"\A(?:(?:by the way|btw|fyi|just so you know|you should know(?: that)?|note that|please note that"
    r"|actually|in fact|no|well|oh|and|also|hi|hello|sorry|that is wrong|that's wrong|that is not right|wrong"
    r"|i told you(?: that)?|i said(?: that)?|remember(?: that| this)?|please remember(?: that| this)?"
    r"|keep in mind(?: that)?|don't forget(?: that)?)\b[,:;]?\s*)+",
    re.IGNORECASE,
)
_REMEMBER = re.compile(
    r"(?:please )?(?:remember|keep in mind|don't forget)(?: that| this)?\b[:,]?\s+(?P<what>.+)", re.IGNORECASE
)
_THING = r"(?P<thing>[^\W\d_][\w'’-]*(?: [\w'’-]+){0,2}?)"
_VALUE = r"(?P<value>[^,;:]{1,60}?)"
_CALLED = re.compile(rf"my {_THING} (?:is|are|was) (?:called|named) {_VALUE}", re.IGNORECASE)
_NAME_OF = re.compile(rf"(?:the )?name of my {_THING} is {_VALUE}", re.IGNORECASE)
_NAME_POSSESSED = re.compile(rf"my {_THING}['’]s name is {_VALUE}", re.IGNORECASE)
# What a person is to be called, in the languages of the lexicon.
_CALL_ME = re.compile(
    r"(?:please |you can |just |from now on )*(?:call me|my name['’]s|i['’]m called|i am called"
    r"|nenn(?:e)? mich|ich hei(?:ß|ss)e|mein name ist|du kannst mich (?=[^,;:]+ nennen\Z)"
    r"|appelle-moi|appelez-moi|je m['’]appelle|ll[aá]mame|me llamo|mi nombre es"
    r"|me chame de|me chama de|chama-me|meu nome [eé]|chiamami|mi chiamo|il mio nome [eè])"
    r" (?!by |a |an |the |when |what |it )(?P<value>[^\W\d_][\w'’. -]{0,40}?)(?: nennen)?"
    r"(?:,? (?:please|bitte|s['’]il (?:te|vous) pla[iî]t|por favor))?",
    re.IGNORECASE,
)
_OWN_NAME = re.compile(rf"my (?P<thing>name) is {_VALUE}", re.IGNORECASE)
_OF_MINE = re.compile(
    r"my (?P<thing>(?:favou?rite [\w'’ -]{1,30}?|birthday|hometown|home town|job|profession|language"
    r"|mother tongue|time ?zone|address|nickname|age|pronouns)) (?:is|are) (?P<value>.{1,80}?)",
    re.IGNORECASE,
)
_OF_ME = re.compile(
    r"i(?: am|['’]m|) (?P<thing>live in|live at|work as|work at|work for|come from|from|allergic to|speak"
    r"|was born in|was born on|study|teach|years old) (?P<value>.{1,80}?)",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"(?:please,? )?(?:from now on|in (?:the )?future|always|never|every time|each time|whenever"
    r"|(?:in|for) (?:all|every|each)(?: of)?(?: your| my)?(?: future)?"
    r" (?:answers?|repl(?:y|ies)|stor(?:y|ies)|texts?))\b",
    re.IGNORECASE,
)
_NO_WISH = re.compile(r"(?:never mind|never again will|always look on|whenever you)\b", re.IGNORECASE)


def _without_opening(sentence: str) -> str:
    """The statement itself. "Remember that …" makes a fact of whatever follows."""
    return _OPENINGS.sub("", sentence, count=1) if not _REMEMBER.match(sentence) else sentence


def _fact(sentence: str) -> Fact | None:
    told = _REMEMBER.fullmatch(sentence)
    bare = (told.group("what") if told else sentence).strip().rstrip(".! ")
    fact = next(_known_forms(bare), None)
    if fact is None and told is not None:
        return Fact(key=bare.lower(), text=_closed(bare))
    return fact


def _known_forms(bare: str) -> Iterator[Fact]:
    for form in (_CALLED, _NAME_OF, _NAME_POSSESSED):
        match = form.fullmatch(bare)
        if match:
            thing, value = match.group("thing").lower(), match.group("value").strip()
            yield Fact(key=f"my {thing} is called", text=f"My {thing} is called {value}.")
    called = _CALL_ME.fullmatch(bare)
    if called:
        yield Fact(key="my name is", text=f"My name is {called.group('value').strip()}.")
    match = _OWN_NAME.fullmatch(bare) or _OF_MINE.fullmatch(bare)
    if match:
        thing, value = match.group("thing").lower(), match.group("value").strip()
        yield Fact(key=f"my {thing} is", text=f"My {thing} is {value}.")
    match = _OF_ME.fullmatch(bare)
    if match:
        yield Fact(key=f"i {match.group('thing').lower()}", text=_closed(bare))


def _closed(sentence: str) -> str:
    """A sentence with a capital letter and a full stop."""
    bare = sentence.strip()
    ended = bare if bare.endswith((".", "!")) else f"{bare}."
    return ended[:1].upper() + ended[1:]
