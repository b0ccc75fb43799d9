"""A zip archive that is not trusted.

Owns the checks before and while reading: number of entries, sizes, ratio, names. Members are read
into memory and never unpacked to disk. Knows nothing about EPUB or DOCX.
"""

from __future__ import annotations

import io
import posixpath
import stat
import zipfile
import zlib
from types import TracebackType
from typing import NoReturn
from urllib.parse import unquote

from lift_app.errors import UnreadableFile

MAX_ENTRIES = 10_000
MAX_ENTRY_BYTES = 64 * 1024 * 1024
MAX_TOTAL_BYTES = 1024 * 1024 * 1024
"""Declared size of all entries together: picture books are large, and pictures are not read."""
MAX_READ_BYTES = 256 * 1024 * 1024
"""Bytes that are really read from one archive."""
MAX_RATIO = 200
"""An entry over 1 MiB may not shrink more than this: text shrinks about 4 times."""

BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
)
"""What `zipfile` raises over a damaged archive: `ValueError` where its directory points before its
beginning, `NotImplementedError` where it names a method of packing that nobody knows."""

_SYMLINK = stat.S_IFLNK


class Archive:
    """A checked zip archive. Use it as a context manager.

    Raises:
        UnreadableFile: `damaged`, `encrypted`, `too_large`, or `unsafe` (a zip bomb, or names that
            point outside the archive).
    """

    def __init__(self, data: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        except BROKEN_ZIP:
            _damaged()
        self._folded: dict[str, str] = {}
        for name in self._entries:
            self._folded.setdefault(name.casefold(), name)
        self._read = 0
        self._check()

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    @property
    def names(self) -> frozenset[str]:
        """Names of all entries."""
        return frozenset(self._entries)

    def find(self, name: str) -> str | None:
        """The entry's real name for a name as documents write it: %20, case, `./`, `a/../b`."""
        wanted = posixpath.normpath(unquote(name)).lstrip("/")
        for candidate in (name, wanted):
            if candidate in self._entries:
                return candidate
        return self._folded.get(wanted.casefold())

    def read(self, name: str) -> bytes:
        """The bytes of one entry, counted while they are unpacked.

        Raises:
            KeyError: there is no such entry.
            UnreadableFile: the entry is encrypted, too large or broken.
        """
        entry = self._entries[name]
        if entry.flag_bits & 0x1:
            raise UnreadableFile(
                "This file is locked with a password. Unlock it in the program that made it and "
                "add the unlocked file.",
                code="encrypted",
            )
        chunks = []
        size = 0
        try:
            with self._zip.open(entry) as stream:
                while chunk := stream.read(1024 * 1024):
                    size += len(chunk)
                    self._read += len(chunk)
                    if size > MAX_ENTRY_BYTES or self._read > MAX_READ_BYTES:
                        _bomb()
                    chunks.append(chunk)
        except BROKEN_ZIP:
            _damaged()
        return b"".join(chunks)

    def _check(self) -> None:
        entries = self._zip.infolist()
        if len(entries) > MAX_ENTRIES or sum(e.file_size for e in entries) > MAX_TOTAL_BYTES:
            raise UnreadableFile(
                "This file unpacks to more than a book may hold "
                f"({MAX_ENTRIES:,} parts, {MAX_TOTAL_BYTES // 2**20:,} MB), so it was not opened.",
                code="too_large",
            )
        for entry in entries:
            parts = entry.filename.replace("\\", "/").split("/")
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if ".." in parts or parts[0] == "" or ":" in parts[0] or kind == _SYMLINK:
                raise UnreadableFile(
                    "This file holds parts that point outside of itself, so it was not opened. "
                    "Take it from a source that you trust.",
                    code="unsafe",
                )
            if entry.file_size > max(entry.compress_size, 1) * MAX_RATIO and (
                entry.file_size > 1024 * 1024
            ):
                _bomb()


def _damaged() -> NoReturn:
    raise UnreadableFile(
        "This file is damaged: it cannot be unpacked. Download it again, or export it anew.",
        code="damaged",
    ) from None


def _bomb() -> NoReturn:
    raise UnreadableFile(
        "This file unpacks to far more than it says, so it was not read. Take it from a source "
        "that you trust.",
        code="unsafe",
    ) from None
