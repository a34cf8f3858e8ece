"""A reply is ended behind a sentence, where it is short enough or goes round in circles."""

from engine.search.endings import before_repeats, end_of_last_sentence, shortened


def test_the_most_sentences_that_are_short_enough_are_kept() -> None:
    text = "Bees live in hives. They make honey all summer. They sleep in winter and"
    assert (
        shortened(text, lambda kept: len(kept.split()) <= 9)
        == "Bees live in hives. They make honey all summer."
    )
    assert shortened(text, lambda kept: len(kept.split()) <= 5) == "Bees live in hives."


def test_where_even_the_first_sentence_is_too_long_nothing_is_kept() -> None:
    assert shortened("Bees live in hives and make honey.", lambda kept: len(kept.split()) <= 3) is None


def test_a_text_ends_before_a_sentence_that_stood_there_before() -> None:
    text = "Owls hunt at night. They hear well. owls hunt  at night. They hear well."
    assert before_repeats(text) == "Owls hunt at night. They hear well."
    assert before_repeats("One. Two. Three") == "One. Two. Three"


def test_the_last_full_sentence_is_found() -> None:
    assert end_of_last_sentence("Yes. No, but") == 4
    assert end_of_last_sentence("no end") == 0
