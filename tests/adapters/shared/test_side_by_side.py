from __future__ import annotations

from dataclasses import replace

from adapters.shared import side_by_side
from bot.events import Action, ActionKind, Alternative, Outgoing, Place, Platform, Reply
from engine.types import Mode

REPLY = Reply(
    id="r",
    message="m",
    conversation="c",
    person="ann",
    text="one",
    mode=Mode.BEST,
    score=None,
    lora=None,
    seed=1,
    alternatives=(Alternative(id="b", text="two", score=0.0),),
)
WHY = Action(kind=ActionKind.WHY, label="Why?", target="r")
PLAIN = Outgoing(
    key="k",
    reply=REPLY,
    place=Place(platform=Platform.SLACK, channel="T/C"),
    question=None,
    actions=(WHY,),
)
COMPARISON = replace(PLAIN, reply=replace(REPLY, duel="b"))


def test_an_answer_alone_stays_as_it_is() -> None:
    assert side_by_side.text_of(PLAIN, "one") == "one"
    assert side_by_side.actions_of(PLAIN) == (WHY,)


def test_in_a_comparison_both_are_shown_and_either_can_be_taken() -> None:
    assert side_by_side.text_of(COMPARISON, "one") == "**A**\none\n\n**B**\ntwo"
    assert [(action.kind, action.target) for action in side_by_side.actions_of(COMPARISON)] == [
        (ActionKind.TAKE, "r/r"),
        (ActionKind.TAKE, "r/b"),
        (ActionKind.WHY, "r"),
    ]
