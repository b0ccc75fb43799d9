"""Results: what `lift bench run` has left in the bench's home, found for a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def find_result(
    home: Path, suite: str, filled: Callable[[Mapping[str, Any]], int]
) -> dict[str, Any] | None:
    """The run of a suite that fills most cells, the newest of equals; None without one.

    One run a column: arms of different runs may have had different documents.

    Args:
        home: of the bench.
        suite: its name.
        filled: how many cells a run fills.
    """
    best: tuple[int, float, dict[str, Any]] | None = None
    for path in (home / "results").glob(f"{suite}-*.json"):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            have = filled(result)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a run was killed while it wrote this
        rank = (have, path.stat().st_mtime)
        if have and (best is None or rank > best[:2]):
            best = (*rank, result)
    return best[2] if best else None
