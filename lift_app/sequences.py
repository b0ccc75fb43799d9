"""Sequences of token ids: how far they begin alike, and which are of one length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Sized


def shared_length(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with; each keeps at least one of its own."""
    longest = min(len(row) for row in rows) - 1
    first = rows[0]
    return next((i for i in range(longest) if any(row[i] != first[i] for row in rows)), longest)


def by_length(rows: Sequence[Sized]) -> list[list[int]]:
    """Positions of the rows of each length, so that no batch needs padding."""
    groups: dict[int, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        groups[len(row)].append(position)
    return list(groups.values())
