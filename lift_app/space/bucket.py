"""Bucket: a copy of the library on mounted storage, for a machine that forgets its disk.

A snapshot is a list of files, by their sha256, and the files. Each is written once, under a name of
its own, and the list comes last: a mounted bucket need know neither locks nor renames, and what was
half-written is no snapshot. The index comes from the library's own checked snapshot, never from the
file that is in use. What was deleted leaves the bucket with the next snapshot. Knows no clock: when
to save is for `space.keeper`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lift_app.errors import LiftError
from lift_app.library import effects, folders
from lift_app.library.snapshots import SIDE_FILES, snapshot_of, take_snapshot
from lift_app.settings import Settings
from lift_app.visitors.passes import KEY

INDEX = "library.db"
FOLDERS = ("books", "adapters", "checkpoints", "starts")
"""What of the home is kept beside the index and the key of the passes; models come again."""
ABANDONED_SECONDS = 3600.0
"""Age of a file on no list, after which whoever was writing it is surely gone."""
TRIES = 3
"""For a snapshot during which something was deleted."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """What a list says."""

    taken: str
    """When (ISO 8601, UTC); also the list's name."""
    files: dict[str, tuple[str, int]]
    """Name below the home -> sha256 and bytes."""

    def encode(self) -> bytes:
        """The list as it is written: the sha256 of the rest, then JSON."""
        body = json.dumps({"taken": self.taken, "files": self.files}, indent=1).encode()
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def decode(cls, data: bytes) -> Snapshot | None:
        """The inverse of `encode`; None for what is damaged or half there."""
        digest, _, body = data.partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        found = json.loads(body)
        return cls(
            found["taken"], {name: (sha, size) for name, (sha, size) in found["files"].items()}
        )


class Bucket:
    """The snapshots of one library in a folder of mounted storage.

    Args:
        folder: made with the first snapshot.
    """

    def __init__(self, folder: Path) -> None:
        self._files, self._lists = folder / "files", folder / "snapshots"
        self._known: dict[tuple[str, int, int], str] = {}
        """(name, bytes, time of change) -> sha256: most files stay as they are."""
        self._last: Snapshot | None = None

    def is_behind(self, settings: Settings) -> bool:
        """Whether the bucket holds what the home no longer does, or nothing of this process yet.

        The library makes its own snapshot anew with each deletion of a book or a conversation.
        """
        if self._last is None:
            return True
        try:
            stamp = _stamp(INDEX, snapshot_of(settings.database))
        except OSError:
            return True
        kept = {"/".join(name.split("/")[:2]) for name in self._last.files}
        return self._known.get(stamp) != self._last.files[INDEX][0] or any(
            not (settings.home / name).exists() for name in kept
        )

    def save(self, settings: Settings) -> Snapshot:
        """Copy the library as it is now; the last snapshot leaves when this one is whole.

        Raises:
            LiftError: something cannot be read or written; the last snapshot is then untouched.
        """
        with folders.explained("The library could not be copied to the bucket"):
            for left in reversed(range(TRIES)):
                try:
                    return self._save(settings)
                except FileNotFoundError:  # deleted meanwhile: the index has to be newer than that
                    if not left:
                        raise
        raise AssertionError("unreachable")

    def restore(self, settings: Settings) -> Snapshot | None:
        """Bring the newest whole snapshot into a home without an index.

        Every byte is compared before anything gets its place, and the index gets it last, so that
        a kill in the middle leaves an empty home.

        Returns:
            What was restored; None where the home has an index, or the bucket no snapshot.

        Raises:
            LiftError: there are snapshots, and none of them is whole (code `damaged`).
        """
        index = settings.database
        if index.exists() and index.stat().st_size:
            return None
        lists = sorted(self._lists.glob("*.json"), reverse=True)
        with folders.explained("The library could not be brought back from the bucket"):
            for path in lists:
                snapshot = Snapshot.decode(path.read_bytes())
                if snapshot is not None and self._bring(snapshot, settings.home):
                    return snapshot
                log.warning("the snapshot %s is not whole", path.name)
        if lists:
            raise LiftError(
                f"None of the {len(lists)} snapshots in {self._lists} is whole, and nothing was "
                "restored or overwritten. Bring the bucket back to an earlier state, or empty that "
                "folder to begin with an empty library.",
                code="damaged",
            )
        return None

    def _save(self, settings: Settings) -> Snapshot:
        take_snapshot(settings.database)
        files = {
            name: self._keep(name, path) for name, path in sorted(_worth_keeping(settings).items())
        }
        taken = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
        fresh = Snapshot(taken, files)
        effects.make_folder(self._lists)
        effects.write_file(self._lists / f"{taken}.json", [fresh.encode()])
        self._forget(fresh)
        self._last = fresh
        return fresh

    def _keep(self, name: str, path: Path) -> tuple[str, int]:
        """Put a file into the bucket, if it is not there; gives its sha256 and its bytes."""
        stamp = _stamp(name, path)
        sha = self._known.get(stamp)
        if sha is not None and _has(self._files / sha, stamp[1]):
            return sha, stamp[1]
        data = path.read_bytes()  # whole: what is replaced meanwhile must not be half of each
        sha = hashlib.sha256(data).hexdigest()
        kept = self._files / sha
        if not _has(kept, len(data)):
            effects.make_folder(self._files)
            effects.remove(kept)  # of a process that was killed while it wrote
            effects.write_file(kept, [data])
        self._known[stamp] = sha
        return sha, len(data)

    def _forget(self, fresh: Snapshot) -> None:
        """Remove older lists and what they alone named: the files first, or nobody would know."""
        wanted = {sha for sha, _ in fresh.files.values()}
        for path in self._lists.glob("*.json"):
            if path.stem >= fresh.taken:
                continue
            old = Snapshot.decode(path.read_bytes())
            for sha, _ in old.files.values() if old else ():
                if sha not in wanted:
                    effects.remove(self._files / sha)
            effects.remove(path)
        oldest = time.time() - ABANDONED_SECONDS
        for path in self._files.iterdir():
            if path.name not in wanted and path.stat().st_mtime < oldest:
                effects.remove(path)
        self._known = {stamp: sha for stamp, sha in self._known.items() if sha in wanted}

    def _bring(self, snapshot: Snapshot, home: Path) -> bool:
        """Copy a snapshot into a home; False, and nothing is in its place, if it is not whole."""
        for name, (sha, size) in snapshot.files.items():
            if not _has(self._files / sha, size) or not _is_plain(name):
                return False
        effects.make_folder(home)
        staged = folders.temporary(home, "restored")
        try:
            for name, (sha, _) in snapshot.files.items():
                target = staged / name
                effects.make_folder(target.parent)
                if folders.copy_file(self._files / sha, target) != sha:
                    return False
            for name in (INDEX, *(INDEX + suffix for suffix in SIDE_FILES)):
                effects.remove(home / name)  # SQLite would apply a log of before to this index
                if (home / name).exists():
                    raise OSError(None, "A file is in the way", str(home / name))
            for part in sorted(staged.iterdir(), key=lambda path: path.name == INDEX):
                effects.remove(home / part.name)  # of a restoration that was killed
                effects.rename(part, home / part.name)
        finally:
            effects.remove(staged)
        if (home / KEY).exists():
            (home / KEY).chmod(0o600)
        return True


def _worth_keeping(settings: Settings) -> dict[str, Path]:
    """Name below the home -> the file, of all that a snapshot holds."""
    found = {INDEX: snapshot_of(settings.database)}
    if (settings.home / KEY).exists():
        found[KEY] = settings.home / KEY
    for name, path in _below(settings.home):
        found[name] = path
    return found


def _below(home: Path) -> Iterator[tuple[str, Path]]:
    for folder in FOLDERS:
        for name, path in folders.files_in(home / folder):
            if not any(part.startswith(".") for part in Path(name).parts):  # not there yet
                yield f"{folder}/{name}", path


def _stamp(name: str, path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return name, stat.st_size, stat.st_mtime_ns


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _is_plain(name: str) -> bool:
    parts = Path(name).parts
    return bool(parts) and ".." not in parts and not Path(name).is_absolute()
