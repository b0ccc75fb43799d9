"""Scores of an answer against gold answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence


def token_f1(answer: str, gold: str) -> float:
    """Token F1 as LongBench counts it: lower case, no punctuation, no articles; 0 to 1."""
    ours, theirs = _tokens(answer), _tokens(gold)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0


def best_f1(answer: str, golds: Sequence[str]) -> float:
    """Token F1 against the gold answer that fits best."""
    return max(token_f1(answer, gold) for gold in golds)


def _tokens(text: str) -> list[str]:
    bare = re.sub(r"[^\w\s]", "", text.lower())
    return [token for token in bare.split() if token not in {"a", "an", "the"}]
