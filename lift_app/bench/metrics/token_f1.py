"""Token F1 and exact match with LongBench's normalisation.

Lower case, ASCII punctuation and the articles dropped, white space collapsed, in that order; F1 on
multisets of tokens.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """A text as it is compared."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(answer: str, gold: str) -> float:
    """Token F1 of two texts, 0 to 1."""
    ours, theirs = normalise(answer).split(), normalise(gold).split()
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0


def best_f1(answer: str, golds: Sequence[str]) -> float:
    """Token F1 against the gold answer that fits best."""
    return max(token_f1(answer, gold) for gold in golds)


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 if the answer is one of the gold answers once both are normalised, otherwise 0."""
    said = normalise(answer)
    return float(any(said == normalise(gold) for gold in golds))
