"""What the bot counts, for Prometheus. Knows no endpoint: the web chat serves it."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

MESSAGES = Counter("nightloom_messages_total", "Questions and remarks taken in", ["platform", "kind"])
REPLIES = Counter("nightloom_replies_total", "Answers recorded", ["platform", "mode"])
DELIVERIES = Counter("nightloom_deliveries_total", "Answers, by how sending ended", ["platform", "outcome"])
RATINGS = Counter("nightloom_ratings_total", "Reactions by the rating they amounted to", ["rating"])
TOKENS = Counter("nightloom_generated_tokens_total", "Tokens generated for answers", ["mode"])
ERRORS = Counter("nightloom_errors_total", "What went wrong", ["where", "kind"])
WAITING = Gauge("nightloom_waiting", "Questions and remarks that wait to be worked on")
WORKING = Gauge("nightloom_working", "Questions and remarks that are worked on")
UNSENT = Gauge("nightloom_unsent", "Answers that wait to be sent")
PHASES = Histogram(
    "nightloom_phase_seconds", "Seconds that each phase of an answer takes", ["phase"], buckets=SECONDS
)
