"""Broken replies are told from whole ones, and what is merely plain, short or repetitive is left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.judging.soundness import Fault, faults, is_sound
from tests.engine.judging.measures.texts import texts

REQUEST = "Tell me about green tea."
PROSE = (
    "Green tea is made from leaves that were steamed soon after they were picked. It keeps much of their "
    "colour and taste. People in Japan and China drink it every day, hot or cold."
)


def found(
    text: str,
    request: str = REQUEST,
    *,
    is_cut: bool = False,
    prompt_texts: Sequence[str] = (),
    language: str | None = None,
) -> set[Fault]:
    return set(faults(text, request=request, is_cut=is_cut, prompt_texts=prompt_texts, language=language))


SOUND = {
    "prose": PROSE,
    "one word": "Yes.",
    "an emoji": "👍",
    "a number": "42",
    "no full stop at the end": "Steep it for three minutes",
    "an ordinary list that begins its items alike": "\n".join(
        f"- You can drink it with {what}." for what in ("lemon", "honey", "mint leaves", "ice", "a biscuit")
    ),
    "a list that ends its items alike": "\n".join(
        f"{number}. {what}: 3 sets of 12 reps"
        for number, what in enumerate(
            (
                "Squats",
                "Push-ups",
                "Lunges",
                "Rows",
                "Planks",
                "Curls",
                "Dips",
                "Crunches",
                "Raises",
                "Pulls",
            ),
            1,
        )
    ),
    "a plan for a week": "\n".join(
        f"- {day}: drink {what}"
        for day, what in (
            ("Monday", "sencha"),
            ("Tuesday", "matcha"),
            ("Wednesday", "nothing at all"),
            ("Thursday", "gyokuro"),
            ("Friday", "whatever you like"),
        )
    ),
    "a poem with a refrain": (
        "The kettle sings upon the fire,\nCome and drink the tea with me.\nThe leaves unfold, the steam "
        "climbs higher,\nCome and drink the tea with me."
    ),
    "emphasis": "It is very, very, very good. Ha ha ha!",
    "anaphora": "We will steep it. We will stir it. We will drink it. We will wash the pot.",
    "a phrase that the subject needs": (
        "The capital of France is Paris. As the capital of France it has many visitors. No other city in the "
        "country is as large, and the river that runs through it is the Seine. Its museums hold paintings "
        "that everybody knows. That is why the capital of France is loved by so many."
    ),
    "a table": "| tea | time |\n|---|---|\n" + "| green tea | 3 min |\n" * 8,
    "code": "```py\n" + "print('tea')\n" * 12 + "```",
    "code that was not closed": "Here you are:\n\n```py\nprint('tea')",
    "dialogue in quotes": '"Tea?" she asked.\n"Yes," he said.\n"With milk?" she asked.\n"No," he said.',
    "notes of a recipe": "Steep the leaves.\n\nNotes:\n- Use soft water.",
    "the word assistant": "My assistant: a kettle.",
    "a foreign word": "Green tea is called 緑茶 in Japan, and it is good.",
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND.keys())
def test_a_whole_reply_is_sound(text: str) -> None:
    assert found(text) == set()
    assert is_sound(text, request=REQUEST)


@pytest.mark.parametrize(
    ("request_text", "text"),
    [
        (
            "Was ist grüner Tee?",
            "Grüner Tee wird aus Blättern gemacht, die nach dem Pflücken gedämpft werden.",
        ),
        ("Qu'est-ce que le thé vert ?", "Le thé vert vient de feuilles chauffées peu après la cueillette."),
        ("¿Qué es el té verde?", "El té verde se hace con hojas que se calientan después de la cosecha."),
        ("O que é chá verde?", "O chá verde é feito de folhas aquecidas logo depois da colheita."),
        ("Che cos'è il tè verde?", "Il tè verde si ottiene da foglie riscaldate subito dopo il raccolto."),
        ("緑茶とは何ですか？", "緑茶は摘んだ葉をすぐに蒸して作るお茶です。毎日飲む人も多くいます。"),
    ],
)
def test_replies_in_the_languages_of_their_requests_are_sound(request_text: str, text: str) -> None:
    assert found(text, request_text) == set()


# --- the same again and again ---


@pytest.mark.parametrize(
    "text",
    [
        "It smells of smoke, the acrid tang of smoke, the acrid tang of smoke, the acrid tang of smoke.",
        "tea tea tea tea tea tea tea tea tea tea",
        "I like it and I like it and I like it and I like it and I like it",
        (
            "The tea is green, and the tea is hot, so the tea is green, and the tea is hot, as the tea is "
            "green, and the tea is hot, since the tea is green, and the tea is hot."
        ),
        "El té es bueno para ti, el té es bueno para ti, el té es bueno para ti, el té es bueno para ti",
        "お茶は体に良いですお茶は体に良いですお茶は体に良いですお茶は体に良いです",
        (
            "* Monday: **make the tea and drink the tea slowly**\n"
            "* Tuesday: **make the tea and drink the tea slowly**\n"
            "* Wednesday: **make the tea and drink the tea slowly**\n"
            "* Thursday: **make the tea and drink the tea slowly**"
        ),
    ],
)
def test_words_that_come_again_and_again_are_a_loop(text: str) -> None:
    assert Fault.LOOP in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "Greeting:\n\n" * 8,
        "- 1.11\n" * 8,
        "Tea is good.\n\nDrink the tea slowly\n\nTea is hot.\n\nDrink the tea slowly\n\nDrink the tea slowly",
        "1. Boil the water\n2. Steep the leaves\n3. Steep the leaves\n4. Drink",
    ],
)
def test_a_line_that_comes_again_and_again_is_a_fault(text: str) -> None:
    assert Fault.REPEATED_LINE in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "It is a very fine tea. It is a very fine tea. Drink it.",
        "It is a very fine tea. Drink it. It is a very fine tea. Buy it. It is a very fine tea.",
        "これはとても良いお茶です。これはとても良いお茶です。飲みましょう。",
    ],
)
def test_a_sentence_that_comes_again_and_again_is_a_fault(text: str) -> None:
    assert Fault.REPEATED_SENTENCE in found(text)


def test_a_sentence_that_comes_again_much_later_is_none() -> None:
    assert found(f"It is a very fine tea. {PROSE} It is a very fine tea.") == set()


def test_few_different_turns_of_phrase_are_a_fault_of_long_texts_only() -> None:
    turns = "the green tea of the old hill is good and the old tea of the green hill is good and "
    assert Fault.LITTLE_VARIETY in found(turns * 4)
    assert Fault.LITTLE_VARIETY not in found(turns)
    assert Fault.LITTLE_VARIETY not in found(PROSE)


def test_a_song_may_repeat_its_chorus() -> None:
    song = "\n".join(
        f"{verse}\nOh, drink the tea with me!"
        for verse in (
            "The kettle sings upon the fire,\nthe steam goes up and climbs much higher.",
            "The leaves unfold as days grow long,\nthe birds outside begin their song.",
            "The cups are blue, the pot is old,\nthe milk has waited and is cold.",
            "The night is here, the lamp burns low,\nit is too late for us to go.",
        )
    )
    assert Fault.REPEATED_LINE in found(song)
    for request in ("Write a song about tea.", "Schreib ein Lied über Tee.", "お茶の歌詞を書いて"):
        assert found(song, request) <= {Fault.OTHER_LANGUAGE}


# --- ends ---


@pytest.mark.parametrize(
    "text",
    [
        PROSE + " And then the",
        PROSE + " There are three kinds:",
        "1. Boil the water.\n2. Steep the leaves.\n3. Pour it into a",
        "1. Boil the water.\n2.",
        "# Tea\n\nIt is good.\n\n## More",
        "- Steep the leaves for three minutes in water that has",
        "Here:\n\n```py\nprint('tea')",
        "| tea | time |\n|---|---|\n| green",
        "緑茶は日本で毎日",
    ],
)
def test_an_end_in_the_middle_is_a_fault_if_the_model_did_not_end_there(text: str) -> None:
    assert Fault.CUT in found(text, is_cut=True)
    assert Fault.CUT not in found(text)


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        PROSE + " 😊",
        'He said "drink it!"',
        "Is it good? (Yes.)",
        "**It is good.**",
        "- green tea\n- black tea\n- white tea",
        "Here:\n\n```py\nprint('tea')\n```",
        "| tea | time |\n|---|---|\n| green | 3 |",
        "It is good…",
    ],
)
def test_an_end_is_an_end_even_if_the_model_would_have_gone_on(text: str) -> None:
    assert Fault.CUT not in found(text, is_cut=True)


# --- the prompt ---

NOTE = "Answer in at most 45 words and never use a list."
EXAMPLE = "Black tea is made from leaves that were rolled and left to dry in the open air."


@pytest.mark.parametrize(
    "text",
    [
        "Tea is green. Answer in at most 45 words and never use a list.",
        "Answer in at most 45 words and never use more.",
        "As you know, black tea is made from leaves that were rolled by hand.",
    ],
)
def test_words_of_the_prompt_leak(text: str) -> None:
    assert Fault.LEAK in found(text, prompt_texts=(NOTE, EXAMPLE))


def test_a_short_note_leaks_when_all_of_it_comes() -> None:
    assert Fault.LEAK in found("Use no emoji at all. Tea is green.", prompt_texts=("Use no emoji at all.",))
    assert Fault.LEAK not in found("Use no emoji. Tea is green.", prompt_texts=("Use no emoji at all.",))


def test_a_few_words_of_the_prompt_are_no_leak_nor_what_the_request_holds_too() -> None:
    assert found("Black tea is made from leaves. It is strong.", prompt_texts=(NOTE, EXAMPLE)) == set()
    asked = "What does 'black tea is made from leaves that were rolled and left' mean?"
    text = "It says that black tea is made from leaves that were rolled by somebody, and left."
    assert Fault.LEAK not in found(text, asked, prompt_texts=(EXAMPLE,))


@pytest.mark.parametrize(
    "text",
    [
        "Tea is green.<|im_end|>",
        "<|im_start|>assistant\nTea is green.",
        "Tea is green. [/INST] More.",
        "Tea is green.</s>",
        "<start_of_turn>model\nTea is green.",
        "### Response:\nTea is green.",
        "Tea is green.\nRating: 3 of 5",
        "Notes:\n- Be brief.\nTea is green.",
        "Tea is green.\nUser: What else?\nAssistant: Nothing.",
    ],
)
def test_marks_of_the_prompt_leak(text: str) -> None:
    assert Fault.TEMPLATE in found(text)


def test_turns_are_no_leak_in_a_dialogue_and_tokens_none_in_code() -> None:
    dialogue = "User: What is tea?\nAssistant: A drink.\nUser: Thank you."
    assert Fault.TEMPLATE not in found(dialogue, "Write a dialogue about tea.")
    assert Fault.TEMPLATE not in found("The token `<|im_end|>` ends a turn.")


@pytest.mark.parametrize(
    ("request_text", "text"),
    [
        ("Tell me about green tea.", "Tell me about green tea."),
        ("Tell me about green tea.", "tell me about green tea!"),
        ("Tell me all about green tea, please.", "Tell me all about green tea, please. Yes."),
        ("Tell me all about green tea, please.", "Me: all about green tea, please."),
        ("緑茶について教えてください。", "緑茶について教えてください"),
    ],
)
def test_the_request_once_more_is_an_echo(request_text: str, text: str) -> None:
    assert Fault.ECHO in found(text, request_text)


@pytest.mark.parametrize(
    ("request_text", "text"),
    [
        ("Hello there!", "Hello there!"),
        ("Repeat after me: tea is good.", "Repeat after me: tea is good."),
        ("Tell me about green tea.", "Green tea."),
        ("What is green tea?", "What is green tea? It is a drink that is made from leaves of a bush."),
    ],
)
def test_taking_up_the_request_is_no_echo(request_text: str, text: str) -> None:
    assert Fault.ECHO not in found(text, request_text)


# --- languages ---

GERMAN = "Grüner Tee wird aus Blättern gemacht, die nach dem Pflücken nicht lange liegen."


def test_another_language_than_the_request_is_a_fault() -> None:
    assert Fault.OTHER_LANGUAGE in found(GERMAN)
    assert Fault.OTHER_LANGUAGE in found("緑茶は摘んだ葉をすぐに蒸して作るお茶です。毎日飲む人も多くいます。")
    assert Fault.OTHER_LANGUAGE in found(PROSE, "Was ist grüner Tee und wie wird er gemacht?")


def test_the_language_that_was_wished_for_takes_the_place_of_the_request() -> None:
    assert Fault.OTHER_LANGUAGE not in found(GERMAN, language="de")
    assert Fault.OTHER_LANGUAGE in found(PROSE, language="de")


@pytest.mark.parametrize(
    "request_text",
    [
        "Tell me about tea in German.",
        "Translate this: tea.",
        "Parle-moi du thé en allemand.",
        "お茶についてドイツ語で",
    ],
)
def test_a_request_for_another_language_lets_every_language_pass(request_text: str) -> None:
    assert Fault.OTHER_LANGUAGE not in found(GERMAN, request_text)


def test_what_is_short_or_doubtful_is_in_no_wrong_language() -> None:
    assert Fault.OTHER_LANGUAGE not in found("Grüner Tee ist gut.")
    assert Fault.OTHER_LANGUAGE not in found(
        "Sencha, matcha, gyokuro, bancha, hojicha, genmaicha, kukicha, tamaryokucha"
    )
    assert Fault.OTHER_LANGUAGE not in found(GERMAN, "Sencha?")


# --- characters ---


@pytest.mark.parametrize("text", ["Tea \ufffd is", "Tea \x00 is", "It isâ€™s tea", "cafÃ© noir"])
def test_broken_characters_are_a_fault(text: str) -> None:
    assert Fault.BROKEN_CHARACTERS in found(text)


def test_whole_emoji_and_accents_are_none() -> None:
    assert found("Café à la crème 👩🏽‍💻 ❤️ ÃO, says he. It’s “fine”.") == set()


@pytest.mark.parametrize("text", ["", "  \n ", "...", "—", "**\n\n---", "?!"])
def test_nothing_but_marks_is_empty(text: str) -> None:
    assert found(text) == {Fault.EMPTY}


def test_the_worst_fault_comes_first() -> None:
    seen = faults("tea tea tea tea tea tea tea tea tea tea \ufffd and", request=REQUEST, is_cut=True)
    assert seen[0] is Fault.LOOP
    assert list(seen) == sorted(seen, key=lambda fault: -fault.severity)


def test_every_severity_lies_between_0_and_1() -> None:
    assert all(0.0 < fault.severity <= 1.0 for fault in Fault)
    assert len({fault.about for fault in Fault}) == len(Fault)


@settings(max_examples=300, deadline=None)
@given(texts, texts, st.booleans(), st.lists(texts, max_size=2))
def test_any_text_at_all_can_be_judged(
    text: str, request: str, is_cut: bool, prompt_texts: list[str]
) -> None:
    seen = faults(text, request=request, is_cut=is_cut, prompt_texts=prompt_texts)
    assert len(seen) == len(set(seen))
    assert is_sound(text, request=request, is_cut=is_cut, prompt_texts=prompt_texts) is not bool(seen)
    if not is_cut:
        assert Fault.CUT not in seen


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(PROSE.split()), min_size=4, max_size=12))
def test_anything_said_five_times_in_a_row_is_a_loop(words: list[str]) -> None:
    assert Fault.LOOP in found(" ".join(words * 5))
