"""Folders and files that are there completely or not at all.

Something new is written beside its place under a temporary name, forced to disk and renamed;
something old is renamed away before it is removed. Knows nothing about what the folders hold.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from uuid import uuid4

from lift_app.errors import LiftError

TEMPORARY = ".tmp-"
"""Names that begin like this belong to no row and may be swept."""
_BLOCK = 1 << 20


def temporary(parent: Path, name: str) -> Path:
    """A name in `parent` that nobody else uses. Makes `parent`, but not the folder itself."""
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return parent / f"{TEMPORARY}{name[:16]}-{uuid4().hex}"


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an error of the operating system into one that a reader understands.

    Raises:
        LiftError: `what`, and why (code `disk_full` where that is the reason).
    """
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise LiftError(
            f"{what}: {error.strerror or error}{place}. Nothing was changed; "
            "check the disk's free space and your right to write there, then try again.",
            code="disk_full" if error.errno == ENOSPC else None,
        ) from error


def copy_file(source: Path, target: Path) -> str:
    """Copy and force to disk; return the sha256 of what was copied, in hex."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while block := reading.read(_BLOCK):
            digest.update(block)
            writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """(name with forward slashes, path) of everything below `folder` that is no plain folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix(), path


def subfolders(folder: Path) -> list[Path]:
    """The folders directly in `folder`, by name; none where it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def safe_name(text: str) -> str:
    """A folder name that stands for any text, and for no other one."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sync_tree(folder: Path) -> None:
    """Force every file of a folder, and the folders, to disk."""
    for _, path in files_in(folder):
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    for path in folder.rglob("*"):
        if path.is_dir():
            _sync_folder(path)
    _sync_folder(folder)


def move(source: Path, target: Path) -> None:
    """Rename a folder and force the rename to disk. `target` must not exist."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.rename(target)
    _sync_folder(target.parent)
    if source.parent != target.parent:
        _sync_folder(source.parent)


class Trash:
    """Folders that go when the rows that named them are gone, and come back if they are not.

    Use: `put` inside the transaction that deletes the rows, then `empty` after it, or `restore`
    where it failed.
    """

    def __init__(self) -> None:
        self._moved: list[tuple[Path, Path]] = []

    def put(self, folder: Path) -> None:
        """Rename a folder away, if it is there."""
        if folder.exists():
            aside = temporary(folder.parent, folder.name)
            move(folder, aside)
            self._moved.append((folder, aside))

    def restore(self) -> None:
        """Put everything back."""
        while self._moved:
            folder, aside = self._moved.pop()
            move(aside, folder)

    def empty(self) -> None:
        """Remove for good. What cannot be removed now is left for a sweep."""
        while self._moved:
            _, aside = self._moved.pop()
            shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and needs no fsync of one.
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
