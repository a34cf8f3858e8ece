"""Replies of the model while it is trained, many to each of a few prompts. What is served, vLLM samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from practice.llama import Attention, Llama

FEWER = 0.6  # rows that have ended are dropped when no more than this share is left


@torch.no_grad()
def sample(
    model: Llama,
    prompts: Sequence[Sequence[int]],
    count: int,
    *,
    end: int,
    max_tokens: int,
    chance: torch.Generator,
) -> list[list[list[int]]]:
    """`count` replies to each prompt, with the token that ends them where there was room for it."""
    device = model.embed_tokens.weight.device
    replies: list[list[int]] = [[] for _ in range(len(prompts) * count)]
    rows = torch.arange(len(replies), device=device)
    cache, hidden = _read(model, prompts, count, max_tokens)
    hidden = hidden.repeat_interleave(count, dim=0)
    for number in range(max_tokens):
        tokens = _drawn(model.logits(hidden).float(), chance)
        for row, token in zip(rows.tolist(), tokens.tolist(), strict=True):
            if not replies[row] or replies[row][-1] != end:
                replies[row].append(token)
        is_open = torch.tensor([replies[row][-1] != end for row in rows.tolist()], device=device)
        if not is_open.any():
            break
        if is_open.float().mean() <= FEWER:
            rows, tokens = rows[is_open], tokens[is_open]
            cache.keep(is_open)
        hidden = _next(model, tokens, cache, number)
    return [replies[first : first + count] for first in range(0, len(replies), count)]


@dataclass(slots=True)
class _Cache:
    """Keys and values of each layer: of every prompt once for the `count` rows that share it, and of each
    row's own tokens."""

    count: int
    lengths: Tensor  # of the prompts
    unseen: Tensor  # what is added to the odds of a prompt's padding
    prompts: list[tuple[Tensor, Tensor]]  # [prompt, head, position, size]
    own: list[tuple[Tensor, Tensor]]  # [row, head, position, size]

    def keep(self, kept: Tensor) -> None:
        group = torch.arange(len(kept), device=kept.device)[kept] // self.count
        self.count = 1
        self.lengths, self.unseen = self.lengths[group], self.unseen[group]
        self.prompts = [(keys[group], values[group]) for keys, values in self.prompts]
        self.own = [(keys[kept], values[kept]) for keys, values in self.own]


def _read(
    model: Llama, prompts: Sequence[Sequence[int]], count: int, max_tokens: int
) -> tuple[_Cache, Tensor]:
    """The cache behind the prompts and the hidden state at the end of each."""
    device = model.embed_tokens.weight.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    tokens = torch.zeros(len(prompts), int(lengths.max()), dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt, device=device)
    positions = torch.arange(tokens.shape[1], device=device).expand_as(tokens)
    bias = torch.full((tokens.shape[1],) * 2, -1e4, device=device).triu(1)
    cosine, sine = model.rotation(positions)
    hidden, kept = model.embed_tokens(tokens), []
    for layer in model.layers:
        normed = layer.input_layernorm(hidden)
        query, key, value = _projected(layer.self_attn, normed, cosine, sine)
        kept.append((key, value))
        mixed = torch.softmax(query @ key.mT + bias, dim=-1) @ value
        hidden = hidden + layer.self_attn.o_proj(mixed.transpose(1, 2).flatten(2))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    last = model.norm(hidden[torch.arange(len(prompts), device=device), lengths - 1])
    unseen = torch.where(positions < lengths[:, None], 0.0, -1e4)[:, None, None, :]
    key = kept[0][0]
    room = (len(prompts) * count, key.shape[1], max_tokens, key.shape[3])
    own = [(key.new_empty(room), key.new_empty(room)) for _ in kept]
    return _Cache(count=count, lengths=lengths, unseen=unseen, prompts=kept, own=own), last


def _next(model: Llama, tokens: Tensor, cache: _Cache, number: int) -> Tensor:
    """The hidden state behind one more token of each row, the `number`th."""
    positions = (cache.lengths.repeat_interleave(cache.count) + number)[:, None]
    cosine, sine = model.rotation(positions)
    hidden = model.embed_tokens(tokens)[:, None]
    for layer, prompt, own in zip(model.layers, cache.prompts, cache.own, strict=True):
        query, key, value = _projected(layer.self_attn, layer.input_layernorm(hidden), cosine, sine)
        own[0][:, :, number], own[1][:, :, number] = key[:, :, 0], value[:, :, 0]
        grouped = query.view(-1, cache.count, *query.shape[1:]).squeeze(3).transpose(1, 2)
        shared = (grouped @ prompt[0].mT + cache.unseen).transpose(1, 2).flatten(0, 1)[:, :, None]
        single = query @ own[0][:, :, : number + 1].mT
        odds = torch.softmax(torch.cat((shared, single), dim=-1), dim=-1)
        of_prompt, of_own = odds.split((shared.shape[-1], number + 1), dim=-1)
        grouped = of_prompt.view(-1, cache.count, *of_prompt.shape[1:]).squeeze(3).transpose(1, 2)
        mixed = (grouped @ prompt[1]).transpose(1, 2).flatten(0, 1)[:, :, None]
        mixed = mixed + of_own @ own[1][:, :, : number + 1]
        hidden = hidden + layer.self_attn.o_proj(mixed.transpose(1, 2).flatten(2))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    normed: Tensor = model.norm(hidden[:, 0])
    return normed


def _drawn(logits: Tensor, chance: torch.Generator) -> Tensor:
    """One token of each row. On a CPU `torch.multinomial` takes four times as long."""
    up_to = torch.softmax(logits, dim=-1).cumsum(dim=-1)
    places = torch.rand(len(logits), 1, generator=chance).to(logits.device) * up_to[:, -1:]
    return torch.searchsorted(up_to, places, right=True)[:, 0].clamp_max(logits.shape[-1] - 1)


def _projected(
    attention: Attention, hidden: Tensor, cosine: Tensor, sine: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values as [row, head, position, size], all in the precision of the values."""
    query = attention.asked(hidden, cosine, sine)
    key, value = attention.remembered(hidden, cosine, sine)
    query, key = query.to(value.dtype), key.to(value.dtype)
    return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
