"""Looks: when the guard looks at a lift, and what that costs. Torch-free, for the estimate."""

from __future__ import annotations

LOOKS = 4
"""Most looks in one reading of the book, evenly apart; the last one is after the last step."""
STEPS_APART = 24
"""Fewest steps between two looks in one reading, so that a short lift does not spend its time on
them."""
READINGS_APART = 12
"""Fewest steps between two looks where the book is read several times."""
TOKENS = 11_400
"""About what a probe reads at one strength."""
STRENGTHS_TRIED = 1.3
"""Strengths that a look tries, one or two."""


def looks_of(steps: int, readings: int = 1) -> int:
    """Looks in a lift of so many steps, in which the book is read so many times.

    They belong to a reading and not to the lift: one that goes on for too long is stopped as soon
    as one of the right length would have ended.
    """
    in_one = max(1, min(LOOKS, steps // readings // STEPS_APART))
    return max(1, min(readings * in_one, steps // READINGS_APART))


def tokens_read(steps: int, readings: int = 1) -> int:
    """About how many tokens the guard reads, once without the adapter.

    That once is for the first lift of a loaded model alone; later ones take less.
    """
    return round(TOKENS * (1 + STRENGTHS_TRIED * looks_of(steps, readings)))
