"""Rows: a question on a branch is what the product asks, token for token, and sees nothing else."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from engine import wording
from practice import corpus, rows, tokenizer
from practice.build import architecture
from practice.corpus import Document
from practice.llama import Llama
from practice.report import auc
from practice.rows import Encoder, collate


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    return tokenizer.train(seed=1, documents=300)


@pytest.fixture(autouse=True)
def _no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_shifted", lambda length, *_: list(range(length)))


def judged_document(rng: random.Random) -> Document:
    while True:
        document = corpus.document(rng)
        if any(branch.is_judgement and branch.share < 1 for branch in document.branches):
            return document


def test_yes_and_no_are_single_tokens(words: PreTrainedTokenizerFast) -> None:
    for word in ("yes", "no", "Yes", "No", " yes", " no", " Yes", " No"):
        assert len(words.encode(word, add_special_tokens=False)) == 1


def test_texts_survive_the_tokenizer(words: PreTrainedTokenizerFast) -> None:
    for text in ("Ahoy, bread is filling. 🔥\n- two", "Zürich, 東京, \t ok", " leading"):
        assert words.decode(words.encode(text, add_special_tokens=False)) == text


def test_a_branch_reads_as_the_product_would_ask(words: PreTrainedTokenizerFast) -> None:
    rng = random.Random(1)
    encoder = Encoder(words)
    for _ in range(20):
        document = judged_document(rng)
        row = encoder.row(document, rng)
        reply = encoder.text(document.reply)
        for number, branch in enumerate(document.branches, start=1):
            if branch.is_gist:
                continue
            cut = max(1, round(branch.share * len(reply))) if branch.share else 0
            asked = [
                *wording.messages(document.prompt, wording.CLASSIC),
                {"role": "assistant", "content": words.decode(reply[:cut])},
                {"role": "user", "content": branch.said},
            ]
            seen = _path(row, number)
            expected = encoder.chat(asked)
            assert seen[: len(expected)] == expected


def test_a_gist_sees_nothing_but_the_end_of_the_prompt(words: PreTrainedTokenizerFast) -> None:
    rng = random.Random(3)
    encoder = Encoder(words)
    gists = 0
    for _ in range(20):
        document = judged_document(rng)
        prompt = encoder.chat(wording.messages(document.prompt, wording.CLASSIC))
        batch = collate([row := encoder.row(document, rng)])
        for number, branch in enumerate(document.branches, start=1):
            if branch.is_gist:
                gists += 1
                last = int(np.flatnonzero(row.segments == number)[-1])
                seen = batch.visible[0, 0, last] & torch.from_numpy(row.segments != number)
                assert seen.nonzero().flatten().tolist() == [len(prompt) - 1]
    assert gists > 3


def test_training_sees_what_transformers_would(words: PreTrainedTokenizerFast) -> None:
    """The branched row gives the very logits that the plain conversation gives in transformers."""
    torch.manual_seed(0)
    rng = random.Random(2)
    model = Llama(architecture())
    plain = LlamaForCausalLM(architecture()).float()
    plain.load_state_dict(
        {f"model.{name}": value for name, value in model.state_dict().items()}, strict=False
    )
    plain.tie_weights()
    document = judged_document(rng)
    row = Encoder(words).row(document, rng)
    batch = collate([row])
    everywhere = torch.arange(len(row))[None]
    with torch.inference_mode():
        branched = model.logits(model(batch.tokens, batch.positions, batch.visible, everywhere))[0]
        for number in range(int(row.segments.max()) + 1):
            if number and document.branches[number - 1].is_gist:
                continue  # no plain conversation hides its beginning
            path = _path(row, number)
            last = int(np.flatnonzero(row.segments == number)[-1])
            expected = plain(torch.tensor([path])).logits[0, -1]
            torch.testing.assert_close(branched[last], expected, atol=1e-4, rtol=1e-4)


def test_only_what_the_model_says_is_learned(words: PreTrainedTokenizerFast) -> None:
    rng = random.Random(4)
    document = judged_document(rng)
    encoder = Encoder(words)
    row = encoder.row(document, rng)
    learned = words.decode(row.labels[(row.segments == 0) & (row.weights > 0)])
    assert learned == (document.reply + tokenizer.END if document.is_model else "")
    for number, branch in enumerate(document.branches, start=1):
        answer = words.decode(row.labels[(row.segments == number) & (row.weights > 0)])
        assert answer.removesuffix(tokenizer.END) == branch.answer


def test_auc_counts_ties_as_half() -> None:
    assert auc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert auc([4, 3, 2, 1], [False, False, True, True]) == 0.0
    assert auc([1, 1, 1, 1], [False, True, False, True]) == 0.5


def _path(row: rows.Row, segment: int) -> list[int]:
    """The tokens from the root to the end of a segment, as a plain conversation."""
    own = row.segments == segment
    if segment == 0:
        return [int(token) for token in row.tokens[own]]
    trunk = np.flatnonzero(row.segments == 0)[: int(row.trunk_end[own][0])]
    return [int(token) for token in (*row.tokens[trunk], *row.tokens[own])]
