"""In turn: every book of a library lifted on this machine, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lift_app.cluster.worker import Event
from lift_app.errors import LiftError
from lift_app.library import BookRow
from lift_app.reader import Reader


def lift_in_turn(
    reader: Reader, rows: Sequence[BookRow], lift: Mapping[str, Any]
) -> Iterator[Event]:
    """Lift books; one that fails is told and the next one begins.

    Args:
        reader: whose shelf it is.
        rows: the books.
        lift: arguments of `Reader.tune` besides the book.

    Yields:
        Events as `Fleet.lift`.
    """
    for row in rows:
        about = {"book": row.id, "title": row.title}
        try:
            for event in reader.tune(row.id, **lift):
                yield {**about, **event}
        except LiftError as error:
            yield {**about, "stage": "failed", **error.as_json()}
