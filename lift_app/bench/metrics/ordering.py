"""Orders: how well an answer puts labelled events into their true order.

Two families. BAMBOO's concordance (the papers' "coordinate score") is the share of pairs in the
right order; an answer of the wrong length scores 0. LooGLE's four deviations measure how far an
order is off, 0 being right: location square (LSD), location mean (LMD), swap (SD) and swap distance
(SDD).

The released LooGLE script (Reorder/reorder_eval.py) computes each deviation and then overwrites it
with the largest one that so many events can have, so its figures depend on the number of events
alone: a perfect answer and a reversed one score the same. Here the deviation is kept, and only an
answer that is no order of the labels gets the largest one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, permutations
from math import comb

DEVIATIONS = ("lsd", "lmd", "sd", "sdd")


def said_order(answer: str, labels: Sequence[str]) -> list[str]:
    """The labels that an answer names, in its order, each once.

    Where the labels are numbers from 0 and the answer counts from 1, it is taken as meant.
    """
    if all(label.isdigit() for label in labels):
        found = list(dict.fromkeys(re.findall(r"\d+", answer)))
        from_one = {str(int(label) + 1) for label in labels}
        if set(found) == from_one != set(labels):
            return [str(int(label) - 1) for label in found]
        return found
    return [one for one in dict.fromkeys(re.findall(r"\b[IVX]+\b", answer)) if one in labels]


def concordance(said: Sequence[str], true: Sequence[str]) -> float:
    """Shared ordered pairs over all pairs, 0 to 1; an answer of the wrong length scores 0.

    Chance is 0.5 for an answer that is an order at all.
    """
    if len(said) != len(true) or len(true) < 2:
        return 0.0
    shared = set(combinations(said, 2)) & set(combinations(true, 2))
    return len(shared) / comb(len(true), 2)


def deviations(said: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """LooGLE's four deviations; those of the worst order if the answer is none."""
    if sorted(said) != sorted(true):
        return dict(zip(DEVIATIONS, _worst(len(true)), strict=True))
    places = tuple(said.index(label) for label in true)
    return dict(zip(DEVIATIONS, _deviations(places), strict=True))


def _deviations(places: tuple[int, ...]) -> tuple[float, float, float, float]:
    """Of a permutation: where each event of the true order was said."""
    off = [abs(place - here) for here, place in enumerate(places)]
    count = len(places)
    return (
        sum(one * one for one in off) / count,
        sum(off) / count,
        float(count - _cycles(places)),
        float(_swap_distance(list(places))),
    )


def _cycles(places: Sequence[int]) -> int:
    """A permutation of n events is sorted by n minus its number of cycles swaps, and no fewer."""
    seen: set[int] = set()
    cycles = 0
    for start in range(len(places)):
        if start in seen:
            continue
        cycles += 1
        while start not in seen:
            seen.add(start)
            start = places[start]
    return cycles


def _swap_distance(places: list[int]) -> int:
    """Distance over which events are swapped, when the swap that gains most a step comes first."""

    def gain(pair: tuple[int, int]) -> float:
        i, j = pair
        now = abs(places[i] - i) + abs(places[j] - j)
        then = abs(places[j] - i) + abs(places[i] - j)
        return (now - then) / (j - i)

    walked = 0
    while places != sorted(places):
        i, j = max(combinations(range(len(places)), 2), key=gain)
        places[i], places[j] = places[j], places[i]
        walked += j - i
    return walked


@lru_cache(maxsize=16)
def _worst(count: int) -> tuple[float, ...]:
    """The largest of each deviation; beyond seven events, those of the reversed order."""
    if count > 7:
        return _deviations(tuple(range(count))[::-1])
    every = (_deviations(places) for places in permutations(range(count)))
    return tuple(max(column) for column in zip(*every, strict=True))
