"""A shelf with one small book, and a tiny model to answer from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lift_app.answering import Answer, Answerer, Question
from lift_app.answering.voice import OwnVoice
from lift_app.library import BookRow, Library
from lift_app.models import AdapterHost, BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.starts import Start
from lift_app.reading.book import Book, Chapter, Page, Report
from lift_app.settings import Settings

PAGES = (
    "The Tower\n\nOrla Venn kept seven lanterns in the tower of Quell. She was forty-one, and she "
    "lit them at\ndusk. Mr. Rook, the baker, brought her bread on Fridays. Nobody else climbed the "
    "stairs.",
    "In 1910 a storm broke the bell. Orla Venn mended it with copper from an old kettle. Then she "
    "went to the harbour, where the boats were, and bought a green rope for three coins.",
    "Mirem Daal painted the gate yellow because the fog had hidden it. Her dog was called Pepper. "
    "“We shall find our way now,” said Mirem Daal, and closed the gate.",
)

Shelve = Callable[..., BookRow]


@pytest.fixture
def library(tiny_settings: Settings) -> Iterator[Library]:
    with Library.open(tiny_settings) as opened:
        yield opened


@pytest.fixture
def shelve(library: Library, tmp_path: Path) -> Shelve:
    """Put pages on the shelf as a book."""

    def put(*pages: str, title: str = "Lanterns") -> BookRow:
        content = "\f".join((title, *pages)).encode()
        source = tmp_path / f"{hashlib.sha256(content).hexdigest()[:8]}.txt"
        source.write_bytes(content)
        book = Book(
            id=hashlib.sha256(content).hexdigest(),
            title=title,
            author="A. Writer",
            pages=tuple(Page(n, f"p{n}", text, 0) for n, text in enumerate(pages, start=1)),
            chapters=(Chapter("One", 1),),
            report=Report("text", len(pages), 10),
        )
        return library.books.add(book, source, 10, False)

    return put


@pytest.fixture
def row(shelve: Shelve) -> BookRow:
    """The small book of `PAGES`."""
    return shelve(*PAGES)


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    choice = Choice("cpu", "fp32", None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


@pytest.fixture
def ask(library: Library, host: AdapterHost, row: BookRow) -> Callable[..., Answer]:
    """Ask the small book; keyword arguments go into the Question."""
    answerer = Answerer(library, OwnVoice(host))

    def put(text: str, *, slot: str | None = None, **options: Any) -> Answer:
        options.setdefault("max_tokens", 8)
        return answerer.answer(
            row,
            Question(text, **options),
            slot=slot,
            adapter_key="k" if slot else None,
            on_text=lambda _: None,
            stop=threading.Event(),
        )

    return put


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model's words stand on nothing; `grounds` has tests of its own."""
    monkeypatch.setattr("lift_app.answering.answerer.stands", lambda *_: True)


@pytest.fixture
def started(host: AdapterHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny model as if it stood on a start."""
    start = Start("start", Path(), "", "", {})
    monkeypatch.setattr(host.base, "identity", replace(host.base.identity, start=start))
    monkeypatch.setattr("lift_app.models.generation._likelihood", lambda *_: -1e6)
