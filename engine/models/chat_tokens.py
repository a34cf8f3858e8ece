"""A model's tokenizer and chat template: prompts, texts and questions to token ids, and back.

Knows no engine: both vLLM backends use it, the one over HTTP too, so that token ids travel and not text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine import wording
from engine.errors import ModelError
from engine.types import Layout, Prompt, TokenIds

_SENTINEL = "\u2402reply\u2403"
_WORD_JOINER = "\u2060"
_Message = dict[str, str]


class ChatTokens:
    """What `Backend` promises of encode, encode_text, encode_question and decode."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        try:
            # Any: transformers is not typed for our purposes.
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"The tokenizer in {folder} cannot be read: {error}") from error
        if not self._tokenizer.chat_template:
            raise ModelError(
                f"The model in {folder} has no chat template, so it cannot hold a conversation. "
                "Choose a model that was tuned for chat or for instructions."
            )
        specials = [re.escape(token) for token in self._tokenizer.all_special_tokens if token]
        self._special = re.compile("|".join(sorted(specials, key=len, reverse=True)) or r"(?!)")
        self._has_system = self._takes_system()
        self._own_system = self._system_of_template() if self._has_system else ""
        self.yes_ids = self._spellings("yes")
        self.no_ids = self._spellings("no")

    def encode(self, prompt: Prompt, layout: Layout) -> TokenIds:
        messages = wording.messages(prompt, layout)
        has_persona = bool(prompt.persona or layout.persona)
        return self._ids(self._render(messages if has_persona else self._introduced(messages)))

    def encode_text(self, text: str) -> TokenIds:
        return self._ids(self._plain(text))

    def encode_question(self, text: str) -> TokenIds:
        """A conversation is rendered around a sentinel reply; what follows the sentinel is wanted."""
        rendered = self._render(
            [
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": _SENTINEL},
                {"role": "user", "content": text},
            ]
        )
        _, found, after = rendered.partition(_SENTINEL)
        if not found or not after:
            raise ModelError("The model's chat template loses the assistant's words; choose another model.")
        return self._ids(after)

    def decode(self, token_ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text.replace(_WORD_JOINER, "")

    def _introduced(self, messages: list[_Message]) -> list[_Message]:
        """The template's own system message before ours, which would take its place."""
        first, *rest = messages
        if first["role"] != "system" or not self._own_system:
            return messages
        return [{**first, "content": f"{self._own_system}\n{first['content']}"}, *rest]

    def _render(self, messages: Sequence[_Message]) -> str:
        cleaned = [{**message, "content": self._plain(message["content"])} for message in messages]
        rendered: str = self._tokenizer.apply_chat_template(
            cleaned if self._has_system else _folded(cleaned),
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # templates that know no thinking ignore it
        )
        return rendered

    def _plain(self, text: str) -> str:
        """Special tokens that somebody typed are split, so that no text can pose as another's turn."""
        return self._special.sub(lambda found: found[0][0] + _WORD_JOINER + found[0][1:], text)

    def _ids(self, text: str) -> TokenIds:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _takes_system(self) -> bool:
        """Some templates refuse a system message, some drop it without a word."""
        messages = [{"role": "system", "content": _SENTINEL}, {"role": "user", "content": "?"}]
        try:
            return _SENTINEL in self._tokenizer.apply_chat_template(messages, tokenize=False)
        except Exception:  # noqa: BLE001 - a template is a program of its own and raises what it likes
            return False

    def _system_of_template(self) -> str:
        """The system message that the template writes where it is given none; empty where it writes none."""
        asked = [{"role": "user", "content": "?"}]
        told: str = self._tokenizer.apply_chat_template(
            [{"role": "system", "content": _SENTINEL}, *asked], tokenize=False
        )
        untold: str = self._tokenizer.apply_chat_template(asked, tokenize=False)
        before, _, after = told.partition(_SENTINEL)
        is_between = untold.startswith(before) and untold.endswith(after)
        return untold[len(before) : len(untold) - len(after)].strip() if is_between else ""

    def _spellings(self, word: str) -> tuple[int, ...]:
        """Every single token that reads as the word, with a space before it or not, in any case."""
        tokens: dict[str, int] = self._tokenizer.get_vocab()
        found = tuple(sorted(i for text, i in tokens.items() if text.lstrip(" Ġ▁").lower() == word))
        if not found:
            raise ModelError(
                f"The model's tokenizer has no single token for {word!r}: it cannot judge replies."
            )
        return found


def _folded(messages: Sequence[_Message]) -> list[_Message]:
    """The system message as the opening of the first turn."""
    if messages[0]["role"] != "system":
        return list(messages)
    system, first, *rest = messages
    return [{"role": first["role"], "content": f"{system['content']}\n\n{first['content']}"}, *rest]
