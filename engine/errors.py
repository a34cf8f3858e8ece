"""The errors that the engine raises.

EngineError
├── ModelError        the model cannot be loaded as configured: say why, exit
├── RequestError      this request failed; another may succeed
├── EngineDownError   the engine died; it is being restarted, ask again later
├── LoraError         a LoRA is damaged, unknown or does not fit the base
└── TrainingError     a training job could not finish
"""

from __future__ import annotations


class EngineError(Exception):
    """Something below the bot failed. The text says what to do next."""


class ModelError(EngineError):
    """The model cannot be loaded as configured."""


class RequestError(EngineError):
    """This one request failed."""


class EngineDownError(EngineError):
    """The engine is not running now; it restarts by itself."""


class LoraError(EngineError):
    """A LoRA is damaged, unknown or does not fit the base model."""


class TrainingError(EngineError):
    """A training job could not finish."""
