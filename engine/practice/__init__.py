"""The tiny model that ships, and the closed world it was trained on."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
