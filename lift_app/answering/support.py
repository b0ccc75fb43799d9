"""Support: whether a book answers a question at all.

Decided from the Lookup alone, so it is the same in every arm and costs no model time: what an
adapter remembers is held to the same text. Knows no prompt and no model.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_app.answering.lookup import Lookup
from lift_app.answering.manner import PLAIN


@dataclass(frozen=True)
class Support:
    """The verdict and what it rests on."""

    score: float
    """Support of the best sentence, 0 to 1; see `lookup.Scored.support`."""
    supported: bool
    reason: str
    """In a reader's words."""


def judge(lookup: Lookup, least: float = PLAIN.least_support) -> Support:
    """Decide whether a book supports an answer to a question.

    The best sentence must cover the question's words, weighed by rarity, its neighbours counting
    less; both halves count, the names and what is asked about them. A name that the book never
    mentions decides alone.

    Args:
        lookup: the question's sentences.
        least: support that the best of them must have.
    """
    score = max((scored.support for scored in lookup.scored), default=0.0)
    for unit in lookup.units:
        if unit.name and not unit.found:
            return Support(score, False, "The book never mentions a name in the question.")
    if score < least:
        return Support(score, False, "No sentence of the book speaks of what is asked.")
    return Support(score, True, "A sentence of the book speaks of what is asked.")
