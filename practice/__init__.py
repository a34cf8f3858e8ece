"""The toy: a tiny model of a closed small world, and how it was trained. Not installed with the product."""

from engine.models.catalogue import PRACTICE as WEIGHTS

__all__ = ["WEIGHTS"]
