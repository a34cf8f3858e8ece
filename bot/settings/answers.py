"""What runs the model, and what an answer may cost. Defaults that the engine has too are the engine's."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from bot.settings.section import Rank, Section
from engine.backends import defaults
from engine.types import Limits, Mode

_LIMITS: Final = Limits()


class BackendSettings(Section):
    kind: Literal["vllm", "servers", "scripted"] = Field(
        default="vllm",
        description="`vllm`: in process; `servers`: vLLM servers over HTTP; `scripted`: an echo, for tests",
    )
    urls: tuple[str, ...] = Field(
        default=(), description="with `servers`: the servers' addresses, as http://gpu1:8000"
    )
    max_context: int = Field(
        default=defaults.MAX_CONTEXT,
        ge=256,
        description="tokens of prompt and reply together, at most the model's own",
    )
    temperature: float | None = Field(
        default=None,
        gt=0,
        le=2,
        description="how freely replies are sampled; 1: as it was trained; default: its makers' advice",
    )
    top_p: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of the likeliest next tokens that are sampled from; default: its makers' advice",
    )
    top_k: int | None = Field(
        default=None,
        ge=0,
        description="how many of the likeliest next tokens are sampled from; 0: all; default: likewise",
    )
    repetition_penalty: float | None = Field(
        default=None,
        gt=0,
        le=2,
        description="above 1, words that were there already are less likely; default: likewise",
    )
    frequency_penalty: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="above 0, words are less likely the more often the reply holds them; default: likewise",
    )
    gpu_memory_share: float = Field(
        default=defaults.GPU_MEMORY_SHARE, gt=0, le=1, description="share of a GPU's memory that vLLM takes"
    )
    cpu_cache_gib: int = Field(
        default=defaults.CPU_CACHE_GIB, ge=1, description="GiB that vLLM's KV cache takes on a CPU"
    )
    max_loras: int = Field(
        default=defaults.MAX_LORAS,
        ge=1,
        description="LoRAs that answer at the same time; more are swapped in as needed",
    )
    max_lora_rank: Rank = Field(default=defaults.MAX_LORA_RANK, description="the largest rank that is served")
    start_timeout_s: float = Field(
        default=defaults.START_TIMEOUT_S,
        gt=0,
        description="with `servers`: seconds within which the first of them must answer",
    )
    delay_s: float = Field(default=0.0, ge=0, description="with `scripted`: seconds that each call takes")


class LimitSettings(Section):
    mode: Mode = Field(
        default=Mode.AUTO, description="how much search an answer gets: `fast`, `best`, `weave` or `auto`"
    )
    budget_tokens: int = Field(
        default=_LIMITS.budget_tokens, ge=16, description="tokens generated for one answer, over all branches"
    )
    deadline_s: float = Field(
        default=_LIMITS.deadline_s, gt=0, description="seconds after which the best answer so far is taken"
    )
    samples: int = Field(default=_LIMITS.samples, ge=1, le=64, description="whole samples in mode `best`")
    max_reply_tokens: int = Field(default=_LIMITS.max_reply_tokens, ge=1, description="tokens of one answer")
    max_message_chars: int = Field(default=16_000, ge=1, description="characters of one question or remark")
    messages_per_minute: int = Field(
        default=240, ge=1, description="questions and remarks of one person, in a minute"
    )
    waiting_per_person: int = Field(
        default=300, ge=1, description="of one person, that may wait to be answered"
    )
    waiting: int = Field(default=10_000, ge=1, description="of all people, that may wait to be answered")
    at_once: int = Field(default=32, ge=1, description="people who are answered at the same time")
    tries: int = Field(default=4, ge=1, description="how often an answer is tried before it is given up")
    conversation_gap_hours: float = Field(
        default=12.0,
        gt=0,
        description="on chat platforms, outside threads: silence after which a new conversation begins",
    )
