"""How a model is served where nobody says otherwise. Imports no backend."""

from __future__ import annotations

from typing import Final

MAX_CONTEXT: Final = 4096  # tokens of prompt and reply together; less where the model reads less
MAX_LORAS: Final = 8  # in one batch: old and new versions of everybody who talks at once
MAX_LORA_RANK: Final = 16
GPU_MEMORY_SHARE: Final = 0.85
CPU_CACHE_GIB: Final = 1
START_TIMEOUT_S: Final = 900
