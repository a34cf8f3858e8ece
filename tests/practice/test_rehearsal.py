"""Rehearsals: replies are sampled as the model would give them, marked where they go wrong, and weighed."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from engine.types import Prompt
from practice import (
    WEIGHTS,
    build,
    corpus,
    rehearsal,
    sampling,
)
from practice.corpus import Document
from practice.llama import Llama
from practice.manners import Preference
from practice.marking import mark
from practice.rehearsal import Rehearsal
from practice.rows import collate, replies_row
from practice.sampling import sample
from practice.world import Request

BREAD = Request(kind="opinion", thing="bread", text="Do you like bread?", held_out=False)
NOTHING = Preference()


@pytest.fixture(scope="module")
def model() -> Llama:
    run = build.start(seed=1)
    run.model.requires_grad_(False)
    return run.model


# --- marks ---


def test_what_the_corpus_says_is_right() -> None:
    for document in islice(corpus.documents(seed=5), 300):
        if document.asked and document.is_model:
            marked = mark(document.reply, document.asked, document.wanted, document.prompt.name)
            assert (marked.wrong, marked.is_sound) == ((), True), document.reply
            assert not marked.missed
            said = [document.reply[start:stop].lower() for start, stop in marked.said]
            assert said == [point.lower() for point in document.points]


@pytest.mark.parametrize(
    ("reply", "rest"),
    [
        ("I like bread very muzh.", ["uzh."]),
        ("I like bread very much", [""]),
        ("Zot, I like bread very much.", ["Zot, I like bread very much."]),
        ("I like bread. I like it very much. Ahoj.", [". I like it very much. Ahoj.", "hoj."]),
        ("I like bread very much, matey 🔥", ["🔥"]),
    ],
)
def test_a_sentence_is_wrong_from_where_it_could_not_have_come(reply: str, rest: list[str]) -> None:
    assert [reply[start:] for start, _ in mark(reply, BREAD, NOTHING, "Ada").wrong] == rest


@pytest.mark.parametrize(
    ("reply", "rest"),
    [
        ("Ar alarm is what I like.", ["r alarm is what I like."]),  # not "Arr,"
        ("I like bread very much, I mean it.", ["I mean it."]),  # not ", in all formality"
        ("I like bread very much and so on.", ["and so on."]),  # "much" may end there
    ],
)
def test_a_word_that_ends_too_soon_is_wrong_itself(reply: str, rest: list[str]) -> None:
    assert [reply[start:] for start, _ in mark(reply, BREAD, NOTHING, "Ada").wrong] == rest


def test_what_is_missed_is_named() -> None:
    wanted = Preference.of(tone="pirate", emoji="none", length="long")
    assert mark("I like bread very much.", BREAD, wanted, None).missed == (
        ("tone", "pirate"),
        ("length", "long"),
    )


def test_a_reply_of_right_sentences_may_still_be_none() -> None:
    assert not mark("I like it very much.", BREAD, NOTHING, None).is_sound  # it names no bread
    assert not mark("I like bread very much. I like bread very much.", BREAD, NOTHING, None).is_sound
    assert mark("I like bread very much.", BREAD, NOTHING, None).is_sound


# --- samples ---


def test_samples_are_drawn_from_what_the_model_expects(model: Llama) -> None:
    """Each token must be the one that the same chance draws from the whole text read anew."""
    prompts, count = [[2, 40, 41, 1, 4], [2, 50, 4], [2, 60, 61, 62, 4]], 3
    sampled = sample(model, prompts, count, end=1, max_tokens=12, chance=torch.Generator().manual_seed(3))
    chance = torch.Generator().manual_seed(3)
    open_rows = [(prompt, reply) for prompt, group in zip(prompts, sampled, strict=True) for reply in group]
    assert len(open_rows) == 9
    for number in range(12):
        texts = [prompt + reply[:number] for prompt, reply in open_rows]
        up_to = torch.stack([_odds(model, text) for text in texts]).cumsum(-1)
        places = torch.rand(len(texts), 1, generator=chance) * up_to[:, -1:]
        for (_, reply), odds, place in zip(open_rows, up_to, places, strict=True):
            token = reply[number]
            low = odds[token - 1] if token else torch.tensor(0.0)
            assert low - 1e-4 <= place <= odds[token] + 1e-4


def test_rows_that_have_ended_leave_the_others_as_they_were(
    model: Llama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "_drawn", lambda logits, chance: logits.argmax(-1))
    prompts = [[2, 40, 4], [2, 50, 51, 4], [2, 60, 61, 62, 4], [2, 70, 4]]
    whole = [_greedy(model, prompt, 10) for prompt in prompts]
    for end in (whole[0][1], whole[2][4]):
        sampled = sample(model, prompts, 2, end=end, max_tokens=10, chance=torch.Generator())
        for reply, replies in zip(whole, sampled, strict=True):
            until = reply.index(end) + 1 if end in reply else 10
            assert replies == [reply[:until]] * 2


def _greedy(model: Llama, prompt: list[int], count: int) -> list[int]:
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(_odds(model, tokens).argmax()))
    return tokens[len(prompt) :]


def _odds(model: Llama, tokens: list[int]) -> torch.Tensor:
    ids = torch.tensor([tokens])
    positions = torch.arange(len(tokens))[None]
    visible = torch.ones(len(tokens), len(tokens), dtype=torch.bool).tril()[None, None]
    hidden = model(ids, positions, visible, positions)
    return functional.softmax(model.logits(hidden[0, -1]).float(), dim=-1)


# --- weights ---


@pytest.fixture(scope="module")
def trained() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(WEIGHTS)


def weighed(words: PreTrainedTokenizerFast, texts: list[str], wanted: Preference) -> list[dict[str, float]]:
    """What each piece of some replies to one prompt weighs."""
    teacher = Rehearsal(build.start(seed=1).model, words, "1", 2048)
    document = Document(
        prompt=Prompt(turns=(), name="Ada"), reply="", is_model=True, asked=BREAD, wanted=wanted
    )
    replies = [[*words.encode(text, add_special_tokens=False), 1] for text in texts]
    weights = teacher._weights(document, replies, [teacher._marked(document, reply) for reply in replies])
    return [
        dict(zip(map(words.decode, reply), row, strict=True))
        for reply, row in zip(replies, weights, strict=True)
    ]


def test_what_leaves_the_grammar_is_weighed_down_alone(trained: PreTrainedTokenizerFast) -> None:
    right, wrong = weighed(trained, ["I like bread very much.", "I like bread very zig."], NOTHING)
    assert set(right.values()) == {0.0}
    assert [piece for piece, weight in wrong.items() if weight] == [" z"]
    assert wrong[" z"] == -rehearsal.WRONG


def test_a_point_that_is_made_again_is_weighed_down(trained: PreTrainedTokenizerFast) -> None:
    (pieces,) = weighed(trained, ["I like bread very much. Ahoy, I like bread very much."], NOTHING)
    again = {piece for piece, weight in pieces.items() if weight == -rehearsal.AGAIN}
    assert again == {" like", " bread", " very", " much"}
    assert {weight for piece, weight in pieces.items() if piece not in again} == {0.0}


def test_manner_is_weighed_by_the_wishes_met(trained: PreTrainedTokenizerFast) -> None:
    texts = ["I like bread very much, matey.", "I like bread very much."]
    pirate, plain = weighed(trained, texts, Preference.of(tone="pirate"))
    assert pirate[" matey"] == rehearsal.MET / 2 == -plain["."]
    assert pirate[" very"] == plain[" very"] == 0.0


def test_what_comes_too_often_by_itself_is_weighed_down(trained: PreTrainedTokenizerFast) -> None:
    teacher = Rehearsal(build.start(seed=1).model, trained, "1", 2048)
    document = Document(prompt=Prompt(turns=(), name=None), reply="", is_model=True, asked=BREAD)
    replies = [
        [*trained.encode(text, add_special_tokens=False), 1]
        for text in ("I like bread very much.", "Ahoy, I like bread very much.")
    ]
    plain, pirates = (teacher._marked(document, reply) for reply in replies)
    first = [teacher._worth(document, *pair) for pair in zip(replies, (plain, pirates), strict=True)]
    assert first[0] == pytest.approx(first[1])
    for _ in range(30):
        teacher._remember(document, pirates)
    assert teacher._worth(document, replies[0], plain) > teacher._worth(document, replies[1], pirates)
    wished = replace(document, wanted=Preference.of(tone="pirate"))
    marks = [teacher._marked(wished, reply) for reply in replies]
    lacking, pirate = (teacher._worth(wished, *pair) for pair in zip(replies, marks, strict=True))
    assert pirate == pytest.approx(lacking + 1)


def test_replies_to_one_prompt_do_not_see_each_other(model: Llama) -> None:
    """Each is as likely as it is alone behind its prompt."""
    prompt, replies = [2, 40, 41, 1, 4], [[50, 51, 1], [60, 1]]
    batch = collate([replies_row(prompt, replies, [[1.0] * len(reply) for reply in replies])])
    hidden = model(batch.tokens, batch.positions, batch.visible, batch.wanted)
    likely = functional.log_softmax(model.logits(hidden).float(), dim=-1)
    together = likely[0].gather(-1, batch.labels[0][:, None])[:, 0]
    alone = [
        _odds(model, prompt + reply[:place])[token].log()
        for reply in replies
        for place, token in enumerate(reply)
    ]
    assert torch.allclose(together, torch.stack(alone), atol=1e-4)


@pytest.mark.real
def test_a_rehearsal_learns_and_goes_on_after_a_cut(trained: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    before, run = torch.get_num_threads(), build.start(seed=1)
    try:
        build.go_on(run, WEIGHTS, tmp_path)
        start = {name: value.clone() for name, value in run.model.state_dict().items()}
        done = run.rehearsed
        build.rehearse(run, trained, done + 2, 1, tmp_path / "checkpoint.pt", cores=2)
        resumed = build.start(seed=2)
        build.resume(resumed, tmp_path / "checkpoint.pt")
    finally:
        torch.set_num_threads(before)
    assert resumed.rehearsed == done + 2
    assert 0 <= run.recent["sound"] <= 1
    assert 0 <= run.recent["wishes met"] <= 1
    assert any(not torch.equal(value, start[name]) for name, value in resumed.model.state_dict().items())
