"""A whole reading, and what must be true of a library whatever happened to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_model import BARE

from lift_app.library import Library
from lift_app.library.usage import last_touched
from lift_app.reader import Reader
from lift_app.settings import Settings

FEW_STEPS = {"segment_length": 512, "stride": 512, "epochs": 1, "rank": 1, "alpha": 2, **BARE}
QUESTION = "Who kept the lanterns in the tower of Quell?"


def read_through(settings: Settings, story: Path) -> dict[str, Any]:
    """Add, lift, publish, ask, delete. Returns the answer."""
    with Reader(settings) as reader:
        book = reader.add(story)
        list(reader.tune(book["id"], values=FEW_STEPS))
        chat = reader.new_chat(book["id"])
        answer = reader.ask(book["id"], QUESTION, chat=chat["id"])
        assert reader.messages(chat["id"])[-1]["content"] == answer["answer"]
        reader.rm(book["id"])
        assert reader.books() == [] and reader.adapters() == []
    return answer


def assert_sound(settings: Settings) -> None:
    """Whole things only, after the sweep that a next start does."""
    with Library.open(settings) as library:
        with library.db.read() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall()[0][0] == "ok"
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        shelves = [library.for_owner(owner) for owner in {library.owner, *last_touched(library)}]
        for shelf in shelves:
            for adapter in shelf.adapters.list():
                if shelf.adapters.folder(adapter.key).is_dir():
                    shelf.adapters.verify(adapter.key)
        library.sweep()
        keys = {row.key for shelf in shelves for row in shelf.adapters.list()}
        assert keys == _names(settings.adapters)
        books = [(shelf, row) for shelf in shelves for row in shelf.books.list()]
        assert {row.id for _, row in books} >= _names(settings.books)
        for shelf, row in books:
            assert shelf.books.load(row.id).text_sha256 == row.text_sha256
            assert shelf.books.source(row.id).is_file()
    left = [path.name for path in settings.home.rglob("*") if path.name.startswith(".tmp-")]
    assert left == []


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
