"""The person's name counts where they are meant by it."""

from __future__ import annotations

import pytest

from engine.judging.measures import MEASURES, Occasion


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("Sam", "Hi Sam! Sam's tea is ready, SAM.", 3),
        ("Sam", "hi sam", 1),
        ("Sam", "The same Samuel", 0),
        ("Sam", "Samさん、こんにちは。", 1),
        ("Sam Smith", "Hi Sam. Dear Sam Smith, hello.", 2),
        ("Anne-Marie", "Salut Anne-Marie !", 1),
        ("Zoë", "Hallo Zoë", 1),
        ("Sam 🌸", "Hi Sam!", 1),
        ("sam_42", "Hi sam_42!", 1),
        ("健", "健さん、こんにちは。", 1),
        ("健", "健康に良いです。", 0),
        ("Will", "Hi Will! You could, Will, do that.", 2),
        ("Will", "Will you go? It will rain. Where there's a will", 0),
        ("May", "Thanks, May. In May, it rains.", 1),
        ("El Greco", "El Greco painted. El was there.", 1),
        (None, "Hi Sam!", 0),
        ("", "Hi Sam!", 0),
        ("!?", "Hi !?", 0),
        ("C++", "Hi C++!", 1),
        ("Sam", "`Sam`\n```\nSam\n```", 0),
    ],
)
def test_names(name: str | None, text: str, names: int) -> None:
    assert MEASURES["names"].count(text, Occasion(name=name)) == names


@pytest.mark.parametrize(
    ("text", "language_of_request", "count"),
    [
        ("Du vin, du pain.", "Que faut-il boire ce soir ?", 0),
        ("Du trinkst, du isst.", "Was tun?", 2),
        ("Es gibt so viel. Du auch?", "What is this?", 1),
        ("A ton of tea for tens of people.", "How much tea?", 0),
        ("Soy sauce is salty.", "What is soy?", 0),
    ],
)
def test_what_addresses_in_one_language_means_nothing_in_another(
    text: str, language_of_request: str, count: int
) -> None:
    occasion = Occasion(request=language_of_request)
    assert MEASURES["second_person"].count(text, occasion) == count


def test_i_is_a_person_in_english_and_an_article_in_italian() -> None:
    first_person = MEASURES["first_person"]
    assert first_person.count("Yes, i like the tea.", Occasion()) == 1
    assert first_person.count("I ragazzi bevono il tè con gli amici.", Occasion()) == 0
