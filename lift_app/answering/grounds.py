"""Grounds: whether an answer that was written stands on the book.

Support decides before anything is generated, from the question alone; a near miss, asked in words
of the book, gets past it. The answer then betrays itself: it only repeats the question, or brings
a number or names that the passages do not hold. Knows no prompt and no model.
"""

from __future__ import annotations

import re

from lift_app.answering.kinds import answer_kind, has_kind
from lift_app.answering.lookup import Lookup
from lift_app.answering.numbers import numbers_in
from lift_app.answering.terms import content_terms, stems

LEAST_SHARE = 0.5
"""Least share of an answer's own words that the looked-up sentences must hold."""

_COUNTED = ("number", "age", "colour")
"""Kinds of answer that show in the answer itself: without a number, no "how many"."""

_POLAR = re.compile(
    r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b", re.IGNORECASE
)


def stands(answer: str, question: str, lookup: Lookup) -> bool:
    """Whether an answer stands on what was looked up for its question.

    Args:
        answer: as the model wrote it.
        question: a yes-or-no question may be answered without a word of its own.
        lookup: the sentences that speak of the question, whether the model saw them or not.
    """
    held: set[str] = set()
    counted: set[float] = set(numbers_in(question))
    for sentence in lookup.sentences:
        held |= sentence.stems
        counted |= numbers_in(sentence.text)
    if not numbers_in(answer) <= counted:
        return False
    if _POLAR.match(question.strip()):
        return True
    asked = frozenset(stems(question))
    own = [term for term in content_terms(answer) if term.stem not in asked]
    if not own:
        return False
    kind = answer_kind(question)
    if kind is not None and kind.name in _COUNTED:
        counts = kind.name != "colour" and numbers_in(answer) - numbers_in(question)
        if not counts and not has_kind(answer, kind, asked):
            return False
    words = [term for term in own if not numbers_in(term.word)]
    return sum(term.stem in held for term in words) >= LEAST_SHARE * len(words)
