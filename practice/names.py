"""Names of people, pets and boats: some common ones, and invented ones without end."""

from __future__ import annotations

import random

_COMMON = """
    Ada Ben Clara David Emma Finn Grace Hugo Ida Jonas Kira Leo Mia Noah Olga Paul Rosa Sam Tara Umar
    Vera Will Yara Zoe Alice Bob Carol Dan Eve Frank Gina Hana Igor Jana Karl Lena Max Nina Otto Priya
    Rashid Sara Tom Ursula Victor Wanda Xenia Yusuf Anna Bruno Chen Dora Elif Farid Greta Hans Ines Jack
    Kofi Luna Marco Nora Omar Petra Quentin Rita Sven Tina Ulf Viola Wim Yuki Zara Miso Pixel Rex Bella
    Kiki Momo Sunny Lucky Rocky Daisy
"""
COMMON = tuple(_COMMON.split())
_STARTS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "h",
    "j",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
    "",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ee", "ou", "y")
_ENDS = ("", "n", "l", "r", "s", "x", "m", "k", "nd", "ck", "t")


def invented_name(rng: random.Random) -> str:
    """A name that may never have been seen: it can only be repeated, not known."""
    if rng.random() < 0.3:
        return rng.choice(COMMON)
    syllables = rng.choice((1, 2, 2, 3))
    name = "".join(rng.choice(_STARTS) + rng.choice(_VOWELS) for _ in range(syllables)) + rng.choice(_ENDS)
    if len(name) < 3:  # "an" and "so" are words
        name += "lo"
    return name if rng.random() < 0.1 else name.capitalize()
