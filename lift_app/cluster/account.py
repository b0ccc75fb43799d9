"""Account: how far the lifts of many books are, in one line, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lift_app.cluster.worker import Event
from lift_app.errors import LiftError
from lift_app.library import BookRow

MOST_NAMED = 3
"""Books at work that the line names; of the others it gives the number."""
TITLE_LENGTH = 24


class Account:
    """What is known of the lifts of some books, from their events."""

    def __init__(self, rows: Sequence[BookRow]) -> None:
        self._tokens = {row.id: max(1, row.tokens) for row in rows}
        self._titles = {row.id: row.title for row in rows}
        self._done: dict[str, float] = {}
        self.learned: dict[str, str] = {}
        """Book -> key of its adapter, for those learned now."""
        self.cached: dict[str, str] = {}
        """The same, for those that were on the shelf already."""
        self.failed: dict[str, dict[str, str]] = {}
        """Book -> `code` and `message`."""

    def note(self, event: Event) -> None:
        """Take an event of one of the books into account."""
        book, stage = event.get("book"), event["stage"]
        if book not in self._tokens:
            return  # of the model, say
        if stage == "done":
            (self.cached if event.get("cached") else self.learned)[book] = event["adapter"]
        elif stage == "failed":
            self.failed[book] = event["error"]
        elif stage == "training" and event.get("steps"):
            self._done[book] = event["step"] / event["steps"]
        else:
            self._done.setdefault(book, 0.0)

    @property
    def share(self) -> float:
        """Share of all tokens that is behind, 0 to 1."""
        over = self.learned.keys() | self.cached.keys() | self.failed.keys()
        shares = (1.0 if book in over else self._done.get(book, 0.0) for book in self._tokens)
        behind = sum(n * share for n, share in zip(self._tokens.values(), shares, strict=True))
        return behind / max(1, sum(self._tokens.values()))

    @property
    def line(self) -> str:
        """How many are done, and which are at work."""
        over = {*self.learned, *self.cached, *self.failed}
        at_work = [self._titles[book] for book in self._done if book not in over]
        named = [_short(title) for title in at_work[:MOST_NAMED]]
        if len(at_work) > MOST_NAMED:
            named.append(f"{len(at_work) - MOST_NAMED} more")
        failed = f", {len(self.failed)} failed" if self.failed else ""
        done = f"{len(over) - len(self.failed)} of {len(self._tokens)} books{failed}"
        return f"{done} · {', '.join(named)}" if named else done

    def to_json(self) -> dict[str, Any]:
        """What became of each book."""
        failed = [
            {"book": book, "title": self._titles[book], "error": error}
            for book, error in self.failed.items()
        ]
        return {
            "stage": "done",
            "books": len(self._tokens),
            "learned": self.learned,
            "cached": self.cached,
            "failed": failed,
        }

    def raise_failures(self) -> None:
        """Name the books that failed.

        Raises:
            LiftError: some did (code `some_failed`).
        """
        if not self.failed:
            return
        named = [f"{self._titles[book]}: {e['message']}" for book, e in self.failed.items()]
        raise LiftError(
            f"{len(named)} of {len(self._tokens)} books could not be learned; the others are on "
            "the shelf. The same command tries these again.\n  " + "\n  ".join(named),
            code="some_failed",
        )


def _short(title: str) -> str:
    return title if len(title) <= TITLE_LENGTH else f"{title[: TITLE_LENGTH - 1]}…"
