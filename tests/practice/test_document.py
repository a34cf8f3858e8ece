"""The page about the practice model says what was measured, and what was missed."""

from __future__ import annotations

from typing import Any

from practice.document import document

RATE = {"rate": 0.5, "low": 0.4, "high": 0.6}
HIGH = {"rate": 0.99, "low": 0.98, "high": 1.0}


def figures() -> dict[str, Any]:
    asked = {"all": 0.98, "tone": 0.99}
    critique = {"revised": HIGH, "kept_subject": HIGH, "kept_manners": HIGH, "noted": RATE}
    return {
        "coherent": HIGH,
        "about": HIGH,
        "ended": HIGH,
        "repeats": RATE,
        "even_handed": {"worst_value": "tone warm", "times_its_fair_share": 1.2},
        "fact_recalled": RATE,
        "follow_up_understood": RATE,
        "one_note": RATE,
        "one_note_by_dimension": {"tone": 0.5},
        "one_note_in_new_words": RATE,
        "one_note_in_new_words_by_dimension": {"tone": 0.4},
        "three_notes": RATE,
        "three_notes_in_new_words": RATE,
        "notes_for_other_kinds": {
            "change_in_points": -1.0,
            "its_value_comes_more_by_points": 2.0,
            "obeyed_where_it_applies": RATE,
        },
        "notes_for_one_kind": {"kept": RATE, "left_out": RATE},
        "three_liked_examples": {**RATE, "by_chance": 0.4},
        "critique": critique,
        "critique_in_new_words": critique,
        "judge_auc": {"whole": asked, "half": asked},
        "tuning": {"taught": "tone pirate", "before": 0.1, "after": 0.95, "seconds": 30.0},
        "tokens_per_second_at_64": 3500.0,
        "loads_without_warning": True,
    }


def test_a_target_is_called_missed_where_it_is_missed() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in document(figures(), n=10).splitlines()}
    assert rows["coherent"].endswith("| met |")
    assert rows["one note obeyed"].endswith("| missed |")
    assert rows["judge on whole replies"].endswith("| 0.980 | met |")
    assert "50.0% (40.0% to 60.0%)" in rows["three notes obeyed, all three"]


def test_the_page_says_how_many_prompts_it_rests_on() -> None:
    assert "rests on 10 prompts" in document(figures(), n=10).replace("\n", " ")
