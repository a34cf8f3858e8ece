"""The practice model's tokenizer: byte-level BPE over its own corpus, and the plainest of chat templates."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from engine import wording
from practice import corpus

VOCABULARY = 3072
CONTEXT = 2048
PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
# A turn is its role, its text, and the end of turn, which also ends what is generated. Nothing stands between
# turns, so a question can be put straight behind the tokens of any reply, half-finished ones too.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train(seed: int, documents: int = 12_000) -> PreTrainedTokenizerFast:
    """A tokenizer for the corpus. `yes` and `no` are one token each, however they are spelled."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, SYSTEM, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed, documents), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def _texts(seed: int, documents: int) -> Iterator[str]:
    for document in islice(corpus.documents(seed), documents):
        for message in wording.messages(document.prompt, wording.CLASSIC):
            yield message["content"]
        yield document.reply
        for branch in document.branches:
            yield branch.said
            yield branch.answer
        yield from ("yes", "no", "Yes", "No", " yes", " no", " Yes", " No")
