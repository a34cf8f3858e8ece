"""What is learned, by night and by day. Defaults that a training has too are the training's."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from bot.settings.section import Rank, Section
from engine.learning.lessons import Recipe

_RECIPE: Final = Recipe(model="")


class PlatformLearningSettings(Section):
    acknowledged: bool = Field(
        default=False,
        description="you have the right to train on what people write there; until then nothing is learned",
    )


class LearningSettings(Section):
    discord: PlatformLearningSettings = Field(
        default=PlatformLearningSettings(), description="learning on Discord"
    )
    slack: PlatformLearningSettings = Field(
        default=PlatformLearningSettings(), description="learning on Slack"
    )
    hour: int = Field(
        default=3,
        ge=0,
        le=23,
        description="the hour, in each person's own time zone, after which a night may begin",
    )
    min_feedback: int = Field(
        default=8, ge=1, description="new pieces of feedback that make a night worth its while"
    )
    replies: int = Field(
        default=48, ge=8, description="replies that a night makes for one person, to learn their notes from"
    )
    judged_pairs: int = Field(
        default=2,
        ge=0,
        description="requests that a night answers anew by search, to learn best over worst from",
    )
    evaluator: Literal["shared", "own"] = Field(
        default="shared",
        description="the judge's LoRA: `shared` with the person's answers, or its `own`, trained beside it",
    )
    gpu: Literal["share", "sleep"] = Field(
        default="share",
        description="on a GPU, while a training runs: vLLM may `share` the memory with it, or `sleep`",
    )
    passes: int = Field(
        default=_RECIPE.passes, ge=1, description="how often a night goes through what there is to learn"
    )
    rank: Rank = Field(
        default=_RECIPE.rank,
        description="rank of a LoRA; at most backend.max_lora_rank",
        validate_default=True,
    )
    rate: float | None = Field(
        default=_RECIPE.learning_rate, gt=0, description="learning rate; default: by the width of the model"
    )
    promote_at: float = Field(
        default=0.8, gt=0, lt=1, description="how probably better a new LoRA must be to go live"
    )
    keep: int = Field(default=4, ge=2, description="versions of a person's LoRA that stay on the disk")
    memory_gib: float = Field(default=_RECIPE.memory_gib, gt=0, description="GiB that the training may take")
    deadline_hours: float = Field(
        default=_RECIPE.deadline_s / 3600, gt=0, description="hours after which a training is ended"
    )


class MemorySettings(Section):
    budget_tokens: int = Field(
        default=768, ge=0, description="tokens of notes, facts and examples in a prompt"
    )
    max_notes: int = Field(
        default=24, ge=0, description="standing notes of one person that are active at once"
    )
    max_examples: int | None = Field(
        default=None,
        ge=0,
        description="earlier answers that are shown to the model; default: as it follows best",
    )


class ComparisonSettings(Section):
    one_in: int = Field(
        default=12, ge=0, description="of so many answers at most one shows two candidates; 0: never"
    )
