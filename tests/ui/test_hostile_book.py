"""An attacker with an uploaded book: every place that shows something of it, and what it costs.

Each attack was tried by hand on the running app first. What a book does in a real browser is in
`test_browser.py`, what a file does to the reader of files in `tests/reading/test_hostile_files.py`.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from book_reader import BookReader
from serving import HERE

sys.path.insert(0, str(HERE.parent / "reading"))
from reading_documents import epub_entries, make_pdf, make_zip, text_page

from lift_app.errors import NotFound
from lift_app.settings import Settings
from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.transcript import transcript

pytestmark = pytest.mark.hostile

EVIL = "<img src=//e.example onerror=alert(1)>\"'><script>alert(1)</script>{{7*7}}${7*7}"
ALLOWED = re.compile(r"[a-z]+(-[a-z]+)*")


class Fence(HTMLParser):
    """Complains of what no page of ours has."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "iframe", "object", "embed", "base", "link", "meta", "style")
        for name, value in attributes:
            assert not name.startswith("on"), (tag, name)
            assert ALLOWED.fullmatch(name), (tag, name)
            if name in ("src", "href", "action", "srcdoc", "formaction"):
                assert (value or "").startswith(("pages/", "chats/", "#")), (tag, value)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BookReader]:
    with BookReader(Settings(home=tmp_path_factory.mktemp("home"))) as found:
        found.pace = 0
        yield found


def shown(reader: BookReader, book: str, question: str) -> list[str]:
    """Everything that a window shows of a book while it is opened, read, searched and asked."""
    room, seat = Room(reader), Seat()
    seat.arrived = True
    room._open(seat, book)
    seat.desk = True
    drawn = [room.draw(seat)]
    seat.desk = False
    drawn.append(room.draw(seat))
    for act in (
        {"act": "find", "value": "alert"},
        {"act": "find", "value": EVIL},
        {"act": "goto", "value": EVIL},
        {"act": "turn", "page": 2},
    ):
        with suppress(NotFound):  # a label that no page has
            drawn.append(room._act(seat, act))
    drawn += [list(turn) for turn in room.talk.ask(seat, question, "ICL", True, 0.5)]
    drawn.append(room.draw(seat))
    return [text for update in drawn for text in _strings(update)]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


@pytest.mark.parametrize("kind", ["pdf", "epub", "md", "txt"])
def test_markup_of_a_book_is_text_wherever_it_is_shown(
    reader: BookReader, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"{EVIL[:60].replace('/', '|')}.{kind}"
    escaped = EVIL.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if kind == "pdf":
        pages = [text_page([EVIL[:70], "The key is under the mat."])] * 2
        path.write_bytes(make_pdf(pages, title=EVIL, author=EVIL, outline=[(EVIL, 0), (EVIL, 1)]))
    elif kind == "epub":
        body = f"<h1>{escaped}</h1><p>{escaped} The key is under the mat.</p>"
        path.write_bytes(make_zip(epub_entries({"a.xhtml": body, "b.xhtml": body})))
    else:
        head = f"# {EVIL}\n\n" if kind == "md" else ""
        code = f"`{EVIL}`" if kind == "md" else EVIL
        path.write_text(f"{head}{code} The key is under the mat.\n\n{head}{code} And more.")
    book = reader.add(path)["id"]
    seen = shown(reader, book, "Where is the key?")
    assert any("The key is under the mat" in text for text in seen)
    for text in seen:
        if "<" in text and not text.startswith(EVIL[:20]):
            Fence().feed(text)
    kept = transcript(
        reader.show(book), reader.chats(book)[0], reader.messages(reader.chats(book)[0]["id"])
    )
    assert not re.search(r"(?<!\\)<(?!small>|/small>)", kept) and not re.search(r"!\[", kept)
    reader.rm(book)


def test_a_title_cannot_pretend_to_be_something_else(reader: BookReader, tmp_path: Path) -> None:
    """Characters that turn the direction of writing, or that nobody sees."""
    path = tmp_path / "a.md"
    path.write_text("# Bank\u202e\u2066 tnuocca\u200b\u2028Please sign in\n\nThe key is here.")
    title = reader.add(path)["title"]
    assert not re.search("[\u200b\u2028\u2029\n]", title)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", title)


SIZE = 20_000
SLOW: dict[str, str] = {
    "one word": "a" * SIZE,
    "dots": "." * SIZE,
    "abbreviations": "Mr. " * (SIZE // 4),
    "quotes": "“" * SIZE,
    "brackets": "(" * SIZE,
    "lines": "a\n" * (SIZE // 2),
    "numbers": "1," * (SIZE // 2),
    "dates": "in 1900-01-01 " * (SIZE // 14),
    "letters": "A B C " * (SIZE // 6),
    "hyphens": "-" * SIZE,
    "apostrophes": "'s" * (SIZE // 2),
    "no spaces": "灯塔" * (SIZE // 2),
    "marks": "a" + "\u0301" * SIZE,
    "chapters": "".join(f"CHAPTER {n}\n\nlantern {n}\n\n" for n in range(SIZE // 24)),
    "long title": "# " + "lantern " * (SIZE // 8) + "\n\nlantern",
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW.keys())
def test_no_text_takes_much_longer_than_its_length(
    reader: BookReader, tmp_path: Path, text: str
) -> None:
    """Nothing that is made of a text may be quadratic: the app would stand still meanwhile."""
    path = tmp_path / ("a.md" if text.startswith("# ") else "a.txt")
    path.write_text(text)
    started = time.process_time()  # of this process: the child that reads has its own limit
    book = reader.add(path)
    assert len(book["title"]) <= 300 and len(str(book["chapters"])) < 2_000_000
    reader.pages.search(book["id"], "lantern tower a")
    reader.first_questions(book["id"])
    list(reader.ask_stream(book["id"], "How many lanterns were in the tower in 1900?"))
    shown(reader, book["id"], "a")
    reader.rm(book["id"])
    assert time.process_time() - started < 15
