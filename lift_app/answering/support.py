"""Support: whether a book answers a question at all.

Decided from the Lookup alone, so it is the same in every arm and costs no model time: what an
adapter remembers is held to the same text. Knows no prompt and no model.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_app.answering.lookup import Lookup

THRESHOLD = 0.45
"""Least support of the best sentence.

Refused with this value: none of the sample book's 20 development questions, 2 of 30 further
questions to it in quite other words than its own, 16 % of 200 questions to children's tales, which
are often answered by implication. Declined, as they should be: all 5 development questions about
other things and 9 of 10 further ones, 2 of 5 near misses and 11 of 20 further ones; of the tales
91 % of questions about another tale, 88 % of made-up near misses. With 0.53 near misses were
declined more often (4 of 5, 13 of 20), but 5 of the 30 reworded questions were refused, and 14 of
the 30 that are kept for reporting.

Three model signals were tried and left out. The likelihood of the question given the best
sentence was worse than chance at telling near misses (area under the curve 0.26 against 0.86 for
this score), because it rewards the names they share. Nearness of token embeddings in place of the
thesaurus made the areas slightly smaller. As a rank for citations that likelihood gained 1 or 2 of
30 questions and cost 4 s each.
"""


@dataclass(frozen=True)
class Support:
    """The verdict and what it rests on."""

    score: float
    """Support of the best sentence, 0 to 1; see `lookup.Scored.support`."""
    supported: bool
    reason: str
    """In a reader's words."""


def judge(lookup: Lookup) -> Support:
    """Decide whether a book supports an answer to a question.

    The best sentence must cover the question's words, weighed by rarity, its neighbours counting
    less; both halves count, the names and what is asked about them. A name that the book never
    mentions decides alone.
    """
    score = max((scored.support for scored in lookup.scored), default=0.0)
    for unit in lookup.units:
        if unit.name and not unit.found:
            return Support(score, False, "The book never mentions a name in the question.")
    if score < THRESHOLD:
        return Support(score, False, "No sentence of the book speaks of what is asked.")
    return Support(score, True, "A sentence of the book speaks of what is asked.")
