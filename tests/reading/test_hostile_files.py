"""Files made to do harm: refused or read, in bounded time and memory, and nothing else happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hostile_files as hostile
import pytest
from figures import SOAK
from reading_documents import prose

from lift_app.errors import CallerError, LiftError, UnreadableFile
from lift_app.library import Library
from lift_app.reading import Book, FileReader
from lift_app.settings import Settings

pytestmark = pytest.mark.hostile

SECONDS, MEMORY_MB = (20, 1024) if SOAK else (6, 1024)
REFUSED = UnreadableFile


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileReader]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, read_seconds=SECONDS, read_memory_mb=MEMORY_MB)
    with FileReader(settings) as shared:
        yield shared


@pytest.fixture
def outside(tmp_path: Path) -> str:
    """A file that no book may show."""
    path = tmp_path / "outside.txt"
    path.write_text(hostile.SECRET)
    return str(path)


def attempt(reader: FileReader, path: Path) -> Book | str:
    """The book, or the code of the refusal; within the limits either way."""
    started = time.monotonic()
    try:
        result: Book | str = reader.read(path)
    except UnreadableFile as error:
        assert 20 < len(str(error)) < 500
        result = error.code
    assert time.monotonic() - started < SECONDS + 10  # the rest is a slow machine's
    return result


BOMBS: list[tuple[Callable[[], bytes], str, set[str]]] = [
    (hostile.pdf_zeros, "a.pdf", {"empty", "too_slow", "too_much_memory", "damaged"}),
    (hostile.pdf_zeros_twice, "a.pdf", {"empty", "too_slow", "too_much_memory", "damaged"}),
    (hostile.pdf_operators, "a.pdf", {"too_slow", "too_much_memory"}),
    (hostile.pdf_pages, "a.pdf", {"too_many_pages"}),
    (hostile.pdf_tree_loop, "a.pdf", {"damaged", "empty"}),
    (hostile.pdf_nesting, "a.pdf", {"empty", "damaged", "scanned"}),
    (hostile.pdf_locked, "a.pdf", {"encrypted"}),
    (hostile.epub_bomb, "a.epub", {"unsafe"}),
    (hostile.epub_of_many_parts, "a.epub", {"too_large"}),
    (hostile.epub_that_lies_about_sizes, "a.epub", {"unsafe", "damaged"}),
    (hostile.epub_with_a_name_outside, "a.epub", {"unsafe"}),
    (hostile.epub_drm, "a.epub", {"drm"}),
    (hostile.text_line, "a.txt", {"too_large"}),
    (hostile.text_of_100_mb, "a.txt", {"too_large"}),
]


@pytest.mark.parametrize(("make", "name", "codes"), BOMBS, ids=[b[0].__name__ for b in BOMBS])
def test_a_bomb_is_refused(
    reader: FileReader, tmp_path: Path, make: Callable[[], bytes], name: str, codes: set[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    found = attempt(reader, path)
    assert isinstance(found, str) and found in codes
    path.write_bytes(prose(1).encode())
    assert reader.read(path).text == prose(1)  # the next file is read


ODD: list[tuple[Callable[[], bytes], str]] = [
    (hostile.pdf_pages_that_are_not_there, "a.pdf"),
    (hostile.pdf_outline_loop, "a.pdf"),
    (hostile.pdf_xref_loop, "a.pdf"),
    (hostile.epub_laughs, "a.epub"),
    (hostile.docx_laughs, "a.docx"),
    (hostile.html_nesting, "a.html"),
    (hostile.html_attributes, "a.html"),
    (hostile.markdown_nesting, "a.md"),
    (hostile.text_with_nul, "a.txt"),
]


@pytest.mark.parametrize(("make", "name"), ODD, ids=[odd[0].__name__ for odd in ODD])
def test_an_odd_file_is_read_or_refused_in_time(
    reader: FileReader, tmp_path: Path, make: Callable[[], bytes], name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    found = attempt(reader, path)
    if isinstance(found, Book):
        assert "\0" not in found.text and len(found.text) < 10_000_000


@pytest.mark.parametrize(
    "make",
    [
        hostile.epub_entity,
        hostile.epub_that_points_outside,
        hostile.epub_with_a_link,
        hostile.docx_entity,
    ],
)
def test_a_book_shows_no_other_file_of_the_machine(
    reader: FileReader, tmp_path: Path, outside: str, make: Callable[[str], bytes]
) -> None:
    path = tmp_path / "a.epub"
    path.write_bytes(make(outside))
    before = set(tmp_path.rglob("*"))
    found = attempt(reader, path)
    if isinstance(found, Book):
        assert hostile.SECRET not in str(found.to_json())
    assert set(tmp_path.rglob("*")) == before


def test_wrong_names_do_not_matter(reader: FileReader, tmp_path: Path) -> None:
    from reading_documents import make_pdf, text_page

    path = tmp_path / "book.txt"
    path.write_bytes(make_pdf([text_page([prose(1)[:60]])]))
    assert reader.read(path).report.format == "pdf"
    path = tmp_path / "book.pdf"
    path.write_text(prose(1))
    assert reader.read(path).report.format == "text"
    path = tmp_path / "book.epub"
    path.write_bytes(b"\x7fELF" + bytes(100))
    with pytest.raises(UnreadableFile):
        reader.read(path)


def test_names_with_markup_are_titles_and_nothing_else(reader: FileReader, tmp_path: Path) -> None:
    path = tmp_path / "<img src=x onerror=alert(1)>'\";--\n.txt"
    path.write_text(prose(1))
    book = reader.read(path)
    assert "\n" not in book.title and len(book.title) <= 300
    with Library.open(Settings(home=tmp_path / "home")) as library:
        row = library.books.add(book, path, 10, True)
        source = library.books.source(row.id)
        assert source.parent.name == row.id and source.name == "source.txt"


def test_a_name_that_is_too_long_is_refused(reader: FileReader, tmp_path: Path) -> None:
    for name in ("n" * 300 + ".txt", "a\0b.txt"):
        with pytest.raises(CallerError):
            reader.read(tmp_path / name)


def test_what_is_no_plain_file_is_refused(reader: FileReader, tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path, Path("/proc/self/mem")):
        if path.exists():
            with pytest.raises(UnreadableFile):
                reader.read(path)


def test_everything_else_goes_on_while_a_bomb_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(hostile.pdf_operators())
    settings = Settings(home=tmp_path / "home", read_seconds=3, read_memory_mb=MEMORY_MB)
    codes: list[str] = []

    def read(reader: FileReader) -> None:
        try:
            reader.read(path)
        except LiftError as error:
            codes.append(error.code)

    with FileReader(settings) as reader, Library.open(settings) as library:
        thread = threading.Thread(target=read, args=(reader,))
        thread.start()
        rounds = 0
        while thread.is_alive():
            library.books.list()
            rounds += 1
            thread.join(0.02)
    assert codes and codes[0] in ("too_slow", "too_much_memory")
    assert rounds > 5  # who had to wait for the bomb would have come round once or twice
