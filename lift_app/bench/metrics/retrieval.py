"""Retrieval score of LongBench: of the numbers in an answer, the share that is the right one."""

from __future__ import annotations

import re
from collections.abc import Sequence


def retrieval(answer: str, golds: Sequence[str]) -> float:
    """0 to 1; 0 for an answer without a number.

    Args:
        answer: what was said.
        golds: such as `Paragraph 15`.

    Raises:
        ValueError: a gold answer has no number.
    """
    numbers = re.findall(r"\d+", answer)
    scores = []
    for gold in golds:
        if not (right := re.search(r"\d+", gold)):
            raise ValueError(f"the gold answer {gold!r} names no number")
        scores.append(numbers.count(right[0]) / len(numbers) if numbers else 0.0)
    return max(scores)
