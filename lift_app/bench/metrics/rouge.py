"""ROUGE-L: F of the longest common subsequence, without stemming, by the package rouge-score.

LongBench's own script uses the package `rouge`, which splits at white space alone and so takes
"end." and "end" for two words; numbers differ by a point or so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1)
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False)


def rouge_l(answer: str, golds: Sequence[str]) -> float:
    """ROUGE-L F against the reference that fits best, 0 to 1."""
    return max(_scorer().score(gold, answer)["rougeL"].fmeasure for gold in golds)
