"""Short exchanges, made to order, that show a model what a set of wishes looks like."""

from engine.judging.demonstrations.exchanges import demonstrations

__all__ = ["demonstrations"]
