"""Looks: when the guard looks at a lift, and what that costs. Torch-free, for the estimate."""

from __future__ import annotations

LOOKS = 4
"""Most looks in one reading of the book, evenly apart; the last one is after the last step."""
STEPS_APART = 24
"""Fewest steps between two looks in one reading, so that a short lift does not spend its time on
them."""
READINGS_APART = 12
"""Fewest steps between two looks where the book is read several times."""
TOKENS = 6_500
"""About what a probe reads at one strength."""
STRENGTHS_TRIED = 2.5
"""Strengths that a look tries, two or three."""
SHARE_READ = 0.6
"""About what of the probe is read at a strength: where harm is plain, a quarter."""


def looks_of(steps: int, readings: int = 1) -> int:
    """Looks in a lift of so many steps, in which the book is read so many times.

    They belong to a reading and not to the lift: one that goes on for too long is stopped as soon
    as one of the right length would have ended.
    """
    in_one = max(1, min(LOOKS, steps // readings // STEPS_APART))
    return max(1, min(readings * in_one, steps // READINGS_APART))


def tokens_read(steps: int, readings: int = 1) -> int:
    """About how many tokens the guard of such a lift reads at most, once without the adapter.

    A strength that harms the few general prompts is refused before any passage is read.
    """
    return round(TOKENS * (1 + STRENGTHS_TRIED * looks_of(steps, readings)))


def tokens_expected(steps: int, readings: int = 1) -> int:
    """About how many it reads, for an estimate: fewer where a lift does harm, more where none."""
    return round(TOKENS * (1 + SHARE_READ * STRENGTHS_TRIED * looks_of(steps, readings)))
