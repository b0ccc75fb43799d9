"""LooGLE's gaps: how many are filled exactly, and how many with at least one right word."""

from __future__ import annotations

import re
from collections.abc import Sequence


def filled(answer: str, masks: Sequence[str]) -> dict[str, str]:
    """What an answer puts into each gap: `<mask-0>: name`, as lines, a list or an object."""
    found = {}
    for mask in masks:
        pattern = rf"{re.escape(mask)}[\"']?\s*[:=]\s*[\"']?([^;\n,}}\"']+)"
        if (match := re.search(pattern, answer)) is not None:
            found[mask] = match[1].strip()
    if not found and len(masks) == 1:
        found[masks[0]] = answer.strip().rstrip(".")
    return found


def cloze(answer: str, golds: Sequence[str], masks: Sequence[str]) -> tuple[float, float]:
    """(exact match, partial match), each the share of the gaps, 0 to 1."""
    said = filled(answer, masks)
    pairs = [(said.get(mask, ""), gold) for mask, gold in zip(masks, golds, strict=True)]
    exact = sum(ours == gold for ours, gold in pairs)
    partial = sum(bool(set(ours.split()) & set(gold.split())) for ours, gold in pairs)
    return exact / len(pairs), partial / len(pairs)
