"""Needle found: every word that must be said is in the answer, whatever their case."""

from __future__ import annotations

from collections.abc import Sequence


def needle_found(answer: str, keywords: Sequence[str]) -> float:
    """1 if all keywords are in the answer, otherwise 0."""
    said = " ".join(answer.lower().split())
    return float(all(keyword.lower() in said for keyword in keywords))
