"""Intervals: how sure a mean or a paired difference is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

RESAMPLES = 10_000


@dataclass(frozen=True)
class Pair:
    """The mean of `a - b` over the same questions, with a 95 % interval."""

    a: str
    b: str
    metric: str
    difference: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """A plain dict, numbers rounded to four places."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def bootstrap(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean, by resampling the values.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    draw = random.Random(seed)
    means = sorted(fmean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]


def paired(a: str, left: Sequence[float], b: str, right: Sequence[float], *, metric: str) -> Pair:
    """Compare two arms question by question.

    Args:
        a: name of the first arm.
        left: its values, one a question.
        b: name of the second arm.
        right: its values, in the same order.
        metric: what was measured.
    """
    differences = [x - y for x, y in zip(left, right, strict=True)]
    low, high = bootstrap(differences)
    return Pair(a, b, metric, fmean(differences), low, high)
