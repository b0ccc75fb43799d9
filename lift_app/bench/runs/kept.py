"""Kept: answers on disk as they come, one JSON line each, so that a killed run repeats nothing.

A record is found by the digest of everything that it depends on. Knows nothing of what is in it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest(parts: Any) -> str:
    """The digest of plain values, in hex."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Kept:
    """Records by digest. A line that a kill cut off is left out, and the next begins a new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
            for line in lines[:-1]:
                try:
                    row = json.loads(line)
                    self._known[row["of"]] = row["record"]
                except (ValueError, KeyError, TypeError):
                    continue
            if lines[-1]:
                with path.open("a", encoding="utf-8") as file:
                    file.write("\n")

    def get(self, of: str) -> dict[str, Any] | None:
        """The record of a digest, if there is one."""
        return self._known.get(of)

    def put(self, of: str, record: dict[str, Any]) -> None:
        """Keep a record; it is on disk when this returns."""
        self._known[of] = record
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"of": of, "record": record}, ensure_ascii=False) + "\n")
