"""The outline of a book: openings in reading order, verbatim, within the budget."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from lift_app.answering.outline import MOST_STOPS, outline
from lift_app.library import BookRow, Library


def words(text: str) -> int:
    return len(text.split())


def test_a_book_without_chapters_is_looked_into_at_even_distances(
    library: Library, shelve: Callable[..., BookRow]
) -> None:
    pages = [f"Heading {n}\n\nOn day {n} it rained. Then nothing came." for n in range(1, 31)]
    row = shelve(*pages)
    found = outline(library.books, row, 200, words)
    numbers = [piece.page for piece in found]
    assert len(numbers) == MOST_STOPS
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1
    assert numbers[-1] > 25
    assert all(piece.text.startswith("On day") for piece in found)  # headings are passed over
    for piece in found:
        page = library.books.page(row.id, piece.page).text
        assert page[piece.start : piece.end] == piece.text


def test_a_page_without_a_sentence_gives_nothing(
    library: Library, shelve: Callable[..., BookRow]
) -> None:
    row = shelve("Contents", "It rained. It stopped.", "Index")
    assert [piece.page for piece in outline(library.books, row, 60, words)] == [2]


def test_without_a_budget_there_is_no_outline(library: Library, row: BookRow) -> None:
    assert outline(library.books, row, 0, words) == []
    assert outline(library.books, row, 3, words) == []


@given(budget=st.integers(0, 120))
def test_the_budget_is_kept(budget: int) -> None:
    text = "It rained on the town for days. Nobody came. The mill stood still all winter."

    class Books:
        """Ten pages in five chapters."""

        def chapters(self, _: str) -> list[object]:
            return [type("C", (), {"page": page})() for page in (1, 3, 5, 7, 9)]

        def page(self, _: str, number: int) -> object:
            return type("P", (), {"text": text})()

    row = type("R", (), {"id": "b", "pages": 10})()
    found = outline(Books(), row, budget, words)  # type: ignore[arg-type]
    assert sum(words(piece.text) for piece in found) <= budget
    if budget >= 5 * words(text):
        assert [piece.page for piece in found] == [1, 3, 5, 7, 9]
