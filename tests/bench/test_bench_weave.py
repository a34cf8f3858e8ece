"""The bench of the search itself, on the scripted backend: every way answers and every figure comes out."""

from __future__ import annotations

from bench import weave as bench
from engine.backends.scripted import ScriptedBackend


async def test_every_way_of_answering_is_measured() -> None:
    backend = ScriptedBackend()
    measured = bench.Bench(backend, None)
    cases = bench.cases(2, seed=1)
    for case in cases:
        await measured.measure(case)
    ways = {"fast", "sequential", "best_equal_tokens", "best_equal_seconds", "weave", "auto"}
    figures = measured.figures()
    assert set(figures["utility"]) == ways  # type: ignore[call-overload]  # figures are for JSON, so objects
    for name in ("speedup_vs_sequential", "share_of_plain_generation", "judge_share"):
        assert isinstance(figures[name], float)
    for way in ways:
        assert len(measured.ways[way].seconds) == len(cases)
        assert max(measured.ways[way].tokens) > 0


def test_cases_are_held_out_and_the_model_is_not_told_the_wish() -> None:
    for case in bench.cases(5, seed=2):
        assert len(case.notes) == bench.WISHES
        assert not case.prompt.notes
    assert bench.cases(3, seed=2) == bench.cases(3, seed=2)
