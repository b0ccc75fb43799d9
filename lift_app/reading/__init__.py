"""Reading: a file becomes a Book, in a child process, with an honest report.

The face is `FileReader`, `read_book` and the plain data of a Book. Owns formats and their limits;
knows nothing about the library, tokens or models.
"""

from __future__ import annotations

from pathlib import Path

from lift_app.reading.book import PAGE_BREAK, Book, Chapter, Page, Report
from lift_app.reading.file_reader import FileReader
from lift_app.settings import Settings

__all__ = ["PAGE_BREAK", "Book", "Chapter", "FileReader", "Page", "Report", "read_book"]


def read_book(path: Path, settings: Settings) -> Book:
    """Read one file with a child process of its own. Errors as for `FileReader.read`."""
    with FileReader(settings) as reader:
        return reader.read(path)
