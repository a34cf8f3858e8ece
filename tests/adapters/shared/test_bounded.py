from __future__ import annotations

from adapters.shared.bounded import BoundedDict


def test_the_oldest_entry_is_forgotten_and_a_set_entry_is_the_newest() -> None:
    numbers: BoundedDict[str, int] = BoundedDict(2)
    numbers["a"] = 1
    numbers["b"] = 2
    numbers["a"] = 3
    numbers["c"] = 4
    assert dict(numbers) == {"a": 3, "c": 4}
