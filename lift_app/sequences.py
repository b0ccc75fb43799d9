"""Sequences of token ids that begin alike."""

from __future__ import annotations

from collections.abc import Sequence


def shared_length(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with; each keeps at least one of its own."""
    longest = min(len(row) for row in rows) - 1
    first = rows[0]
    return next((i for i in range(longest) if any(row[i] != first[i] for row in rows)), longest)
