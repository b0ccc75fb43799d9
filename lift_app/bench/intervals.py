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


def bootstrap(
    values: Sequence[float], *, clusters: Sequence[str] | None = None, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of the mean, by resampling.

    Args:
        values: one a question.
        clusters: the document of each value. Questions of one document are not independent, so
            whole documents are drawn; with a single document, its questions.
        seed: of the draws.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    groups: dict[str, list[float]] = {}
    for place, value in enumerate(values):
        groups.setdefault(clusters[place] if clusters else str(place), []).append(value)
    if len(groups) == 1:
        return bootstrap(values, seed=seed) if len(values) > 1 else (values[0], values[0])
    sums = [(sum(group), len(group)) for group in groups.values()]
    draw = random.Random(seed)
    means = []
    for _ in range(RESAMPLES):
        drawn = draw.choices(sums, k=len(sums))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    means.sort()
    return means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]


def paired(
    a: str,
    left: Sequence[float],
    b: str,
    right: Sequence[float],
    *,
    metric: str,
    clusters: Sequence[str] | None = None,
) -> Pair:
    """Compare two arms question by question.

    Args:
        a: name of the first arm.
        left: its values, one a question.
        b: name of the second arm.
        right: its values, in the same order.
        metric: what was measured.
        clusters: the document of each question, as for `bootstrap`.
    """
    differences = [x - y for x, y in zip(left, right, strict=True)]
    low, high = bootstrap(differences, clusters=clusters)
    return Pair(a, b, metric, fmean(differences), low, high)
