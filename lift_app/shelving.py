"""Shelving: a book that was read goes into the library, with its tokens counted."""

from __future__ import annotations

from pathlib import Path

from lift_app.library import BookRow, Library
from lift_app.models.provision import find_local
from lift_app.models.tokens import count_tokens
from lift_app.reading import Book
from lift_app.settings import Settings

TOKENS_PER_WORD = 1.33
"""Guess while no tokenizer is on this machine; the report says that it is one."""


def shelve(
    library: Library, settings: Settings, book: Book, path: Path, *, replace_text: bool
) -> BookRow:
    """Keep a book; the same file again is the same book.

    Args:
        library: where it is kept.
        settings: whose tokens are counted: those of the chosen model.
        book: as it was read.
        path: its file, which is kept, too.
        replace_text: it was read another way, so what was learned of the other text goes.
    """
    tokens, exact = _count_tokens(settings, book.text)
    row = library.books.add(book, path, tokens, exact, replace_text=replace_text)
    if exact and not row.tokens_exact:  # it was added before there was a tokenizer
        library.books.set_tokens(row.id, tokens)
    if replace_text:
        for adapter in library.adapters.for_book(row.id):
            library.adapters.delete(adapter.key)  # it has learned the other text
    return library.books.get(row.id) if not row.new else row


def _count_tokens(settings: Settings, text: str) -> tuple[int, bool]:
    folder = find_local(settings.model, settings)
    if folder is None:
        return round(len(text.split()) * TOKENS_PER_WORD), False
    return count_tokens(folder.path, text), True
