"""The language of a text is told from few words, and not guessed."""

from __future__ import annotations

import pytest

from engine.judging.measures import MEASURES, Occasion
from engine.judging.measures.language import identify, is_clearly_not_in, languages_of
from engine.judging.measures.reply import Reply


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("It is raining.", "en"),
        ("Es regnet heute.", "de"),
        ("Il pleut, je reste ici.", "fr"),
        ("Hoy llueve mucho en la ciudad.", "es"),
        ("Hoje chove muito na cidade, não é?", "pt"),
        ("Oggi piove molto nella città.", "it"),
        ("今日は雨です。", "ja"),
        ("Python 3のprint関数を使います。", "ja"),
        ("今天下雨。", "zh"),
        ("Сегодня дождь.", "ru"),
        ("오늘은 비가 옵니다.", "ko"),
        ("Het regent vandaag en ik blijf hier.", "nl"),
        ("Det regnar och jag är här.", "sv"),
        ("Dzisiaj pada deszcz, więc jestem w domu i nie idę.", "pl"),
        ("Paris.", None),
        ("42", None),
        ("", None),
        ("Zxq vbn qwrt plmk zzt.", None),
    ],
)
def test_a_text_is_in_its_language(text: str, language: str | None) -> None:
    assert identify(text) == language


def test_most_of_a_text_decides() -> None:
    english = "The French say “la vie est belle” when they are happy with the day."
    assert MEASURES["language_en"].count(english, Occasion()) == 1
    assert MEASURES["language_fr"].count(english, Occasion()) == 0


def test_code_has_no_language() -> None:
    text = "Das ist der Code für die Aufgabe:\n\n```py\nfor the in of: return and not this\n```"
    assert MEASURES["language_de"].count(text, Occasion()) == 1


def test_what_is_too_short_to_tell_may_be_in_any_latin_language() -> None:
    for language in ("en", "de", "fr", "es", "pt", "it"):
        assert MEASURES[f"language_{language}"].count("Berlin.", Occasion()) == 1
    assert MEASURES["language_ja"].count("Berlin.", Occasion()) == 0


def test_each_sentence_has_its_own_language_and_unclear_ones_that_of_the_one_before() -> None:
    reply = Reply("Das ist der Tee. Tee! The tea is hot. Tea!")
    assert languages_of(reply, "") == ("de", "de", "en", "en")
    assert languages_of(Reply("Tee!"), "Was ist das für ein Tee?") == ("de",)


def test_a_doubtful_text_is_not_clearly_in_another_language() -> None:
    assert not is_clearly_not_in(Reply("Tee und tea"), "en")
    assert is_clearly_not_in(Reply("Das ist der Tee, den du nicht magst."), "en")
    assert is_clearly_not_in(Reply("これはお茶です。"), "en")
