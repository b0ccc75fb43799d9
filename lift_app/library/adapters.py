"""The shelf of adapters: published completely or not at all, and checked byte by byte.

An adapter is a folder `adapters/<key>/` with a manifest, and a row that holds the sha256 of every
file in it. What is in the files is not known here.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from lift_app.errors import LiftError, NotFound
from lift_app.library import effects, folders
from lift_app.library.books import quarantine_of
from lift_app.library.database import Database, now
from lift_app.library.recipes import drop_unused_recipes, keep_recipe
from lift_app.settings import Settings

MANIFEST = "manifest.json"
_SELECT = "SELECT adapters.*, recipes.json FROM adapters JOIN recipes ON hash = recipe"


@dataclass(frozen=True)
class AdapterRow:
    """What the shelf knows of an adapter."""

    key: str
    owner: str
    book_id: str
    model: str
    recipe: dict[str, Any]
    bytes: int
    created: str
    """ISO 8601, UTC."""
    files: dict[str, str]
    """Name -> sha256 in hex, the manifest among them."""
    summary: dict[str, Any]
    """What the lift said of itself: steps, loss, tokens_trained, seconds, segments."""

    def strength(self, default: float) -> float:
        """The strength to use it at: no more than its guard found harmless."""
        guard = self.summary.get("guard")
        return min(default, guard["strength"]) if guard else default

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)


class Adapters:
    """The adapters of one owner."""

    def __init__(self, db: Database, settings: Settings, owner: str) -> None:
        self._db = db
        self._settings = settings
        self._owner = owner

    def staging_folder(self, key: str) -> Path:
        """Make an empty folder to write an adapter into, for `publish` to take.

        Raises:
            LiftError: it cannot be made.
        """
        with folders.explained("The adapter could not be put on the shelf"):
            staged = folders.temporary(self._settings.adapters, key)
            effects.make_folder(staged)
        return staged

    def find(self, key: str) -> AdapterRow | None:
        """The adapter of this key, if it is on the shelf."""
        with self._db.read() as connection:
            row = connection.execute(
                f"{_SELECT} WHERE key = ? AND owner = ?", [key, self._owner]
            ).fetchone()
            return None if row is None else _adapter_row(row)

    def keys_of_all(self) -> set[str]:
        """The keys on every owner's shelf."""
        with self._db.read() as connection:
            return {row[0] for row in connection.execute("SELECT key FROM adapters")}

    def for_book(self, book_id: str, model: str | None = None) -> list[AdapterRow]:
        """The adapters of a book, the newest first; only those for `model` where it is named."""
        return [row for row in self.list() if row.book_id == book_id and model in (None, row.model)]

    def folder(self, key: str) -> Path:
        """Where the files of an adapter are. Does not look whether they are there."""
        return self._settings.adapters / key

    def publish(
        self,
        key: str,
        staged: Path,
        *,
        book_id: str,
        model: str,
        recipe: dict[str, Any],
        summary: dict[str, Any],
    ) -> AdapterRow:
        """Put a finished adapter on the shelf; `staged` is gone afterwards, whatever happens.

        A process killed at any point leaves either the whole adapter or a folder that `sweep`
        removes. A key that is on the shelf and undamaged stays as it is.

        Args:
            key: what the adapter is called; the same key means the same adapter.
            staged: a folder from `staging_folder`, holding at least one plain file and no links.
            book_id: the owner's book that was lifted.
            model: identity of the base model.
            recipe: the resolved recipe.
            summary: what the lift says of itself, kept in the row and in `manifest.json`.

        Raises:
            NotFound: the book was deleted meanwhile.
            LiftError: it cannot be written (code `disk_full` where that is the reason).
            ValueError: `staged` did not come from `staging_folder`, or holds nothing or a link.
        """
        if staged.parent != self._settings.adapters:
            raise ValueError(f"{staged} is not in the folder of adapters")
        try:
            if (shelved := self._intact(key)) is not None:
                return shelved
            with folders.explained("The adapter could not be put on the shelf"):
                files = self._describe(key, staged, book_id, model, recipe, summary)
                folders.sync_tree(staged)
                values = {
                    "key": key,
                    "owner": self._owner,
                    "book_id": book_id,
                    "model": model,
                    "bytes": sum(path.stat().st_size for _, path in folders.files_in(staged)),
                    "files": json.dumps(files),
                    "summary": json.dumps(summary),
                    "created": now(),
                }
                self._place(key, staged, values, recipe)
        finally:
            effects.remove(staged)
        row = self.find(key)
        if row is None:
            raise NotFound("The book was deleted while its adapter was being put on the shelf.")
        return row

    def verify(self, key: str) -> AdapterRow:
        """Hash every file again and compare with the row.

        Raises:
            NotFound: no such adapter.
            LiftError: a file is changed, missing or extra (code `damaged`). The adapter is off
                the shelf then and its folder in quarantine.
        """
        row = self.find(key)
        if row is None:
            raise NotFound(f"No adapter {key[:12]} is on the shelf.")
        fault = _fault(self.folder(key), row.files)
        if fault is None:
            return row
        what = f"The adapter of this book is damaged ({fault}) and could not be put into quarantine"
        with folders.explained(what), self._db.write() as database:
            database.execute("DELETE FROM adapters WHERE key = ?", [key])
            if self.folder(key).is_dir():
                place = quarantine_of(self._settings, self._owner, row.book_id)
                folders.move(self.folder(key), place / f"{key}-{uuid4().hex[:8]}")
        raise LiftError(
            f"The adapter of this book is damaged: {fault}. It was put into quarantine and the "
            "book itself is unharmed; learn the book again.",
            code="damaged",
        )

    def delete(self, key: str) -> None:
        """Take an adapter off the shelf and remove its files.

        Raises:
            NotFound: no such adapter.
            LiftError: it could not be deleted, or a file of it is left (code `leftover`).
        """
        with self._db.write() as database:
            deleted = database.execute(
                "DELETE FROM adapters WHERE key = ? AND owner = ?", [key, self._owner]
            )
            if deleted.rowcount == 0:
                raise NotFound(f"No adapter {key[:12]} is on the shelf.")
            drop_unused_recipes(database)
        with self._db.write() as database:
            again = database.execute("SELECT 1 FROM adapters WHERE key = ?", [key])
            if again.fetchone() is None:
                served = self._settings.server_folder / key
                folders.discard([self.folder(key), served], "The adapter")

    def sweep(self) -> list[str]:
        """Remove folders that no owner's row names, and rows whose folder is gone.

        Returns the names removed. Only for the one process that may train: it would remove the
        folder that another one is just writing.
        """
        removed = []
        with self._db.write() as database:
            keys = {row[0] for row in database.execute("SELECT key FROM adapters")}
            for folder in folders.subfolders(self._settings.adapters):
                if folder.name not in keys:
                    effects.remove(folder)
                    removed.append(folder.name)
            # Only in the home: elsewhere other homes may write as well.
            for folder in folders.subfolders(self._settings.home / "served"):
                if folder.name not in keys and not folder.name.startswith("start-"):
                    effects.remove(folder)
                    removed.append(folder.name)
            for key in sorted(keys):
                if not self.folder(key).is_dir():
                    database.execute("DELETE FROM adapters WHERE key = ?", [key])
                    removed.append(key)
            # Damaged adapters hold what was learned of a book: they go when it goes.
            books = database.execute("SELECT owner, id FROM books").fetchall()
            wanted = {quarantine_of(self._settings, *book) for book in books}
            for owner in folders.subfolders(self._settings.home / "quarantine"):
                for folder in set(folders.subfolders(owner)) - wanted:
                    effects.remove(folder)
                    removed.append(folder.name)
        return removed

    def _intact(self, key: str) -> AdapterRow | None:
        """The adapter of this key if it is on the shelf and passes `verify`."""
        try:
            return self.verify(key)
        except LiftError:
            return None

    def _describe(
        self,
        key: str,
        staged: Path,
        book_id: str,
        model: str,
        recipe: dict[str, Any],
        summary: dict[str, Any],
    ) -> dict[str, str]:
        """Write the manifest; return the sha256 of every file, the manifest's too."""
        hashes, sizes = {}, {}
        for name, path in folders.files_in(staged):
            if path.is_symlink() or not path.is_file():
                raise ValueError(f"{name} is not a plain file")
            if name != MANIFEST:
                hashes[name], sizes[name] = folders.hash_file(path), path.stat().st_size
        if not hashes:
            raise ValueError("an adapter must hold at least one file")
        content = {
            "key": key,
            "owner": self._owner,
            "book": book_id,
            "model": model,
            "recipe": recipe,
            "summary": summary,
            "files": {name: {"sha256": hashes[name], "bytes": sizes[name]} for name in hashes},
        }
        path = staged / MANIFEST
        text = json.dumps(content, indent=2, sort_keys=True) + "\n"
        effects.replace_file(path, [text.encode("utf-8")])
        return hashes | {MANIFEST: folders.hash_file(path)}

    def _place(
        self, key: str, staged: Path, values: dict[str, Any], recipe: dict[str, Any]
    ) -> None:
        """Rename the folder and insert the row in one transaction.

        A kill after the rename and before the commit leaves a folder without a row, which nothing
        finds and `sweep` removes.
        """
        folder = self.folder(key)
        try:
            with self._db.write() as database:
                known = database.execute(
                    "SELECT key FROM adapters WHERE key = ? UNION ALL "
                    "SELECT id FROM books WHERE owner = ? AND id = ?",
                    [key, self._owner, values["book_id"]],
                ).fetchall()
                if known != [(values["book_id"],)]:
                    return  # published by somebody else, or the book is gone
                values["recipe"] = keep_recipe(database, recipe)
                database.table("adapters").insert(values)
                effects.remove(folder)
                folders.move(staged, folder)
        except BaseException:
            if not staged.exists():
                effects.remove(folder)
            raise

    # Last, because `list` in an annotation below it would mean this method.
    def list(self) -> list[AdapterRow]:
        """All adapters, the newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                # Not by time: a clock that is set back must not make the newest one old.
                f"{_SELECT} WHERE owner = ? ORDER BY adapters.rowid DESC",
                [self._owner],
            )
            return [_adapter_row(row) for row in rows]


def _fault(folder: Path, files: dict[str, str]) -> str | None:
    """What is wrong with a folder, in a few words; None if nothing is."""
    if not folder.is_dir():
        return "its folder is missing"
    there = dict(folders.files_in(folder))
    for name in sorted(files.keys() | there.keys()):
        if name not in there:
            return f"{name} is missing"
        if name not in files:
            return f"{name} does not belong to it"
        if there[name].is_symlink() or not there[name].is_file():
            return f"{name} is not a plain file"
        if folders.hash_file(there[name]) != files[name]:
            return f"{name} is not what was saved"
    return None


def _adapter_row(row: sqlite3.Row) -> AdapterRow:
    return AdapterRow(
        key=row["key"],
        owner=row["owner"],
        book_id=row["book_id"],
        model=row["model"],
        recipe=json.loads(row["json"]),
        bytes=row["bytes"],
        created=row["created"],
        files=json.loads(row["files"]),
        summary=json.loads(row["summary"]),
    )
