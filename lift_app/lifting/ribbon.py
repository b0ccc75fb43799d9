"""Ribbon: a book as its segments in order, each with its pages and how well it is known.

Where the segments begin takes the model's tokenizer and a second for a long book, so it is found in
the background and kept; until then the ribbon is the book's pages in equal parts, unknown. Knows
no torch: everything is read from rows.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lift_app.errors import LiftError
from lift_app.library import BookRow, Job, Library
from lift_app.library.adapters import AdapterRow
from lift_app.lifting.recipe import resolve_recipe
from lift_app.lifting.segments import segment_bounds
from lift_app.models.provision import find_local
from lift_app.models.tokens import encode, load_tokenizer
from lift_app.reading.book import PAGE_BREAK
from lift_app.settings import Settings

_KEPT_BOOKS = 8
_SHOWN = ("queued", "running", "paused")


@dataclass(frozen=True)
class Cell:
    """A segment's own stretch of the book: from its start to the start of the next one."""

    start: float
    """Where it begins, as a share of the book's characters; the next cell begins where it ends."""
    page: int
    """1-based page on which it begins."""
    last_page: int
    """1-based page on which it ends."""


@dataclass(frozen=True)
class Ruler:
    """Where the pages of a book begin, as shares of its characters, and what is printed on them."""

    pages: tuple[float, ...]
    labels: tuple[str, ...]
    characters: int

    @classmethod
    def of(cls, pages: Sequence[tuple[str, int]]) -> Ruler:
        """The ruler of a book, from the label and the length of each page."""
        starts, at = [], 0
        for _, length in pages:
            starts.append(at)
            at += length + len(PAGE_BREAK)
        characters = max(at - len(PAGE_BREAK), 1)
        shares = tuple(start / characters for start in starts)
        return cls(shares, tuple(label for label, _ in pages), characters)

    def page_at(self, share: float) -> int:
        """1-based page on which a share of the book ends."""
        return max(1, bisect_right(self.pages, share + 0.5 / self.characters))


class Ribbons:
    """The ribbons of one library's books. Safe between threads."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library = library
        self._settings = settings
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[Any, ...], tuple[Ruler, tuple[Cell, ...]]] = OrderedDict()
        self._rulers: OrderedDict[tuple[str, str], Ruler] = OrderedDict()
        self._making: set[tuple[Any, ...]] = set()

    def of(self, row: BookRow) -> dict[str, Any]:
        """What there is to see of a book.

        Returns:
            `cells`: `start` (share of the book), `page`, `last_page` (1-based), `before` and `loss`
            (nats a token; None where not known) of each segment; `worst`: the loss before learning
            (of all but the oddest segments), None if nothing was learned; `pages`: share of the
            book at which each page begins; `labels`: what is printed on each page; `characters`
            and `tokens` of the book; `exact`: False while the segments are still being found;
            `learned`: the losses are those of a finished adapter; `strength`: the most that its
            guard lets answers use it at, None without a guard or while it is being learned.
        """
        job, adapter = self._source(row)
        source = job or adapter
        if source is not None:
            length, stride = source.recipe["segment_length"], source.recipe["stride"]
            model = source.model
        else:
            recipe = resolve_recipe(self._settings.recipe, window=10**6)
            length, stride, model = recipe.segment_length, recipe.stride, self._settings.model
        ruler, cells, exact = self._segments(row, model, int(length), int(stride))
        before, after = self._losses(job, adapter) if exact else ({}, {})
        guard = adapter.summary.get("guard") if adapter is not None and job is None else None
        # Segments read late have gained from those read before; a single one may be odd.
        first = sorted(before.values(), reverse=True)
        return {
            "cells": [
                {
                    "start": cell.start,
                    "page": cell.page,
                    "last_page": cell.last_page,
                    "before": before.get(index),
                    "loss": after.get(index),
                }
                for index, cell in enumerate(cells)
            ],
            "worst": first[len(first) // 20] if first else max(after.values(), default=None),
            "pages": ruler.pages,
            "labels": ruler.labels,
            "characters": ruler.characters,
            "tokens": row.tokens,
            "exact": exact,
            "learned": adapter is not None and job is None,
            "strength": guard["strength"] if guard else None,
        }

    def _source(self, row: BookRow) -> tuple[Job | None, AdapterRow | None]:
        """The lift that is going on, or else the adapter that answers."""
        jobs = self._library.jobs.list(book_id=row.id)
        if jobs and jobs[0].state in _SHOWN and jobs[0].step:
            return jobs[0], None
        adapters = self._library.adapters.for_book(row.id, self._settings.model)
        return None, adapters[0] if adapters else None

    def _losses(
        self, job: Job | None, adapter: AdapterRow | None
    ) -> tuple[dict[int, float], dict[int, float]]:
        """(before, after) by segment: when it was first read, and when it was last measured."""
        if adapter is not None:
            jobs = self._library.jobs.list(book_id=adapter.book_id)
            job = next((one for one in jobs if one.key == adapter.key), None)
        seen = self._library.jobs.segment_losses(job.id) if job is not None else {}
        before = {index: losses["first"] for index, losses in seen.items()}
        if adapter is None:
            return before, {index: losses["last"] for index, losses in seen.items()}
        measured = adapter.summary.get("segments") or []
        if not before:  # it came with the project, so no lift of it is in the library
            came = adapter.summary.get("before") or []
            before = {index: loss for index, loss in enumerate(came) if loss is not None}
        return before, {i: loss for i, loss in enumerate(measured) if loss is not None}

    def _segments(
        self, row: BookRow, model: str, length: int, stride: int
    ) -> tuple[Ruler, tuple[Cell, ...], bool]:
        key = (row.id, row.text_sha256, model, length, stride)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return *self._made[key], True
            begin = key not in self._making
            self._making.add(key)
        if begin:
            threading.Thread(target=self._make, args=(row, key), name="ribbon", daemon=True).start()
        ruler = self._ruler(row)
        starts = ruler.pages[:: -(-len(ruler.pages) // 200)]
        return ruler, _cells(list(starts), ruler), False

    def _ruler(self, row: BookRow) -> Ruler:
        key = (row.id, row.text_sha256)
        with self._lock:
            if key in self._rulers:
                return self._rulers[key]
        ruler = Ruler.of(self._library.books.page_sizes(row.id))
        with self._lock:
            self._rulers[key] = ruler
            while len(self._rulers) > _KEPT_BOOKS:
                self._rulers.popitem(last=False)
        return ruler

    def _make(self, row: BookRow, key: tuple[Any, ...]) -> None:
        """Find the segments of a book, as its lift cuts them."""
        _, _, model, length, stride = key
        try:
            folder = find_local(model, self._settings)
            if folder is None:
                return  # the model will come; another look tries again
            book = self._library.books.load(row.id)
            offsets = encode(load_tokenizer(folder.path), book.text).offsets
            bounds = segment_bounds(len(offsets), length, stride)
            ruler = self._ruler(row)
            cells = _cells([offsets[start][0] / ruler.characters for start, _ in bounds], ruler)
        except LiftError:
            return  # the book was removed meanwhile, or holds nothing to learn
        finally:
            with self._lock:
                self._making.discard(key)
        with self._lock:
            self._made[key] = (ruler, cells)
            while len(self._made) > _KEPT_BOOKS:
                self._made.popitem(last=False)


def _cells(starts: list[float], ruler: Ruler) -> tuple[Cell, ...]:
    ends = pairwise([*starts, 1.0])
    return tuple(
        Cell(start, ruler.page_at(start), max(ruler.page_at(start), ruler.page_at(end - 1e-9)))
        for start, end in ends
    )
