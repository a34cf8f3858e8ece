"""A taste, learned from simulated people whose wishes are known."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.judging.hypotheses import Population
from engine.judging.judge import plain_features
from engine.judging.rubric import Manner
from engine.judging.taste import (
    Pair,
    Rated,
    Taste,
    information,
    is_worth_showing,
    most_informative_pair,
    population_of,
)

GROUPS = {
    "length": ("short", "long", "middling"),
    "tone": ("plain", "warm", "formal", "pirate"),
    "shape": ("prose", "bullets"),
    "emoji": ("emoji",),
    "ending": ("asks",),
    "hedging": ("hedged",),
}
MANNERS = tuple(
    Manner(
        name=name,
        group=group,
        text=f"Is it {name}?",
        note=f"Be {name}.",
        opposite="" if len(names) > 1 else f"Do not be {name}.",
    )
    for group, names in GROUPS.items()
    for name in names
)


class Somebody:
    """Wants some manners; rates by the share of them that a reply has, and now and then by mistake."""

    def __init__(self, seed: int, wanted: Sequence[tuple[str, bool]], *, noise: float = 0.1) -> None:
        self.rng = random.Random(seed)
        self.wanted = wanted
        self.noise = noise

    def reply(self) -> dict[str, bool]:
        """A reply's true manners, drawn at random."""
        manners: dict[str, bool] = {}
        for names in GROUPS.values():
            chosen = self.rng.randrange(len(names)) if len(names) > 1 else self.rng.choice((0, -1))
            manners |= {name: number == chosen for number, name in enumerate(names)}
        return manners

    def share(self, reply: dict[str, bool]) -> float:
        return sum(reply[name] == wanted for name, wanted in self.wanted) / len(self.wanted)

    def rating(self, reply: dict[str, bool]) -> int:
        if self.rng.random() < self.noise:
            return self.rng.randint(1, 5)
        return round(1 + 4 * self.share(reply))

    def judged(self, reply: dict[str, bool], *, right: float = 0.95) -> dict[str, float]:
        """The judge's answers about a reply, which are sometimes wrong."""
        answers = {}
        for name, is_so in reply.items():
            sure = self.rng.uniform(0.8, 0.99)
            answers[name] = sure if is_so == (self.rng.random() < right) else 1 - sure
        return answers

    def rates(self, count: int) -> list[Rated]:
        """So many ratings, the newest first."""
        replies = [self.reply() for _ in range(count)]
        return [Rated(answers=self.judged(reply), rating=self.rating(reply)) for reply in replies]

    def wants(self) -> set[str]:
        return {f"Be {name}." if wanted else f"Do not be {name}." for name, wanted in self.wanted}

    def changes_mind(self) -> None:
        """About one thing: they want something else of its group, or the contrary."""
        name, wanted = self.wanted[0]
        others = next(
            [other for other in names if other != name] for names in GROUPS.values() if name in names
        )
        self.wanted = [(others[0], True) if others else (name, not wanted), *self.wanted[1:]]

    def taught(self, count: int) -> Taste:
        taste = Taste.blank(MANNERS)
        for _ in range(count):
            reply = self.reply()
            taste = taste.rated(self.judged(reply), self.rating(reply))
        return taste


def people(count: int) -> list[Somebody]:
    found = []
    for seed in range(count):
        rng = random.Random(f"people {seed}")
        groups = rng.sample(list(GROUPS), rng.choice((2, 3)))
        wanted = [
            (rng.choice(GROUPS[g]), True) if len(GROUPS[g]) > 1 else (GROUPS[g][0], rng.random() < 0.5)
            for g in groups
        ]
        found.append(Somebody(seed, wanted))
    return found


def test_it_finds_what_a_silent_person_wants_from_36_noisy_ratings() -> None:
    right = wrong = missed = 0
    for person in people(30):
        told = {want.note for want in person.taught(36).wants()}
        true = person.wants()
        right, wrong, missed = right + len(told & true), wrong + len(told - true), missed + len(true - told)
    assert right / (right + wrong) >= 0.95
    assert right / (right + missed) >= 0.75


def test_it_tells_nothing_before_it_knows() -> None:
    assert Taste.blank(MANNERS).wants() == []
    assert Taste.blank(MANNERS).worth_asking() == ()
    random_ratings = Taste.blank(MANNERS)
    nobody = Somebody(1, [("short", True)], noise=1.0)
    for _ in range(36):
        reply = nobody.reply()
        random_ratings = random_ratings.rated(nobody.judged(reply), nobody.rating(reply))
    assert len(random_ratings.wants()) <= 1


def test_of_manners_that_exclude_each_other_at_most_one_is_wanted() -> None:
    for person in people(20):
        groups = {manner.name: manner.group for manner in MANNERS}
        wanted = [groups[want.manner] for want in person.taught(24).wants(at_least=0.5)]
        assert len(wanted) == len(set(wanted))


def test_the_probabilities_of_a_group_do_not_exceed_one() -> None:
    groups = {manner.name: manner.group for manner in MANNERS}
    for person in people(5):
        sums: dict[str, float] = dict.fromkeys(GROUPS, 0.0)
        for want in person.taught(15).all_wants():
            sums[groups[want.manner]] += want.probability
        assert max(sums.values()) <= 1 + 1e-9


def test_after_20_ratings_it_predicts_likes_and_knows_how_well() -> None:
    predicted: list[float] = []
    liked: list[bool] = []
    for person in people(40):
        taste = person.taught(20)
        for _ in range(25):
            reply = person.reply()
            predicted.append(taste.probability(person.judged(reply)))
            liked.append(person.rating(reply) >= 4)
    chances, outcomes = np.array(predicted), np.array(liked)
    assert ((chances > 0.5) == outcomes).mean() >= 0.75
    edges = np.digitize(chances, np.linspace(0.1, 0.9, 9))
    error = sum(
        (edges == b).mean() * abs(chances[edges == b].mean() - outcomes[edges == b].mean())
        for b in range(10)
        if (edges == b).any()
    )
    assert error <= 0.07


def test_it_learns_within_milliseconds() -> None:
    taste = people(1)[0].taught(40)
    answers = people(1)[0].judged(people(1)[0].reply())
    began = time.perf_counter()
    taste.rated(answers, 5).probability(answers)
    assert time.perf_counter() - began < 0.25  # some milliseconds, on a machine that does other things too


@settings(max_examples=25, deadline=None)
@given(ratings=st.lists(st.integers(1, 5), min_size=1, max_size=12), seed=st.integers(0, 999))
def test_a_rating_taken_back_leaves_no_trace(ratings: list[int], seed: int) -> None:
    person = Somebody(seed, [("short", True)])
    rows = [(person.judged(person.reply()), rating) for rating in ratings]
    taste = Taste.blank(MANNERS)
    for answers, rating in rows:
        taste = taste.rated(answers, rating)
    for answers, rating in reversed(rows[1:]):
        taste = taste.rated(answers, rating, weight=-1.0)
    alone = Taste.blank(MANNERS).rated(*rows[0])
    assert np.allclose(taste.moments, alone.moments)
    answers = person.judged(person.reply())
    assert taste.probability(answers) == pytest.approx(alone.probability(answers), abs=1e-6)


def test_the_order_of_ratings_does_not_matter() -> None:
    person = people(1)[0]
    rows = [(person.judged(reply), person.rating(reply)) for reply in (person.reply() for _ in range(10))]
    forwards, backwards = Taste.blank(MANNERS), Taste.blank(MANNERS)
    for one, other in zip(rows, reversed(rows), strict=True):
        forwards, backwards = forwards.rated(*one), backwards.rated(*other)
    assert np.allclose(forwards.moments, backwards.moments)


def test_a_changed_mind_is_followed_and_what_did_not_change_stays() -> None:
    followed = dragged = 0
    for person in people(20):
        before = person.rates(40)
        person.changes_mind()
        told = person.rates(36) + before
        followed += {want.note for want in Taste.blank(MANNERS).following(told).wants()} == person.wants()
        dragged += {want.note for want in Taste.blank(MANNERS).after(told).wants()} == person.wants()
    assert followed >= 8
    assert dragged <= 1


def test_who_does_not_change_their_mind_is_not_thought_to() -> None:
    kept = [person.rates(40) for person in people(20)]
    told = [Taste.blank(MANNERS).following(likings) for likings in kept]
    assert sum(taste.ratings == 40 for taste in told) >= 16
    assert all(taste.earlier for taste in told if taste.ratings < 40)
    assert not Taste.blank(MANNERS).following([]).has_learned


def test_what_was_wanted_before_a_change_is_likely_to_be_wanted_still() -> None:
    taste = replace(Taste.blank(MANNERS), earlier={"Be warm.": 1.0})
    (likeliest, *_) = sorted(taste.all_wants(), key=lambda want: -want.probability)
    assert likeliest.note == "Be warm."
    assert taste.log_evidence == pytest.approx(0.0)
    again = Taste.restored(json.loads(json.dumps(taste.state())), MANNERS)
    assert again is not None
    assert again.earlier == {"Be warm.": 1.0}
    broken = Taste.restored(taste.state() | {"earlier": {"Be warm.": "?"}}, MANNERS)
    assert broken is not None
    assert broken.earlier == {}


def test_a_choice_teaches_as_ratings_do() -> None:
    person = Somebody(3, [("warm", True), ("emoji", False)], noise=0.0)
    taste = Taste.blank(MANNERS)
    for _ in range(60):
        one, other = person.reply(), person.reply()
        if person.share(one) == person.share(other):
            continue
        better, worse = (one, other) if person.share(one) > person.share(other) else (other, one)
        taste = taste.preferred(person.judged(better), person.judged(worse))
    assert {want.note for want in taste.wants()} == {"Be warm.", "Do not be emoji."}


def test_its_state_survives_storage_and_refuses_another_rubric() -> None:
    taste = people(1)[0].taught(12)
    state = json.loads(json.dumps(taste.state()))
    again = Taste.restored(state, MANNERS)
    assert again is not None
    answers = people(1)[0].judged(people(1)[0].reply())
    assert again.probability(answers) == pytest.approx(taste.probability(answers))
    assert again.ratings == 12
    assert Taste.restored(state, MANNERS[1:]) is None
    assert Taste.restored({"version": 2}, MANNERS) is None
    assert Taste.restored(state | {"moments": "?"}, MANNERS) is None


def test_a_population_that_wants_something_makes_a_newcomer_likely_to_want_it() -> None:
    everybody = [Somebody(seed, [("short", True), ("emoji", True)]).taught(36) for seed in range(12)]
    newcomer = Taste.blank(MANNERS, population_of(everybody))
    chances = {want.note: want.probability for want in newcomer.all_wants()}
    assert chances["Be short."] > 2 * chances["Be long."]
    liked = dict.fromkeys((manner.name for manner in MANNERS), 0.1) | {"short": 0.9, "emoji": 0.9}
    assert newcomer.probability(liked) > newcomer.probability(liked | {"short": 0.1, "emoji": 0.1}) + 0.1
    assert population_of([]) == Population()


def test_the_most_informative_pair_differs_in_what_is_uncertain() -> None:
    person = Somebody(5, [("warm", True), ("emoji", True)], noise=0.0)
    taste = person.taught(10)
    same = dict.fromkeys((manner.name for manner in MANNERS), 0.1)
    candidates = [same, dict(same), same | {"emoji": 0.9, "warm": 0.9}, same | {"hedged": 0.9}]
    pair = most_informative_pair(taste, candidates, within=5.0)
    assert pair is not None
    assert {pair.first, pair.second} != {0, 1}
    gains = [information(taste, candidates[0], other) for other in candidates[1:]]
    assert gains[0] == pytest.approx(0.0, abs=1e-9)
    assert min(gains) >= -1e-9


def test_no_pair_is_shown_where_nothing_can_be_learned() -> None:
    taste = Taste.blank(MANNERS)
    same = dict.fromkeys((manner.name for manner in MANNERS), 0.5)
    assert most_informative_pair(taste, [same, dict(same)]) is None
    assert most_informative_pair(taste, [same]) is None
    assert most_informative_pair(taste, []) is None


def test_a_candidate_that_is_surely_worse_is_not_shown_for_learnings_sake() -> None:
    person = Somebody(9, [("warm", True)], noise=0.0)
    taste = person.taught(40)
    plain = dict.fromkeys((manner.name for manner in MANNERS), 0.05)
    warm = plain | {"warm": 0.95}
    pair = most_informative_pair(taste, [warm, plain | {"pirate": 0.95}, warm | {"hedged": 0.95}])
    assert pair is None or (pair.first, pair.second) == (0, 2)


def test_a_question_is_asked_where_it_is_among_the_best_of_its_number() -> None:
    def pair(gain: float) -> Pair:
        return Pair(first=0, second=1, information=gain)

    earlier = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert is_worth_showing(pair(0.75), earlier, every=8)
    assert not is_worth_showing(pair(0.65), earlier, every=8)
    assert is_worth_showing(pair(0.65), earlier, every=4)
    assert is_worth_showing(pair(0.01), [], every=8)
    assert not is_worth_showing(pair(0.9), earlier, every=0)
    assert not is_worth_showing(None, earlier, every=8)


def test_an_opinion_is_log_odds_and_sees_the_length_of_the_text() -> None:
    taste = people(1)[0].taught(20)
    answers = people(1)[0].judged(people(1)[0].reply())
    p = taste.probability(answers | plain_features("one two three"))
    assert taste.opinion(answers, "one two three") == pytest.approx(np.log(p / (1 - p)))
