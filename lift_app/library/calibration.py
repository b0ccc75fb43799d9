"""Measurements worth keeping: how fast this machine is with a model, for honest estimates.

A small store of named dicts. What they mean is not known here.
"""

from __future__ import annotations

import json
from typing import Any

from lift_app.library.database import Database, now


class Calibration:
    """Named dicts, shared by all owners: they describe the machine, not a reader."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, name: str) -> dict[str, Any] | None:
        """What was kept under a name; None if nothing was."""
        with self._db.read() as connection:
            row = connection.execute(
                "SELECT value FROM calibration WHERE name = ?", [name]
            ).fetchone()
            return None if row is None else json.loads(row["value"])

    def set(self, name: str, value: dict[str, Any]) -> None:
        """Keep a dict under a name, in place of what was there."""
        with self._db.write() as database:
            database.table("calibration").upsert(
                {"name": name, "value": json.dumps(value), "updated": now()}, pk="name"
            )
