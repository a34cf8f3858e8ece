"""What the judge asks, and what it makes of the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import wording
from engine.backends.scripted import ScriptedBackend
from engine.judging.judge import MAX_SCORE, UNASKED, Judge, bounded, combined, probability
from engine.judging.measures import parse
from engine.judging.rubric import (
    Noted,
    Question,
    RubricError,
    load_rubric,
    manner_questions,
    note_questions,
    text_of_note,
)
from engine.models.catalogue import PRACTICE_RUBRIC
from engine.models.profile import CAREFUL
from engine.types import LoraRef, Prompt, Role, TokenIds, Turn

RUBRIC = PRACTICE_RUBRIC


class Listening(ScriptedBackend):
    """Keeps what it is asked and answers with given log-odds, in turn."""

    def __init__(self, *answers: float) -> None:
        super().__init__()
        self.calls: list[tuple[TokenIds, ...]] = []
        self._answers = answers

    async def ask(self, prompts: Sequence[TokenIds], *, lora: LoraRef | None = None) -> Sequence[float]:
        self.calls.append(tuple(prompts))
        return [self._answers[i % len(self._answers)] for i in range(len(prompts))]


def ids(backend: ScriptedBackend) -> TokenIds:
    return backend.encode(Prompt(turns=(Turn(role=Role.USER, text="hello"),)))


async def test_the_question_comes_last_after_the_very_tokens_of_the_reply() -> None:
    backend = Listening(1.0)
    reply = backend.encode_text("hi there")
    await Judge(backend, [Question(name="kind", text="Is it kind?")]).score(ids(backend), [reply])
    asked = backend.calls[0][0]
    assert asked == ids(backend) + reply + backend.encode_question(wording.question("Is it kind?"))


async def test_all_questions_about_all_replies_go_in_one_call() -> None:
    backend = Listening(2.0, -2.0, 0.5)
    questions = [Question(name=name, text=f"Is it {name}?") for name in ("a", "b", "c")]
    verdicts = await Judge(backend, questions).score(ids(backend), [(113,), (114,)])
    assert len(backend.calls) == 1
    assert len(backend.calls[0]) == 6
    for verdict in verdicts:
        assert verdict.answers == pytest.approx(
            {"a": probability(2.0), "b": probability(-2.0), "c": probability(0.5)}
        )


async def test_a_glance_asks_what_weighs_most_and_the_rest_is_asked_once() -> None:
    backend = Listening(2.0)
    light = Question(name="light", text="Is it light?")
    judge = Judge(backend, [light, Question(name="heavy", text="Is it heavy?", weight=2.0)])
    glanced = await judge.glance(ids(backend), [(113,), (114,)], [True, True])
    assert [list(verdict.answers) for verdict in glanced] == [["heavy"]] * 2
    assert not judge.is_complete(glanced[0])
    (complete,) = await judge.complete(ids(backend), [(113,)], glanced[:1])
    assert backend.calls[1] == ((*ids(backend), 113, *backend.encode_question(wording.question(light.text))),)
    assert complete == (await judge.score(ids(backend), [(113,)]))[0]


async def test_a_glance_asks_about_every_note_what_the_first_does_not_refuse() -> None:
    backend = Listening(2.0, -3.0)
    notes = ["Be brief.", "Be kind.", "Be plain."]
    judge = Judge(backend, note_questions(notes))
    kept, refused = await judge.glance(ids(backend), [(113,), (114,)], [True, True])
    asked = [backend.encode_question(wording.question(wording.note_question(note))) for note in notes]
    assert backend.calls == [
        ((*ids(backend), 113, *asked[0]), (*ids(backend), 114, *asked[0])),
        ((*ids(backend), 113, *asked[1]), (*ids(backend), 113, *asked[2])),
    ]
    assert [text_of_note(name) for name in kept.answers] == [wording.note_question(n) for n in notes]
    assert judge.is_complete(kept)
    assert [text_of_note(name) for name in refused.answers] == [wording.note_question(notes[0])]
    assert not judge.is_complete(refused)
    assert not judge.is_content(refused)


@given(first=st.floats(-9, 9), others=st.lists(st.floats(-9, 9), min_size=1, max_size=4))
def test_what_a_glance_left_unasked_could_only_lower_the_score(first: float, others: list[float]) -> None:
    questions = note_questions([f"Note {number}." for number in range(1 + len(others))])
    answers = {
        question.name: probability(odds) for question, odds in zip(questions, (first, *others), strict=True)
    }
    assert combined(questions, answers) <= combined(questions[:1], answers) + 1e-9


async def test_a_glance_that_refused_is_made_whole_where_the_reply_comes_to_be_among_the_best() -> None:
    backend = Listening(-3.0)
    judge = Judge(backend, note_questions(["Be brief.", "Be kind."]))
    glanced = await judge.glance(ids(backend), [(113,)], [True])
    assert await judge.complete(ids(backend), [(113,)], glanced) == await judge.score(ids(backend), [(113,)])
    assert [len(call) for call in backend.calls] == [1, 1, 2]


async def test_with_a_taste_a_glance_asks_all_at_once() -> None:
    backend = Listening(-3.0)
    warm = Question(name="warm", text="Is it warm?", weight=0.0)
    judge = Judge(
        backend, [*note_questions(["Be brief.", "Be kind."]), warm], taste=lambda answers, text: 1.0
    )
    (glanced,) = await judge.glance(ids(backend), [(113,)], [True])
    assert len(backend.calls) == 1
    assert judge.is_complete(glanced)


async def test_a_glance_that_left_nothing_out_is_complete() -> None:
    backend = Listening(2.0)
    judge = Judge(backend, note_questions(["Be brief."]))
    glanced = await judge.glance(ids(backend), [(113,)], [True])
    assert await judge.complete(ids(backend), [(113,)], glanced) == glanced
    assert len(backend.calls) == 1


async def test_a_judge_is_content_by_what_it_has_asked_and_never_by_nothing() -> None:
    backend = Listening(3.0, -3.0)
    judge = Judge(backend, [*note_questions(["Be brief."]), Question(name="light", text="Is it light?")])
    (glanced,) = await judge.glance(ids(backend), [(113,)], [True])
    assert judge.is_content(glanced)
    assert not judge.is_content((await judge.score(ids(backend), [(113,)]))[0])
    assert not judge.is_content(UNASKED)


async def test_a_wish_must_be_seen_met_and_a_fault_must_be_seen() -> None:
    for probably, is_met, is_faultless in ((0.85, True, True), (0.6, False, True), (0.2, False, False)):
        backend = Listening(math.log(probably / (1 - probably)))
        wish = Judge(backend, note_questions(["Be brief."]))
        virtue = Judge(backend, [Question(name="sound", text="Is it sound?")])
        fault = Judge(
            Listening(-math.log(probably / (1 - probably))),
            [Question(name="rude", text="Is it rude?", weight=-1.0)],
        )
        assert wish.is_content((await wish.score(ids(backend), [(113,)]))[0]) is is_met
        assert virtue.is_content((await virtue.score(ids(backend), [(113,)]))[0]) is is_faultless
        assert fault.is_content((await fault.score(ids(backend), [(113,)]))[0]) is is_faultless


@pytest.mark.parametrize(("opinion", "is_content"), [(0.5, True), (-0.5, False)])
async def test_where_no_wish_is_in_words_the_taste_must_be_for_it(opinion: float, is_content: bool) -> None:
    backend = Listening(3.0)
    sound = Question(name="sound", text="Is it sound?")
    silent = Judge(backend, [sound], taste=lambda answers, text: opinion)
    assert silent.is_content((await silent.score(ids(backend), [(113,)]))[0]) is is_content
    told = Judge(backend, [sound, *note_questions(["Be brief."])], taste=lambda answers, text: opinion)
    assert told.is_content((await told.score(ids(backend), [(113,)]))[0])


async def test_a_judge_without_questions_asks_nothing_and_finds_all_alike() -> None:
    backend = Listening(1.0)
    judge = Judge(backend, ())
    assert [v.score for v in await judge.score(ids(backend), [(113,), (114,)])] == [0.0, 0.0]
    assert not backend.calls
    assert not judge.has_preference
    assert not judge.is_content((await judge.score(ids(backend), [(113,)]))[0])


async def test_a_negative_weight_makes_no_the_good_answer() -> None:
    backend = Listening(-3.0)
    fault = Judge(backend, [Question(name="rude", text="Is it rude?", weight=-1.0)])
    virtue = Judge(backend, [Question(name="kind", text="Is it kind?")])
    good = (await fault.score(ids(backend), [(113,)]))[0]
    bad = (await virtue.score(ids(backend), [(113,)]))[0]
    assert good.score == pytest.approx(3.0)
    assert bad.score == pytest.approx(-3.0)
    assert fault.is_content(good)
    assert not virtue.is_content(bad)


async def test_a_taste_adds_its_opinion_of_the_answers_and_the_text() -> None:
    backend = Listening(0.0)
    heard: list[tuple[dict[str, float], str]] = []

    def opinion(answers: Mapping[str, float], text: str) -> float:
        heard.append((dict(answers), text))
        return 1.5

    judge = Judge(backend, [Question(name="warm", text="Is it warm?", weight=0.0)], taste=opinion)
    verdict = (await judge.score(ids(backend), [backend.encode_text("hi")]))[0]
    assert verdict.score == pytest.approx(1.5)
    assert heard == [({"warm": 0.5}, "hi")]


def test_one_certain_yes_does_not_pay_for_a_no_elsewhere() -> None:
    questions = [Question(name="a", text="?"), Question(name="b", text="?")]
    lopsided = combined(questions, {"a": 0.999999, "b": 0.05})
    even = combined(questions, {"a": 0.6, "b": 0.6})
    assert even > lopsided


@given(
    answers=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    weights=st.lists(st.floats(-3, 3), min_size=6, max_size=6),
)
def test_scores_are_finite_whatever_the_answers(answers: list[float], weights: list[float]) -> None:
    questions = [Question(name=str(i), text="?", weight=weights[i]) for i in range(len(answers))]
    score = combined(questions, {str(i): p for i, p in enumerate(answers)})
    assert math.isfinite(score)
    assert abs(score) <= MAX_SCORE


def test_no_number_counts_as_no_opinion() -> None:
    assert bounded(math.nan) == 0.0
    assert bounded(math.inf) == MAX_SCORE
    assert probability(math.nan) == 0.5
    assert probability(-math.inf) < 1e-9


def test_each_note_is_asked_about_once() -> None:
    asked = note_questions(["Be brief.", "Be kind.", "Be brief."])
    assert [question.text for question in asked] == [
        wording.note_question("Be brief."),
        wording.note_question("Be kind."),
    ]


def test_the_rubric_that_ships_can_be_read() -> None:
    rubric = load_rubric(RUBRIC)
    assert rubric.questions
    assert {question.weight > 0 for question in rubric.questions} == {True, False}
    assert len({manner.group for manner in rubric.manners}) >= 8
    assert all(question.weight == 0 for question in manner_questions(rubric.manners))
    alone = [m for m in rubric.manners if sum(o.group == m.group for o in rubric.manners) == 1]
    assert all(manner.opposite for manner in alone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[question", "cannot be read"),
        ('[question]\nname = "a"', "write every question as a table"),
        ('[[question]]\nname = "a"', "needs a text for 'text'"),
        ('[[question]]\nname = "a"\ntext = "?"\nweight = "much"', "must be a number"),
        ('[[question]]\nname = "a"\ntext = "?"\nweight = nan', "must be a number"),
        ('[[manner]]\nname = "a"\ntext = "?"\nnote = "n"', "needs a text for 'group'"),
        (
            '[[question]]\nname = "a"\ntext = "?"\n[[question]]\nname = "a"\ntext = "?"',
            "uses a name twice: a",
        ),
    ],
)
def test_a_rubric_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rubric.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RubricError, match=said):
        load_rubric(path)


def test_a_rubric_that_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(RubricError, match="cannot be read"):
        load_rubric(tmp_path / "none.toml")


async def test_what_code_can_count_is_asked_of_nobody() -> None:
    backend = Listening(-9.0)
    notes = [Noted(text="Use emoji.", manner="emoji", wish=parse("emoji >= 1"))]
    judge = Judge(backend, note_questions(notes))
    plain, smiling = (backend.encode_text(text) for text in ("Bees fly.", "Bees fly. 🐝"))
    missed, met = await judge.score(ids(backend), [plain, smiling])
    assert not backend.calls
    assert judge.is_content(met)
    assert not judge.is_content(missed)
    assert met.score > missed.score


async def test_of_two_misses_the_nearer_is_worth_more() -> None:
    backend = Listening(0.0)
    judge = Judge(backend, note_questions([Noted(text="Be brief.", wish=parse("words <= 3"))]))
    replies = [
        backend.encode_text(text) for text in ("one two three four", "one two three four five six seven")
    ]
    near, far = await judge.score(ids(backend), replies)
    assert near.score > far.score


async def test_a_beginning_that_can_no_longer_be_as_wanted_is_lost() -> None:
    judge = Judge(Listening(0.0), note_questions([Noted(text="Be brief.", wish=parse("words <= 3"))]))
    assert not judge.is_lost("one two")
    assert judge.is_lost("one two three four five")


async def test_a_model_that_cannot_tell_is_not_asked() -> None:
    backend = Listening(9.0)
    backend.adopt(CAREFUL)
    judge = Judge(backend, [Question(name="kind", text="Is it kind?")])
    await judge.score(ids(backend), [backend.encode_text("Yes.")])
    assert not backend.calls
    assert not judge.has_preference


async def test_a_reply_that_comes_apart_is_worth_less_than_a_whole_one() -> None:
    backend = Listening(0.0)
    judge = Judge(backend, ())
    apart = backend.encode_text("the same words again and again " * 8)
    broken, whole = await judge.score(ids(backend), [apart, backend.encode_text("Bees make honey.")])
    assert not broken.is_sound
    assert whole.is_sound
    assert broken.score < whole.score
