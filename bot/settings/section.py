"""What every section of the settings has in common: it is frozen, and an unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _number(written: Any) -> Any:  # Any: whatever is written
    return int(written) if isinstance(written, str) and written.isdecimal() else written


# A LoRA's rank, as vLLM takes it. The environment writes it as text.
Rank: TypeAlias = Annotated[Literal[8, 16, 32, 64, 128, 256], BeforeValidator(_number)]
