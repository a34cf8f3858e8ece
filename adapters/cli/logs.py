"""What the service says of itself: for people in a terminal, as JSON lines elsewhere.

Every line about a message carries its id. At info level and above no line holds what a person wrote.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from bot.settings import LogSettings

# Libraries that tell at info level what only their authors want to know.
QUIET = (
    "aiohttp",
    "alembic",
    "apscheduler",
    "asyncio",
    "discord",
    "httpx",
    "slack_bolt",
    "slack_sdk",
    "vllm",
)


def configure(settings: LogSettings) -> None:
    """Send our own log and that of the libraries to stderr, in one form."""
    is_human = settings.form == "human" or (settings.form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_human else "iso", utc=not is_human),
    ]
    # Local variables hold what people wrote.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if is_human
        else [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
