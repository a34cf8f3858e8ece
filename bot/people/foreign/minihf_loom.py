"""Reads MiniHF's loom trees: `nodeStore` of id → {type, patch, rating, parent}.

A node's text is what the patches on the way to it make of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.people.foreign.found import TOO_MUCH, Found, Json, add_reply, clean, digest, string, time_of
from bot.people.foreign.tree import MAX_PROMPT_CHARS, check_number
from bot.records import MAX_TEXT_CHARS
from engine.types import Role, Turn


def read(document: Json, found: Found) -> None:
    store = document["loomTree"].get("nodeStore")
    nodes = (
        {str(key): node for key, node in store.items() if isinstance(node, dict)}
        if isinstance(store, dict)
        else {}
    )
    check_number(nodes)
    conversation = (
        f"loom:{digest(sorted((key, string(node.get('timestamp'))) for key, node in nodes.items()))}"
    )
    for key, before, after in _rendered(nodes, found):
        node = nodes[key]
        if node.get("type") in ("root", "user"):
            continue
        if before is None or after is None:
            found.left["loom nodes", "have a patch that does not apply"] += 1
        elif not before.strip() or not after.startswith(before) or not after[len(before) :].strip():
            found.left["loom nodes", "do not continue the text before them"] += 1
        else:
            add_reply(
                found,
                key=f"{conversation}:{key}"[:200],
                conversation=conversation,
                turns=[Turn(role=Role.USER, text=clean(before)[-MAX_PROMPT_CHARS:])],
                text=clean(after[len(before) :]),
                rating=node.get("rating"),
                at=time_of(node.get("timestamp"), per_second=1000),
            )


def _rendered(
    nodes: Mapping[str, Mapping[str, Json]], found: Found
) -> Iterator[tuple[str, str | None, str | None]]:
    """Each node with the text before it and its own; None where a patch on the way to it does not apply.

    One branch after the other: only the texts on the way to the present node are held.
    """
    children: dict[str | None, list[str]] = {}
    for key, node in nodes.items():
        parent = str(node.get("parent"))
        children.setdefault(parent if parent in nodes else None, []).append(key)
    waiting: list[tuple[str, str | None]] = [(key, "") for key in reversed(children.get(None, ()))]
    reached = 0
    while waiting:
        key, before = waiting.pop()
        reached += 1
        if not found.has_room(len(before or "")):
            found.left["loom nodes", TOO_MUCH] += 1
            continue
        after = None if before is None else patched(before, nodes[key].get("patch"))
        yield key, before, after
        waiting += [(child, after) for child in reversed(children.get(key, ()))]
    if reached < len(nodes):
        found.left["loom nodes", "go round in a circle, or hang on one that was left"] += len(nodes) - reached


def patched(text: str, patch: Json) -> str | None:
    """A text after the patches of diff-match-patch; None where one does not fit.

    Offsets count UTF-16 units, as JavaScript does.
    """
    if not isinstance(patch, list):
        return text
    units = _units(text)
    for hunk in patch:
        diffs = [_diff(diff) for diff in hunk.get("diffs", [])] if isinstance(hunk, dict) else [None]
        if any(diff is None for diff in diffs):
            return None
        known = [diff for diff in diffs if diff is not None]
        before = "".join(_units(piece) for operation, piece in known if operation <= 0)
        after = "".join(_units(piece) for operation, piece in known if operation >= 0)
        at = _nearest(units, before, _offset(hunk.get("start2")))
        if at is None or len(units) - len(before) + len(after) > MAX_TEXT_CHARS:
            return None
        units = units[:at] + after + units[at + len(before) :]
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _diff(diff: Json) -> tuple[int, str] | None:
    """One piece: an operation (-1, 0, 1) and a text; some versions write it as an object."""
    if isinstance(diff, dict):
        diff = [diff.get("0"), diff.get("1")]
    if isinstance(diff, list) and len(diff) == 2 and diff[0] in (-1, 0, 1) and isinstance(diff[1], str):
        return int(diff[0]), diff[1]
    return None


def _nearest(text: str, piece: str, at: int) -> int | None:
    """Where a piece stands in a text, nearest to where it is said to stand."""
    if not piece:
        return min(at, len(text))
    if text.startswith(piece, at):
        return at
    places = [place for place in (text.rfind(piece, 0, at + len(piece)), text.find(piece, at)) if place >= 0]
    return min(places, key=lambda place: abs(place - at), default=None)


def _units(text: str) -> str:
    """A text with each UTF-16 unit as a character of its own."""
    return "".join(map(chr, memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")))


def _offset(value: Json) -> int:
    return max(value, 0) if isinstance(value, int) else 0
