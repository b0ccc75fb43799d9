"""Figure 4: where a needle is found, by length and true depth, in four arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from lift_app.bench.arms import Plan, find_arms
from lift_app.bench.runs.run import collect, describe
from lift_app.bench.suites import niah
from lift_app.reader import Reader

ARMS = "ICL,LIFT_only,LIFT+ICL,LIFT+ICL+evidence"


def measure(
    reader: Reader,
    folder: Path,
    *,
    lengths: Sequence[int],
    depths: Sequence[float],
    recipe: str,
    values: dict[str, Any],
    count: Callable[[str], int],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Ask for the needle in every cell and arm.

    Args:
        reader: with a home of the bench's own.
        folder: essays and `needles.json`.
        lengths: of the haystacks, in tokens of the model.
        depths: shares of the haystack before the needle.
        recipe: of the lifts.
        values: fields of it to change.
        count: tokens of a text.
        progress: told what is being done.

    Returns:
        `arms`, `lengths`, `depths`, `cells` ([{"arm", "length", "depth", "true_length",
        "true_depth", "found", "nll"}]), `found` (share by arm, in per cent), `run`.
    """
    needle = niah.read_needle(folder)
    hays = list(niah.haystacks(folder, count, lengths=lengths, depths=depths))
    documents = [hay.document(needle) for hay in hays]
    by_id = {document.id: hay for document, hay in zip(documents, hays, strict=True)}
    plan = Plan(find_arms(ARMS), recipe, values, {})
    found = collect(reader, documents, plan, progress)
    cells: list[dict[str, Any]] = []
    for one in found.scored:
        hay = by_id[one.document]
        cells.append(
            {
                "arm": one.arm,
                "length": hay.length,
                "depth": hay.depth,
                "true_length": hay.true_length,
                "true_depth": round(hay.true_depth, 4),
                "found": one.scores["found"],
                "nll": round(one.said.nll, 4),
            }
        )
    arms = ARMS.split(",")
    return {
        "arms": arms,
        "lengths": sorted(lengths),
        "depths": list(depths),
        "cells": cells,
        "found": {
            arm: round(100 * fmean(c["found"] for c in cells if c["arm"] == arm), 1) for arm in arms
        },
        "run": describe(reader, plan, found),
    }
