"""Signs are counted where people see them, and nowhere else."""

from __future__ import annotations

import pytest

from engine.judging.measures import MEASURES, Occasion


def count(measure: str, text: str) -> float:
    return MEASURES[measure].count(text, Occasion())


@pytest.mark.parametrize(
    ("text", "emoji"),
    [
        ("😊", 1),
        ("😊😊 🎉", 3),
        ("👋🏽", 1),
        ("☝🏽", 1),
        ("🇩🇪🇫🇷", 2),
        ("👨‍👩‍👧‍👦", 1),
        ("👩🏽‍💻 🏃🏽‍♀️ 🏃‍♀", 3),
        ("🏳️‍🌈", 1),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 1),
        ("1️⃣ tea\n2️⃣ milk", 2),
        ("❤️ ❤ ☺ ☀️", 4),
        ("❤️‍🔥", 1),
        ("✔️ ✅ ™️", 3),
        ("- 🍵 tea\n# 🫖", 2),
        ("✔ ™ © → ★ • ▶", 0),
        ("☺\ufe0e", 0),
        (":) :smile: <3", 0),
        ("\ufffd", 0),
        ("\ufe0f \u200d \u20e3", 0),
        ("🇩", 0),
        ("🏽", 0),
        ("`😊`\n```\n😊\n```", 0),
        ("1 # *", 0),
    ],
)
def test_emoji(text: str, emoji: int) -> None:
    assert count("emoji", text) == emoji


@pytest.mark.parametrize(
    ("measure", "text", "marks"),
    [
        ("exclamation_marks", "Hi! Wow!! すごい！", 4),
        ("exclamation_marks", "¡Hola!", 1),
        ("exclamation_marks", "What?!", 1),
        ("exclamation_marks", "a != b", 0),
        ("exclamation_marks", "`x!` ![image](u.png)\n```\n!\n```", 0),
        ("exclamation_marks", "https://x.com/!a ❗ <!-- -->", 0),
        ("question_marks", "What? Really?! 本当？", 3),
        ("question_marks", "¿Qué?", 1),
        ("question_marks", "See https://x.com?", 1),
        ("question_marks", "See https://x.com/?q=1 now", 0),
        ("question_marks", "[a](https://x.com/?q=1)", 0),
        ("question_marks", "`a ? b`\n```\n?\n```", 0),
    ],
)
def test_marks(measure: str, text: str, marks: int) -> None:
    assert count(measure, text) == marks


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Shall we?", 1),
        ("All ok? 😊", 1),
        ("All ok? 👍🏽✨\n", 1),
        ('He asked: "Why?"', 1),
        ("(Shall we?)", 1),
        ("**Shall we?**", 1),
        ("Shall we? :)", 1),
        ("Shall we?!", 1),
        ("« On y va ? »", 1),
        ("„Gehen wir?“", 1),
        ("Tea is good.\n\n- Tea?\n- Milk?", 1),
        ("What now?\n\n---", 1),
        ("いかがですか。", 1),
        ("「どうですか？」", 1),
        ("¿Vamos?", 1),
        ("What? No.", 0),
        ("Shall we? Yes", 0),
        ("No.", 0),
        ("", 0),
        ("https://x.com/?", 1),
        ("https://x.com/?q", 0),
        ("What?\n\n```\nwhat?\n```", 0),
        ("そうですか、と言いました。", 0),
        ("😊", 0),
    ],
)
def test_ends_with_question(text: str, asks: int) -> None:
    assert count("ends_with_question", text) == asks


@pytest.mark.parametrize(
    ("measure", "text", "letters"),
    [
        ("capitals", "Hello World", 2),
        ("capitals", "ÄÖ Éa ДА", 5),
        ("capitals", "hello world", 0),
        ("capitals", "`ABC` https://X.com/Y\n```\nABC\n```", 0),
        ("capitals", "1. Tea", 1),
        ("capitals", "🅰 Ⓜ️ ß 日本", 0),
        ("small_letters", "HELLO wörld", 5),
        ("small_letters", "HELLO WORLD 42!", 0),
        ("small_letters", "`abc` https://x.com\n```\nabc\n```", 0),
        ("small_letters", "STRAßE", 1),
        ("small_letters", "日本語 1º", 0),
        ("small_letters", "a) TEA\nb) MILK", 0),
    ],
)
def test_letters(measure: str, text: str, letters: int) -> None:
    assert count(measure, text) == letters


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("I have 3 apples, 3.5 kg and 1,000 bags.", 3),
        ("At 10:30 on 2020-01-02, 10–20 of them.", 3),
        ("5km, 50%, $7, the 2nd", 4),
        ("It is 42.", 1),
        ("りんごは3つで、１００円です。", 2),
        ("1. one\n2. two", 0),
        ("3 apples\n- 4 pears", 2),
        ("H2O, COVID-19, MP3 and v2", 0),
        ("1️⃣ tea", 0),
        ("three", 0),
        ("https://x.com/123 `42`\n```\n42\n```", 0),
    ],
)
def test_numbers(text: str, numbers: int) -> None:
    assert count("numbers", text) == numbers


@pytest.mark.parametrize(
    ("text", "brackets"),
    [
        ("a (b) and [c] and {d}", 3),
        ("お茶（緑茶）と【水】", 2),
        ("f(x) is g(x)", 2),
        ("Dear [Name],", 1),
        ("[a](https://x.com) ![b](u.png)", 0),
        ("1) a\n(2) b\n- [ ] c", 0),
        (":( and :-( but fine :)", 0),
        ("`f(x)`\n```\nf(x)\n```", 0),
    ],
)
def test_parentheses(text: str, brackets: int) -> None:
    assert count("parentheses", text) == brackets


@pytest.mark.parametrize(
    ("text", "dashes"),
    [
        ("Tea — or coffee—is good", 2),
        ("Tea – or coffee – is good", 2),
        ("Tea - or coffee -- is good", 2),
        ("Tea--or coffee", 1),
        ("お茶――緑茶", 1),
        ("— Einstein", 1),
        ("10–20 and well-known and 5 - 3", 0),
        ("- a\n– b\n\n---\n\n| a | - |\n|---|---|", 0),
        ("コーヒー", 0),
        ("`a — b`\n```\na — b\n```", 0),
    ],
)
def test_dashes(text: str, dashes: int) -> None:
    assert count("dashes", text) == dashes


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ('He said "to be or not to be".', 1),
        ("“To be or not” and ‘not to be at all’", 2),
        ("„Ich bin ein Berliner“ und »alles wird gut«", 2),
        ("« C'est la vie » et “c'est tout bon”", 2),
        ("「これは引用文です」『吾輩は猫である』", 2),
        ("It's Sam's 'don't worry be happy' song", 1),
        ("> To be\n> or not\n\ntext\n\n> again", 2),
        ('the "cat" and the "black cat"', 0),
        ("It's Sam's and the dogs' place", 0),
        ('an "open quotation of many words', 0),
        ('`"a b c d"`\n```\n"a b c d"\n```', 0),
    ],
)
def test_quotes(text: str, quotes: int) -> None:
    assert count("quotes", text) == quotes
