"""Crate: the files of an adapter on their way between machines, each with its sha256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lift_app.errors import LiftError
from lift_app.library import effects, folders


@dataclass(frozen=True)
class Crate:
    """A folder as bytes."""

    files: dict[str, bytes]
    """Name, with forward slashes -> content."""
    hashes: dict[str, str]
    """Name -> sha256 in hex, taken where the files were written."""

    @classmethod
    def of(cls, folder: Path) -> Crate:
        """Pack every file of a folder. Raises OSError."""
        hashes, files = {}, {}
        for name, path in folders.files_in(folder):
            hashes[name] = folders.hash_file(path)
            files[name] = path.read_bytes()
        return cls(files, hashes)

    def check(self) -> None:
        """Compare every file with its hash.

        Raises:
            LiftError: one is not what was packed, or its name leads out of a folder.
        """
        for name in self.files.keys() | self.hashes.keys():
            parts = PurePosixPath(name).parts
            if not parts or ".." in parts or name.startswith("/") or "\\" in name:
                raise _damaged(f"{name!r} is no name of a file of it")
            if hashlib.sha256(self.files.get(name, b"")).hexdigest() != self.hashes.get(name):
                raise _damaged(f"{name} is not what was sent")

    def unpack(self, folder: Path) -> None:
        """Write the files into a folder that is there and empty.

        Raises:
            LiftError: a file is not what was packed, or cannot be written.
        """
        self.check()
        with folders.explained("The adapter could not be written"):
            for name, content in self.files.items():
                effects.make_folder((folder / name).parent)
                effects.write_file(folder / name, [content])


def _damaged(why: str) -> LiftError:
    return LiftError(
        f"An adapter arrived damaged: {why}. It was not put on the shelf; learn the book again.",
        code="damaged",
    )
