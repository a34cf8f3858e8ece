"""Log-odds of yes over no are finite and fair; a request that no backend can do is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.vllm_requests import check_request, log_odds
from engine.errors import RequestError


@given(st.lists(st.floats(min_value=1e-12, max_value=1), min_size=4, max_size=4))
def test_log_odds_are_finite_and_turn_their_sign_when_yes_and_no_change_places(shares: list[float]) -> None:
    total = sum(shares) + 1.0
    logprobs = {i: math.log(share / total) for i, share in enumerate(shares)}
    odds = log_odds(logprobs, [0, 1], [2, 3])
    assert math.isfinite(odds)
    assert log_odds(logprobs, [2, 3], [0, 1]) == pytest.approx(-odds)


def test_mass_that_is_on_neither_answer_pulls_towards_even() -> None:
    certain = log_odds({0: math.log(0.9), 1: math.log(0.1)}, [0], [1])
    unsure = log_odds({0: math.log(0.09), 1: math.log(0.01)}, [0], [1])
    assert certain == pytest.approx(math.log(9))
    assert unsure == pytest.approx(math.log(0.54 / 0.46))


@pytest.mark.parametrize(
    ("prefix", "n", "max_tokens"), [((), 1, 1), ((1,) * 64, 1, 1), ((1,), 0, 1), ((1,), 1, 0)]
)
def test_what_cannot_be_done_is_refused(prefix: tuple[int, ...], n: int, max_tokens: int) -> None:
    with pytest.raises(RequestError):
        check_request(prefix, 64, n=n, max_tokens=max_tokens)
