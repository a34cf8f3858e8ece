"""When `auto` grows trees for a person, and when it stops."""

from __future__ import annotations

from bot.per_person import ANSWERS, PEOPLE, Reliability
from engine.judging.rubric import Question, Rubric
from engine.types import Mode, TreeNode
from tests.bot.conftest import StartBot

# Wishes that exclude each other, so that more than a few samples are always made.
NEVER = Rubric(
    questions=(
        Question(name="good", text="Is it good?", is_wish=True),
        Question(name="not good", text="Is it good?", weight=-1, is_wish=True),
    )
)


def tree(*, is_right: bool) -> list[TreeNode]:
    """Twelve half-finished branches, which come to what the judge thought of them, or to the contrary."""
    nodes = [TreeNode(id=0, parent=None, text="", score=0.0, is_finished=False, is_chosen=False)]
    for number in range(12):
        end = float(number if is_right else -number)
        for parent, score, is_finished in ((0, float(number), False), (len(nodes), end, True)):
            nodes.append(
                TreeNode(
                    id=len(nodes),
                    parent=parent,
                    text="",
                    score=score,
                    is_finished=is_finished,
                    is_chosen=False,
                )
            )
    return nodes


def test_it_is_not_known_before_a_tree_was_grown() -> None:
    reliability = Reliability()
    assert reliability.of("ann") is None
    reliability.saw("ann", tree(is_right=True))
    assert reliability.of("ann") == 1.0
    assert reliability.of("bob") is None


def test_what_was_measured_is_forgotten_after_so_many_answers() -> None:
    reliability = Reliability()
    reliability.saw("ann", tree(is_right=False))
    for _ in range(ANSWERS - 1):
        reliability.saw("ann", [])
    assert reliability.of("ann") == 0.0
    reliability.saw("ann", [])
    assert reliability.of("ann") is None


def test_those_who_were_answered_last_are_remembered() -> None:
    reliability = Reliability()
    for number in range(PEOPLE + 1):
        reliability.saw(f"p{number}", tree(is_right=True) if number < 2 else [])
        reliability.saw("p1", [])
    assert reliability.of("p0") is None
    assert len(reliability._seen) == PEOPLE


async def test_a_person_whose_judge_is_poor_gets_whole_samples(start_bot: StartBot) -> None:
    async with start_bot(rubric=NEVER) as bot:
        first = await bot.ask("hello")
        assert first.replies[0].mode is Mode.WEAVE
        for _ in range(10):
            bot.context.caches.reliability.saw("ann", tree(is_right=False))
        second = await bot.ask("hello again")
        assert second.replies[0].mode is Mode.BEST
        bot.context.caches.reliability.forget(lambda person: person == "ann")
        third = await bot.ask("and again")
        assert third.replies[0].mode is Mode.WEAVE
