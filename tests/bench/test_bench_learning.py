"""The learning bench's figures become the pictures that docs/learning.md shows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.learning import flat, snapshot
from bench.pictures import draw

SHARE = {"share": 0.8, "low": 0.7, "high": 0.9, "coherent": 0.95}
COST = {"seconds_median": 0.1, "prompt_tokens_mean": 40.0}
CONDITIONS = ("untaught", "memory_only", "lora_only", "both")


def test_what_was_measured_is_drawn_and_what_was_not_is_left_out(tmp_path: Path) -> None:
    group = dict.fromkeys(CONDITIONS, SHARE) | {f"{name}_cost": COST for name in CONDITIONS}
    measured = {"after_18": group, "after_54": {**group, "all_feedback_in_prompt": SHARE}}
    flipped = {"people": 6, "before": SHARE, "lora_only_after_1": SHARE, "lora_only_after_2": SHARE}
    half = {"people": 24, "silent_people": 0, **flat(measured)}
    assert [path.name for path in draw(half, tmp_path)] == ["learning-curve.png"]
    whole = {**half, "silent_people": 24, **flat({**measured, "silent_after_36": group, "flipped": flipped})}
    made = draw(whole, tmp_path)
    assert [path.name for path in made] == [
        "learning-curve.png",
        "learning-silent.png",
        "learning-changed-mind.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made)


def test_a_snapshot_of_the_store_stays_as_it_was(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "nightloom.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE said (text TEXT)")
        database.commit()
        snapshot(tmp_path, tmp_path / "then")
        database.execute("INSERT INTO said VALUES ('later')")
        database.commit()
    with closing(sqlite3.connect(tmp_path / "then" / "nightloom.db")) as copy:
        assert copy.execute("SELECT count(*) FROM said").fetchone() == (0,)
