"""First questions: from the book's own names, and only what it can answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lift_app.answering.first_questions import GENERAL, first_questions
from lift_app.reader import Reader
from lift_app.settings import Settings


@pytest.fixture
def reader(settings: Settings) -> Iterator[Reader]:
    with Reader(settings) as opened:
        yield opened


def questions(reader: Reader, tmp_path: Path, text: str, name: str = "b.txt") -> list[str]:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return reader.first_questions(reader.add(file)["id"])


def test_names_that_recur_are_asked_about(reader: Reader, tmp_path: Path) -> None:
    text = (
        "In the evening Orla Venn said good night. Later Orla Venn asked for the lamp, and Orla "
        "Venn said nothing more. The road to Quell was long. They came from Quell, and nobody "
        "left Quell again. A man of Quell sang."
    )
    found = questions(reader, tmp_path, text)
    assert "Who is Orla Venn?" in found
    assert "What does the book say about Quell?" in found
    assert found[-1] == GENERAL


def test_a_title_keeps_its_article(reader: Reader, tmp_path: Path) -> None:
    text = (
        "At noon the King said good night to Alice. Later the King asked for Alice, and the King "
        "said nothing more. Then King and Queen sang. In the hall stood Alice alone, and Alice "
        "said so. But I'll sing, and I'll dance, and then I'll sleep."
    )
    found = questions(reader, tmp_path, text)
    assert found == ["Who is the King?", "Who is Alice?", GENERAL]


def test_a_book_without_names_has_the_general_question(reader: Reader, tmp_path: Path) -> None:
    assert questions(reader, tmp_path, "the rain fell and fell. nobody came.") == [GENERAL]
    assert questions(reader, tmp_path, "天上有一颗星。地上有一个人。", "c.txt") == [GENERAL]


def test_the_sample_book_has_three(reader: Reader) -> None:
    book = reader.add(reader.sample_book())["id"]
    found = reader.first_questions(book)
    assert len(found) == 3 and len(set(found)) == 3
    assert first_questions(reader.library.books.load(book), reader.library.passages, 1) == [GENERAL]
