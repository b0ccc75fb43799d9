"""Fits: curves through measured costs, where two of them cross, and where memory ends.

Lengths are tokens, costs seconds or bytes. Curves are polynomials by least squares, their
coefficients with the highest power first, as numpy has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """A polynomial cost."""

    coefficients: tuple[float, ...]

    def __call__(self, length: float) -> float:
        """The cost at a length."""
        return float(np.polyval(self.coefficients, length))

    def __add__(self, other: Curve) -> Curve:
        return Curve(tuple(float(c) for c in np.polyadd(self.coefficients, other.coefficients)))

    def __mul__(self, factor: float) -> Curve:
        return Curve(tuple(factor * c for c in self.coefficients))


def fit(lengths: Sequence[float], costs: Sequence[float], degree: int) -> Curve:
    """The curve of a degree that comes nearest; of a lower one where there are too few points.

    Raises:
        ValueError: there are no points.
    """
    if not lengths:
        raise ValueError("a curve needs at least one point")
    degree = min(degree, len(set(lengths)) - 1)
    return Curve(tuple(float(c) for c in np.polyfit(lengths, costs, degree)))


def crossing(below: Curve, above: Curve, *, after: float = 0.0) -> float | None:
    """The first length after which `below` costs less than `above`, if there is one.

    Where `below` is the cheaper from `after` on, that is the answer.
    """
    if below(after) < above(after):
        return after
    gap = np.polysub(below.coefficients, above.coefficients)
    roots = sorted(r.real for r in np.roots(gap) if abs(r.imag) < 1e-9 and r.real > after)
    return next((float(r) for r in roots if below(r * 1.001) < above(r * 1.001)), None)


def reaches(curve: Curve, limit: float) -> float | None:
    """The length at which a cost reaches a limit, such as the memory of a machine."""
    return crossing(Curve((limit,)), curve)
