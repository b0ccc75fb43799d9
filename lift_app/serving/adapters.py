"""ServedAdapters: a shelf's adapters where the server can read them, under names of their own.

Each key and strength is written once, start and book as one adapter, and loaded once. The key names
the owner's lift, so no reader can be given another's. A strength is part of the weights here, since
a server knows none. What is no longer on a shelf is taken from folder and server again.
"""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lift_app.errors import LiftError, NotFound
from lift_app.library import Library, effects, folders
from lift_app.library.adapters import Adapters
from lift_app.models.identity import ModelFolder
from lift_app.serving.server import Server

MOST_KEPT = 256
"""Adapters in the folder; those that were not used for longest go first."""
STEPS = 100
"""Strengths that are told apart between 0 and 1."""


class ServedAdapters:
    """What one server has of the shelves of one home. Safe between threads.

    Args:
        server: loads them.
        folder: where they are written; the server sees it under the same path.
        model: the base model, with its start.
        library: of any owner; says which keys are still on a shelf.
    """

    def __init__(self, server: Server, folder: Path, model: ModelFolder, library: Library) -> None:
        self._server = server
        self._folder = folder
        self._model = model
        self._library = library
        self._guard = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._loaded: OrderedDict[str, Path] = OrderedDict()
        """Name -> folder, in the order of use; the folder of a book's adapter lies in its key's."""

    def start(self) -> str | None:
        """The name of the start at the server, loaded if need be; None without one.

        Raises:
            LiftError: as `Server.load_adapter`.
        """
        start = self._model.start
        if start is None:
            return None
        name = f"start-{start.weights_sha256[:32]}"
        target = self._folder / name
        with self._alone(name):
            if name not in self._loaded:
                self._place(target, lambda staged: shutil.copytree(start.path, staged))
                self._server.load_adapter(name, target)
                self._note(name, target)
        return name

    def name_of(self, adapters: Adapters, key: str, strength: float) -> str:
        """The name of an adapter at the server, written and loaded if need be.

        Args:
            adapters: of the owner who asks; nobody else's are found.
            key: of the adapter.
            strength: factor on the book's part, to two places.

        Raises:
            NotFound: it is not on this owner's shelf.
            LiftError: it is damaged, or as `Server.load_adapter`.
        """
        row = adapters.find(key)
        if row is None:
            raise NotFound("The adapter of this book is no longer on the shelf. Ask again.")
        step = round(strength * STEPS)
        # By the files as well: another adapter may be made under the same key.
        mark = folders.safe_name("".join(sorted(row.files.values())))
        target = self._folder / key / f"{mark}-{step:03d}"
        name = f"book-{key[:40]}-{target.name}"
        with self._alone(name):
            if name not in self._loaded:
                adapters.verify(key)
                self._tidy()
                shelved = adapters.folder(key)
                self._place(target, lambda staged: self._join(staged, shelved, step / STEPS))
                self._server.load_adapter(name, target)
            self._note(name, target)
        return name

    def forget_all(self) -> None:
        """The server was started anew: everything is loaded again when it is next used."""
        with self._guard:
            self._loaded.clear()

    def _join(self, folder: Path, adapter: Path, strength: float) -> None:
        from lift_app.parcel.export import write_joined

        write_joined(folder, adapter, self._model, strength)

    def _alone(self, name: str) -> threading.Lock:
        with self._guard:
            return self._busy.setdefault(name, threading.Lock())

    def _note(self, name: str, folder: Path) -> None:
        with self._guard:
            self._loaded[name] = folder
            self._loaded.move_to_end(name)

    def _place(self, target: Path, write: Callable[[Path], object]) -> None:
        """Write a folder completely or not at all, if it is not there."""
        if target.is_dir():
            return
        with folders.explained("The adapter could not be written for the server"):
            staged = folders.temporary(target.parent, target.name)
            try:
                write(staged)
                if not target.is_dir():  # or another process was quicker
                    effects.rename(staged, target)
            finally:
                effects.remove(staged)

    def _tidy(self) -> None:
        """Take away what is on no shelf any more, and the oldest of too many."""
        keys = self._library.adapters.keys_of_all()
        with self._guard:
            books = {n: f for n, f in self._loaded.items() if f.parent != self._folder}
            gone = [
                name
                for name, folder in books.items()
                if folder.parent.name not in keys or not folder.is_dir()
            ]
            kept = [name for name in books if name not in gone]
            gone += kept[: max(0, len(kept) - MOST_KEPT)]
            for name in gone:
                del self._loaded[name]
        for name in gone:
            with suppress(LiftError):  # whoever asks next is told
                self._server.unload_adapter(name)
            effects.remove(books[name])
