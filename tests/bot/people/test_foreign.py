"""What other programs keep of conversations, read as ours."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Refused
from bot.people.foreign import KNOWN_FORMS, found, read_many, read_one, tree
from bot.people.foreign.found import MAX_TURNS, TOO_MUCH
from bot.people.foreign.minihf_loom import patched
from bot.ratings import rating
from bot.records import MAX_TEXT_CHARS, Archive


def _read(document: Any) -> Archive:  # Any: whatever a file holds
    return read_one("file", json.dumps(document).encode()).archive


def _node(**values: Any) -> dict[str, Any]:
    return {
        "rating": None,
        "evaluationPrompt": "Is it good?",
        "children": [],
        "parent": None,
        "text": "",
        **values,
    }


def test_a_minihf_conversation_gives_rated_answers_with_what_went_before() -> None:
    nodes = {
        "1": _node(id="1", prompt="Hello."),
        "2": _node(id="2", prompt="Hello.", text="Hi there.", parent="1", rating=True),
        "3": _node(id="3", prompt="Hello.", text="What?", parent="1", rating=False),
        "4": _node(id="4", prompt="Go on.", parent="2"),
        "5": _node(id="5", prompt="Go on.", text="And so on.", parent="4"),
    }
    replies = {reply.text: reply for reply in _read({"responseDict": nodes, "focus": "5"}).replies}
    assert {text: rating(reply.reactions) for text, reply in replies.items()} == {
        "Hi there.": 4,
        "What?": 1,
        "And so on.": None,
    }
    assert [turn.text for turn in replies["And so on."].prompt.turns] == ["Hello.", "Hi there.", "Go on."]


def _patch(start: int, *diffs: tuple[int, str]) -> list[dict[str, Any]]:
    before = sum(len(text) for operation, text in diffs if operation <= 0)
    after = sum(len(text) for operation, text in diffs if operation >= 0)
    return [
        {
            "diffs": [list(diff) for diff in diffs],
            "start1": start,
            "start2": start,
            "length1": before,
            "length2": after,
        }
    ]


def test_a_loom_tree_gives_what_was_generated_after_what() -> None:
    nodes = {
        "1": {
            "id": 1,
            "type": "root",
            "patch": "",
            "parent": None,
            "rating": None,
            "timestamp": 1700000000000,
        },
        "2": {
            "id": "2",
            "type": "user",
            "patch": _patch(0, (1, "Once upon a time")),
            "parent": 1,
            "rating": None,
        },
        "3": {
            "id": "3",
            "type": "gen",
            "patch": _patch(12, (0, "time"), (1, " a llama sang.")),
            "parent": "2",
            "rating": True,
            "timestamp": 1700000000000,
        },
        "4": {
            "id": "4",
            "type": "gen",
            "patch": _patch(16, (1, " nothing was.")),
            "parent": "2",
            "rating": False,
        },
    }
    replies = _read({"loomTree": {"root": nodes["1"], "nodeStore": nodes}, "focus": nodes["3"]}).replies
    assert {reply.text: rating(reply.reactions) for reply in replies} == {
        " a llama sang.": 4,
        " nothing was.": 1,
    }
    assert {reply.prompt.turns[0].text for reply in replies} == {"Once upon a time"}
    assert replies[0].at.year == 2023


@settings(max_examples=100, deadline=None)
@given(st.text("abc🦙", max_size=12), st.text("abc🦙", max_size=6), st.integers(0, 12), st.integers(0, 4))
def test_a_patch_does_what_its_diffs_say(text: str, new: str, at: int, gone: int) -> None:
    at = min(at, len(text))
    old = text[at : at + gone]
    hunk = _patch(len(text[:at].encode("utf-16-le")) // 2, (0, ""), (-1, old), (1, new))
    assert patched(text, hunk) == text[:at] + new + text[at + len(old) :]


def test_a_patch_that_does_not_fit_is_none() -> None:
    assert patched("abc", _patch(0, (-1, "xyz"))) is None
    assert patched("abc", [{"diffs": "nonsense"}]) is None


def test_a_circle_of_parents_ends() -> None:
    nodes = {"1": _node(prompt="a", text="b", parent="2"), "2": _node(prompt="c", text="d", parent="1")}
    assert len(_read({"responseDict": nodes}).replies) == 2


def _loom(root: str, continued: int) -> dict[str, Any]:
    nodes: dict[str, Any] = {"root": {"type": "user", "patch": _patch(0, (1, root)), "parent": None}}
    for number in range(continued):
        added = _patch(len(root), (1, f" And {number}."))
        nodes[str(number)] = {"type": "gen", "patch": added, "parent": "root"}
    return {"loomTree": {"nodeStore": nodes}}


def test_of_a_loom_tree_only_the_texts_of_one_branch_are_held_at_a_time() -> None:
    document = _loom("x" * 150_000, 60)
    tracemalloc.start()
    try:
        assert len(_read(document).replies) == 60
        assert tracemalloc.get_traced_memory()[1] < 7_000_000  # all of them together are nine millions
    finally:
        tracemalloc.stop()


def test_nodes_in_a_circle_are_left() -> None:
    document = _loom("x", 1)
    document["loomTree"]["nodeStore"]["a"] = {"type": "gen", "patch": [], "parent": "a"}
    unpacked = read_one("file", json.dumps(document).encode())
    assert len(unpacked.archive.replies) == 1
    assert sum(left.count for left in unpacked.left) == 1


def test_of_texts_that_come_to_too_much_together_the_first_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "MAX_ALL_CHARS", 10_000)
    rows = [{"query": f"{number}", "response": "x" * 3_000} for number in range(5)]
    for document, taken in ((rows, 3), (_loom("x" * 1_000, 20), 4)):
        unpacked = read_one("file", json.dumps(document).encode())
        assert len(unpacked.archive.replies) == taken
        assert unpacked.left[0].why == TOO_MUCH


def test_a_conversation_of_too_many_nodes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_NODES", 2)
    nodes = {str(number): _node(prompt="a", text="b") for number in range(3)}
    with pytest.raises(Refused, match="more than 2 nodes"):
        _read({"responseDict": nodes})


def test_a_long_conversation_is_a_prompt_of_its_last_turns() -> None:
    nodes = {
        str(number): _node(prompt=f"q{number}", text=f"a{number}", parent=str(number - 1))
        for number in range(3_000)
    }
    replies = {reply.text: reply for reply in _read({"responseDict": nodes}).replies}
    turns = replies["a2999"].prompt.turns
    assert (len(turns), turns[-1].text, turns[-2].text) == (MAX_TURNS, "q2999", "a2998")


def test_an_answer_that_is_too_long_is_left_with_the_choice_between_it_and_another() -> None:
    mapping = {
        "q": _message("user", "a story", None),
        "a": _message("assistant", "x" * (MAX_TEXT_CHARS + 1), "q"),
        "b": _message("assistant", "Once.", "q"),
    }
    archive = _read({"mapping": mapping, "current_node": "a"})
    assert ([reply.text for reply in archive.replies], archive.choices) == (["Once."], ())


def test_minetuning_ratings_become_answers_ratings_and_critiques() -> None:
    archive = _read(
        [
            {"query": "a story", "response": "Once.", "rating": 3, "feedback": "i prefer llamas"},
            {"query": "a story", "response": "Twice.", "rating": "5", "feedback": ""},
            {"query": "a story", "response": "Thrice.", "rating": "⭐⭐", "feedback": None},
            {"query": "a story", "response": "Never.", "rating": None, "feedback": ""},
            {"query": "", "response": "?", "rating": 1, "feedback": ""},
        ]
    )
    assert [rating(reply.reactions) for reply in archive.replies] == [3, 5, 2, None]
    assert [teaching.text for teaching in archive.teachings] == ["i prefer llamas"]
    assert [note.text for note in archive.notes] == ["i prefer llamas"]


def _message(role: str, text: str, parent: str | None) -> dict[str, Any]:
    message = {
        "author": {"role": role},
        "content": {"content_type": "text", "parts": [text]},
        "create_time": 1.7e9,
    }
    return {"message": message, "parent": parent, "children": []}


def test_a_chatgpt_export_gives_conversations_and_which_answer_was_gone_on_from() -> None:
    mapping = {
        "0": {"message": None, "parent": None, "children": ["1"]},
        "1": _message("user", "Hello?", "0"),
        "2": _message("assistant", "Bad answer.", "1"),
        "3": _message("assistant", "Good answer.", "1"),
        "4": _message("user", "Go on.", "3"),
        "5": _message("assistant", "The end.", "4"),
        "6": {
            "message": {"author": {"role": "tool"}, "content": {"content_type": "code", "text": "x"}},
            "parent": "5",
        },
    }
    archive = _read([{"title": "t", "id": "c1", "mapping": mapping, "current_node": "5"}])
    assert [reply.text for reply in archive.replies] == ["Bad answer.", "Good answer.", "The end."]
    assert [turn.text for turn in archive.replies[2].prompt.turns] == ["Hello?", "Good answer.", "Go on."]
    assert [(choice.chosen, choice.rejected) for choice in archive.choices] == [
        ("Good answer.", "Bad answer.")
    ]


def test_texts_are_documents() -> None:
    archive = read_many(
        {"letters/one.txt": "Dear Ann, …".encode(), "two.md": "\ufeff# Two".encode("utf-8")}
    ).archive
    assert {(one.title, one.text) for one in archive.documents} == {("one", "Dear Ann, …"), ("two", "# Two")}


def test_reading_a_file_again_gives_the_same_records() -> None:
    document = [{"query": "a", "response": "b", "rating": 4, "feedback": "shorter"}]
    assert _read(document) == _read(document)


def test_what_cannot_be_read_is_named_and_the_rest_is_taken() -> None:
    unpacked = read_many(
        {
            "a.txt": b"hello",
            "b.bin": b"\xff\xfe\x00\xd8x",
            "c.json": b'{"a": 1}',
            "d.json": b"{",
            "e.txt": b" ",
        }
    )
    assert len(unpacked.archive.documents) == 1
    assert {left.what for left in unpacked.left} == {"b.bin", "c.json", "d.json", "e.txt"}


@pytest.mark.parametrize(
    "data", [b"", b"\x00\x01", b"{", b"[]", b"[" * 100_000, b'{"responseDict": {}}', b'{"loomTree": {}}']
)
def test_a_file_of_which_nothing_can_be_taken_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="I can read"):
        read_one("file", data)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
nodes = st.dictionaries(
    st.sampled_from(["1", "2", "3"]),
    st.dictionaries(
        st.sampled_from(["prompt", "text", "parent", "rating", "type", "patch", "message", "timestamp"]),
        json_values | st.sampled_from(["1", "2", 1]),
        max_size=6,
    )
    | json_values,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(
    st.builds(lambda n: {"responseDict": n}, nodes)
    | st.builds(lambda n: {"loomTree": {"nodeStore": n}}, nodes)
    | st.builds(lambda n, c: [{"mapping": n, "current_node": c}], nodes, json_values)
    | st.builds(
        lambda a, b, c: [{"query": a, "response": b, "rating": c}], json_values, json_values, json_values
    )
    | json_values
)
def test_no_json_does_more_than_be_refused(document: Any) -> None:
    try:
        unpacked = read_one("file", json.dumps(document).encode())
    except Refused:
        return
    assert unpacked.archive.counts()


def test_every_form_is_named_to_who_brings_another() -> None:
    for form in ("MiniHF", "MineTuning", "ChatGPT", "plain text"):
        assert form in KNOWN_FORMS
