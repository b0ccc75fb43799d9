"""Folders and files that are there completely or not at all.

Something new is written beside its place under a temporary name, forced to disk and renamed.
Something old loses its row first: a folder without a row counts for nothing and is swept. Knows
nothing about what the folders hold.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from uuid import uuid4

from lift_app.errors import LiftError
from lift_app.library import effects

TEMPORARY = ".tmp-"
"""Names that begin like this belong to no row and may be swept."""
RESERVE_BYTES = 50 * 2**20
"""What is left free on a disk: SQLite and the rest of the machine need some."""
_BLOCK = 1 << 20


def temporary(parent: Path, name: str) -> Path:
    """A name in `parent` that nobody else uses. Makes `parent`, but not the folder itself."""
    effects.make_folder(parent)
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


def require_room(folder: Path, size: int, what: str) -> None:
    """Look whether something fits on a disk before it is begun.

    Args:
        folder: where it will be written; it need not exist yet.
        size: bytes that it will take, at most.
        what: what cannot be done otherwise, for the error: "The book could not be kept".

    Raises:
        LiftError: it does not fit (code `disk_full`).
    """
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size + RESERVE_BYTES:
        raise LiftError(
            f"{what}: it needs {(size + RESERVE_BYTES) / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB "
            f"are free on the disk of {folder}. Nothing was changed; make room there, then try "
            "again.",
            code="disk_full",
        )


def copy_file(source: Path, target: Path) -> str:
    """Copy and force to disk; return the sha256 of what was copied, in hex."""
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        with source.open("rb") as reading:
            while block := reading.read(_BLOCK):
                digest.update(block)
                yield block

    effects.write_file(target, blocks())
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
        effects.sync(path)
    for path in folder.rglob("*"):
        if path.is_dir():
            effects.sync(path)
    effects.sync(folder)


def move(source: Path, target: Path) -> None:
    """Rename a folder and force the rename to disk. `target` must not exist."""
    effects.make_folder(target.parent)
    effects.rename(source, target)


def discard(doomed: Iterable[Path], what: str) -> None:
    """Remove folders whose rows are gone.

    Args:
        doomed: the folders; those that are not there are fine.
        what: what was deleted, for the error: "The book".

    Raises:
        LiftError: something is left of them (code `leftover`); a later sweep removes it.
    """
    left = []
    for folder in doomed:
        effects.remove(folder)
        if folder.exists():
            left.append(folder)
    if left:
        places = ", ".join(map(str, left))
        raise LiftError(
            f"{what} is off the shelf, but this could not be removed from the disk: {places}. "
            "It is tried again at the next start; or remove it yourself.",
            code="leftover",
        )
