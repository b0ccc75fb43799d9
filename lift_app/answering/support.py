"""Support: whether a book answers a question at all.

Decided from the Lookup alone, so it is the same in every arm and costs no model time: what an
adapter remembers is held to the same text. Knows no prompt and no model.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_app.answering.lookup import Lookup

THRESHOLD = 0.53
"""Least support of the best sentence.

Chosen on development data: the sample book's 20 answerable questions (2 refused) and 10
unanswerable ones (all 5 about other things and 4 of 5 near misses declined); 20 further near
misses written for that book (about 65 % declined); children's tales, where questions are often
answered by implication (22 % of 200 refused, 95 % of questions about another tale and 94 % of
made-up near misses declined). The likelihood of the question given its best sentence, by the 135M
model, was worse than chance at telling near misses (area under the curve 0.26 against 0.86 for
this score), because it rewards the names they share; so no model is asked.
"""

NOT_SAID = "The book does not seem to say."
"""What a reader is told when the book does not support an answer."""


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
