"""The library: everything that is kept, for one owner.

Opens the index and gives each kind of thing its own object. Nothing else is done here.
"""

from __future__ import annotations

from types import TracebackType

from lift_app.library import effects, folders
from lift_app.library.adapters import Adapters
from lift_app.library.books import Books
from lift_app.library.calibration import Calibration
from lift_app.library.chats import Chats
from lift_app.library.database import Database
from lift_app.library.jobs import Jobs
from lift_app.library.passages import Passages
from lift_app.settings import Settings


class Library:
    """Books, passages, adapters, jobs and chats of `owner`, in one index. Safe between threads."""

    def __init__(self, settings: Settings, db: Database, owner: str) -> None:
        self.settings = settings
        self.owner = owner
        self.db = db
        self.books = Books(db, settings, owner)
        self.passages = Passages(db, owner)
        self.adapters = Adapters(db, settings, owner)
        self.jobs = Jobs(db, settings, owner)
        self.chats = Chats(db, owner)
        self.calibration = Calibration(db)

    @classmethod
    def open(cls, settings: Settings, *, snapshots: bool = True) -> Library:
        """Open the library in `settings.home` for `settings.owner`; make it if there is none.

        Args:
            settings: name the home and the owner.
            snapshots: as of `Database`.

        Raises:
            LiftError: it is damaged, not writable or of a newer version of the program.
        """
        return cls(settings, Database(settings.database, snapshots=snapshots), settings.owner)

    def for_owner(self, owner: str) -> Library:
        """The same library as another owner sees it, on the same connections."""
        return self if owner == self.owner else Library(self.settings, self.db, owner)

    def sweep(self) -> list[str]:
        """Remove what a killed process left behind; return the names of what was removed.

        Only for the process that owns the model, before it begins to work.
        """
        for left in self.settings.home.glob(f"{folders.TEMPORARY}*"):
            effects.remove(left)
        return [*self.books.sweep(), *self.adapters.sweep(), *self.jobs.sweep()]

    def close(self) -> None:
        """Close the connection to the index."""
        self.db.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
