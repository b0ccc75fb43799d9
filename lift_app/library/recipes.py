"""Recipes as jobs and adapters name them: each distinct one is kept once.

What the numbers in a recipe mean is not known here.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite_utils


def keep_recipe(database: sqlite_utils.Database, recipe: dict[str, Any]) -> str:
    """Store a recipe unless it is there; return the sha256 of its canonical JSON, in hex.

    Call it inside the transaction that stores the row which refers to it.
    """
    text = json.dumps(recipe, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    identity = hashlib.sha256(text.encode()).hexdigest()
    database.execute(
        "INSERT INTO recipes (hash, name, json) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [identity, str(recipe.get("name", "")), text],
    )
    return identity


def drop_unused_recipes(database: sqlite_utils.Database) -> None:
    """Forget recipes that no job and no adapter refers to."""
    database.execute(
        "DELETE FROM recipes WHERE hash NOT IN (SELECT recipe FROM jobs)"
        " AND hash NOT IN (SELECT recipe FROM adapters)"
    )
