"""Looking at pages: pictures and places of a kept PDF, drawn once; search with its excerpts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "reading"))
from reading_documents import make_pdf, text_page

from lift_app.errors import CallerError, LiftError, NotFound
from lift_app.pages import WIDTHS
from lift_app.reader import Reader
from lift_app.settings import Settings

LINES = [
    ["The keeper of Quell lit the lamp.", "A storm came in the night."],
    ["The bell rang until dawn.", "Nobody drowned that night."],
]


@pytest.fixture
def reader(settings: Settings) -> Iterator[Reader]:
    with Reader(settings) as opened:
        yield opened


@pytest.fixture
def book(reader: Reader, tmp_path: Path) -> str:
    file = tmp_path / "quell.pdf"
    labels = {0: "/r", 1: "/D"}
    file.write_bytes(make_pdf([text_page(lines) for lines in LINES], title="Quell", labels=labels))
    return str(reader.add(file)["id"])


def test_a_picture_is_drawn_once(
    reader: Reader, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reader.pages.picture(book, 1, 900)
    assert first.startswith(b"\xff\xd8\xff")
    monkeypatch.setattr(reader.pages._files, "render", lambda *_: pytest.fail("drawn again"))
    assert reader.pages.picture(book, 1, 1000) is first


def test_pictures_that_were_not_looked_at_for_long_are_dropped(
    reader: Reader, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift_app.pages._MOST_BYTES", 1)
    for width in WIDTHS:
        reader.pages.picture(book, 2, width)
    assert list(reader.pages._drawn._pictures) == [(book, 2, WIDTHS[-1])]
    assert reader.pages._drawn._bytes == len(reader.pages._drawn._pictures[(book, 2, WIDTHS[-1])])


def test_a_passage_is_placed_on_its_page(reader: Reader, book: str) -> None:
    text = reader.page(book, 2)["text"]
    start = text.index("Nobody")
    places = reader.pages.places(book, 2, [(start, start + len("Nobody drowned"))])
    assert [line[4] for line in places["lines"]] == LINES[1]
    [[box]] = places["marks"]
    assert box[1] == pytest.approx(places["lines"][1][1], abs=0.2)
    assert reader.pages.places(book, 2, [(start, start + len("Nobody drowned"))]) is places


def test_removing_a_book_forgets_its_pictures(reader: Reader, book: str) -> None:
    reader.pages.picture(book, 1, 900)
    reader.pages.places(book, 1)
    reader.rm(book)
    drawn = reader.pages._drawn
    assert not drawn._pictures and not drawn._places and not drawn._bytes
    with pytest.raises(NotFound):
        reader.pages.picture(book, 1, 900)


def test_removing_a_book_lets_a_page_of_another_be_finished(
    reader: Reader, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Visitors share the process that draws."""
    files = reader.pages._files
    exchange = files._exchange
    removing = threading.Thread(target=reader.pages.forget, args=["another book"])

    def removed_meanwhile(*arguments: Any) -> Any:
        removing.start()
        removing.join(0.2)  # it must not get further than to the end of the drawing
        return exchange(*arguments)

    monkeypatch.setattr(files, "_exchange", removed_meanwhile)
    assert reader.pages.picture(book, 1, 900).startswith(b"\xff\xd8\xff")
    removing.join()
    assert files._child is None


def test_pages_are_found_by_what_is_printed_on_them(reader: Reader, book: str) -> None:
    assert reader.page(book, 1)["label"] == "i"
    assert [reader.pages.number_of(book, label) for label in ("i", "I", " 1 ", "2")] == [1, 1, 2, 2]
    assert [reader.pages.number_of(book, label) for label in ("", "xx", "99", "-1")] == [None] * 4


def test_only_a_pdf_has_pictures(reader: Reader, story: Path, book: str) -> None:
    other = reader.add(story)["id"]
    with pytest.raises(CallerError, match="no PDF"):
        reader.pages.picture(other, 1, 900)
    with pytest.raises(CallerError, match="no page 3"):
        reader.pages.picture(book, 3, 900)
    with pytest.raises(LiftError):
        reader.pages.places(book, 3)


def test_search_gives_places_in_the_order_of_the_book(reader: Reader, book: str) -> None:
    found = reader.pages.search(book, "night")
    assert [(hit["page"], hit["label"]) for hit in found["hits"]] == [(1, "i"), (2, "1")]
    for hit in found["hits"]:
        text = reader.page(book, hit["page"])["text"]
        assert [text[a:b] for a, b in hit["spans"]] == ["night"]
        assert [hit["excerpt"][a:b] for a, b in hit["marked"]] == ["night"]
