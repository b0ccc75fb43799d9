"""Container: the folder or zip that a parcel from outside comes in. Nothing in it is trusted.

A parcel is flat: a few plain files and no folders, so there is no path to follow. Files are copied
one by one under names of our own, counted while they are read. Knows nothing of what is in them.
"""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

from lift_app.errors import CallerError
from lift_app.library import effects
from lift_app.reading.archive import BROKEN_ZIP
from lift_app.reading.characters import one_line

MOST_FILES = 16
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
"""Endings of files that can run foreign code when they are opened."""
_BLOCK = 1 << 20


class Container:
    """The files of a parcel. Open one with `open_container`."""

    def __init__(self, sizes: dict[str, int], where: Path | zipfile.ZipFile) -> None:
        self.sizes = sizes
        """Name -> bytes, as they are declared."""
        self._where = where
        for name in sizes:
            if name.lower().endswith(PICKLES):
                raise _refused(
                    f"it holds {name}, a pickle, which can run foreign code when it is opened. "
                    "Only safetensors are read"
                )

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a small file.

        Raises:
            CallerError: it is missing, damaged, or has more than `most` bytes.
        """
        return b"".join(self._blocks(name, most))

    def copy(self, name: str, target: Path, most: int) -> str:
        """Copy a file; gives its sha256 in hex.

        Raises:
            CallerError: it is missing, damaged, or has more than `most` bytes.
            OSError: it cannot be written.
        """
        digest = hashlib.sha256()

        def blocks() -> Iterator[bytes]:
            for block in self._blocks(name, most):
                digest.update(block)
                yield block

        effects.write_file(target, blocks())
        return digest.hexdigest()

    def _blocks(self, name: str, most: int) -> Iterator[bytes]:
        if name not in self.sizes:
            raise _refused(f"{name} is missing")
        if self.sizes[name] > most:
            _too_large(name, most)
        size = 0
        with self._open(name) as stream:
            while block := _read(stream, name):
                size += len(block)
                if size > most:
                    _too_large(name, most)
                yield block

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            if isinstance(self._where, zipfile.ZipFile):
                stream = self._where.open(name)
            else:
                # Opened without following a link that was put there since it was looked at.
                flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
                stream = os.fdopen(os.open(self._where / name, flags), "rb")
        except (*BROKEN_ZIP, RuntimeError):  # the last where it is encrypted
            _damaged(name)
        with stream:
            yield stream


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a folder or zip.

    Raises:
        CallerError: it is neither, damaged, encrypted, or holds what no parcel holds: folders,
            links, names twice, pickles (code `bad_parcel`).
    """
    if path.is_dir():
        yield Container(_sizes_in_folder(path), path)
        return
    if not path.is_file():
        raise CallerError(f"There is no parcel {path}.", code="no_such_file")
    try:
        opened = zipfile.ZipFile(path)
    except BROKEN_ZIP:
        raise _refused(f"{path.name} is neither a folder nor a zip that can be read") from None
    with opened:
        yield Container(_sizes_in_zip(opened), opened)


def _sizes_in_folder(folder: Path) -> dict[str, int]:
    sizes = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
                raise _refused(f"{entry.name} in it is no plain file")
            sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
            _count(sizes)
    return sizes


def _sizes_in_zip(opened: zipfile.ZipFile) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for entry in opened.infolist():
        name = entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if any(mark in name for mark in "/\\:\0") or name in ("", ".", ".."):
            raise _refused(f"it names a file outside of itself or in a folder ({name[:60]!r})")
        if kind not in (0, stat.S_IFREG):
            raise _refused(f"{name[:60]} in it is no plain file")
        if name in sizes:
            raise _refused(f"it holds {name[:60]} twice")
        if entry.flag_bits & 0x1:
            raise _refused("it is locked with a password")
        sizes[name] = entry.file_size
        _count(sizes)
    return sizes


def _count(sizes: dict[str, int]) -> None:
    if len(sizes) > MOST_FILES:
        raise _refused(f"it holds more than {MOST_FILES} files")


def _read(stream: IO[bytes], name: str) -> bytes:
    try:
        return stream.read(_BLOCK)
    except BROKEN_ZIP:
        _damaged(name)


def _damaged(name: str) -> NoReturn:
    raise _refused(f"{name} in it is damaged") from None


def _too_large(name: str, most: int) -> NoReturn:
    raise _refused(f"{name} in it is larger than it can be ({most:,} bytes)")


def _refused(why: str) -> CallerError:
    return CallerError(
        f"This parcel was not imported: {one_line(why, 400)}. Nothing was kept; take "
        "parcels only from a source that you trust, as `lift export` writes them.",
        code="bad_parcel",
    )
