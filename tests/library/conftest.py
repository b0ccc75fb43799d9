"""A library in a temporary folder, and books that the tests make up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lift_app.library import BookRow, Library
from lift_app.reading.book import Book, Chapter, Page, Report
from lift_app.settings import Settings

DEFAULT_PAGES = (
    "The lighthouse keeper counted the ships. He was counting them every night.",
    "A grey heron stood in the marsh near the mill.",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(Settings(home=home)) as opened:
        yield opened


@pytest.fixture
def make_book(tmp_path: Path) -> Callable[..., tuple[Book, Path]]:
    """Make a file and the Book that reading it would give."""

    def make(
        *pages: str, title: str = "The Lamp", suffix: str = ".txt", content: bytes | None = None
    ) -> tuple[Book, Path]:
        pages = pages or DEFAULT_PAGES
        if content is None:
            content = (title + "\f".join(pages)).encode("utf-8", "replace")
        identity = hashlib.sha256(content).hexdigest()
        source = tmp_path / f"{identity[:12]}{suffix}"
        source.write_bytes(content)
        return (
            Book(
                id=identity,
                title=title,
                author="A. Writer",
                pages=tuple(
                    Page(number, f"p{number}", text, 0)
                    for number, text in enumerate(pages, start=1)
                ),
                chapters=(Chapter("One", 1),),
                report=Report("text", len(pages), 20, encoding="utf-8", warnings=("A guess.",)),
                metadata={"publisher": "Nobody"},
            ),
            source,
        )

    return make


@pytest.fixture
def add_book(library: Library, make_book) -> Callable[..., BookRow]:
    """Make a book and put it on the shelf."""

    def add(*pages: str, title: str = "The Lamp") -> BookRow:
        book, source = make_book(*pages, title=title)
        return library.books.add(book, source, 30, True)

    return add


@pytest.fixture
def publish(library: Library) -> Callable[..., str]:
    """Publish an adapter with two files for a book."""

    def publish(book_id: str, key: str = "k" * 64, shelf: Library = library) -> str:
        staged = shelf.adapters.staging_folder(key)
        (staged / "adapter_model.safetensors").write_bytes(b"weights" * 100)
        (staged / "adapter_config.json").write_text("{}")
        shelf.adapters.publish(
            key,
            staged,
            book_id=book_id,
            model="tiny",
            recipe={"name": "quick", "rank": 4},
            summary={"steps": 3, "loss": 1.5, "segments": [1.0, 2.0]},
        )
        return key

    return publish
