"""A Llama written for training on documents with branches, layer by layer the same as transformers' own.

Its parameters carry the names of `LlamaForCausalLM`, so what it learns is loaded there, by vLLM and by
PEFT without conversion. What it leaves out (caching, generation) makes it train faster on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import LlamaConfig


class Llama(nn.Module):
    """Token ids, their positions and what each may see → the hidden states before the head.

    Given only where an answer is learned (`wanted`: positions in each row), since the last layer is needed
    nowhere else.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = Norm(config)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = (2 * config.num_hidden_layers) ** -0.5 if name.endswith(_WRITERS) else 1.0
                nn.init.normal_(parameter, std=0.02 * deep)

    def forward(self, tokens: Tensor, positions: Tensor, visible: Tensor, wanted: Tensor) -> Tensor:
        cosine, sine = self.rotation(positions)
        bias = torch.zeros(visible.shape, device=visible.device).masked_fill_(~visible, -1e4)
        hidden = self.embed_tokens(tokens)
        for layer in self.layers[:-1]:
            hidden = layer(hidden, cosine, sine, bias)
        normed: Tensor = self.norm(self.layers[-1](hidden, cosine, sine, bias, wanted))
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.embed_tokens.weight)

    def rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the rotary embedding, as [row, position, 1, head size]."""
        size = self.config.head_dim
        frequencies = 1.0 / 10_000 ** (torch.arange(0, size, 2, device=positions.device).float() / size)
        angles = positions[:, :, None, None].float() * frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()


_WRITERS = ("o_proj.weight", "down_proj.weight")


class Norm(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.hidden_size))
        self.epsilon = config.rms_norm_eps

    def forward(self, hidden: Tensor) -> Tensor:
        scale = torch.rsqrt(hidden.square().mean(-1, keepdim=True) + self.epsilon)
        return hidden * scale * self.weight


class Layer(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.input_layernorm = Norm(config)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = Norm(config)
        self.mlp = Mlp(config)

    def forward(
        self, hidden: Tensor, cosine: Tensor, sine: Tensor, bias: Tensor, wanted: Tensor | None = None
    ) -> Tensor:
        mixed = self.self_attn(self.input_layernorm(hidden), cosine, sine, bias, wanted)
        hidden = mixed + (hidden if wanted is None else at(hidden, wanted))
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Attention(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.heads, self.size = config.num_attention_heads, config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, self.heads * self.size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, self.heads * self.size, bias=False)
        self.o_proj = nn.Linear(self.heads * self.size, config.hidden_size, bias=False)

    def forward(
        self, hidden: Tensor, cosine: Tensor, sine: Tensor, bias: Tensor, wanted: Tensor | None
    ) -> Tensor:
        key, value = self.remembered(hidden, cosine, sine)
        if wanted is not None:
            hidden, cosine, sine = at(hidden, wanted), at(cosine, wanted), at(sine, wanted)
            bias = at(bias[:, 0], wanted)[:, None]
        query = self.asked(hidden, cosine, sine)
        query, key = query.to(value.dtype).transpose(1, 2), key.to(value.dtype).transpose(1, 2)
        # Written out, because the fused CPU kernel's backward pass is the slowest part of a training step.
        scores = torch.matmul(query, key.transpose(2, 3)).add_(bias)
        mixed = torch.matmul(
            torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype), value.transpose(1, 2)
        )
        projected: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(*hidden.shape[:2], -1))
        return projected

    def remembered(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, as [row, position, head, size]."""
        return _rotated(self._split(self.k_proj(hidden)), cosine, sine), self._split(self.v_proj(hidden))

    def asked(self, hidden: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Queries, as [row, position, head, size], scaled."""
        return _rotated(self._split(self.q_proj(hidden)), cosine, sine) * self.size**-0.5

    def _split(self, projected: Tensor) -> Tensor:
        return projected.view(*projected.shape[:2], self.heads, self.size)


class Mlp(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        projected: Tensor = self.down_proj(functional.silu(self.gate_proj(hidden)) * self.up_proj(hidden))
        return projected


def _rotated(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = heads.float().chunk(2, dim=-1)
    return heads * cosine + torch.cat((-second, first), dim=-1) * sine


def at(values: Tensor, wanted: Tensor) -> Tensor:
    """The values of each row at the positions wanted of it."""
    rows, length = values.shape[:2]
    flat = (wanted + torch.arange(rows, device=wanted.device)[:, None] * length).flatten()
    return values.flatten(0, 1).index_select(0, flat).view(*wanted.shape, *values.shape[2:])
