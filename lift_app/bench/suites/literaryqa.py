"""LiteraryQA and NarrativeQA: questions about whole novels.

Reads the JSON lines of this project's format, those of the LiteraryQA release (`qas`), and
NarrativeQA's release: a folder with `documents.csv`, `qaps.csv` and `tmp/<id>.content`, the texts.
The books are famous: the closed-book score belongs beside every other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import (
    Row,
    file_name,
    name_of,
    parse_table,
    rows_of,
    text_of,
    texts_of,
)
from lift_app.sft.corpus import parse_lines

FILES = ("literaryqa*.jsonl", "literaryqa*.jsonl.gz")
RELEASE = ("LiteraryQA*.jsonl", "**/qaps.csv")


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file.

    Raises:
        CallerError: bad data; names the file and the line.
    """
    if file.name == "qaps.csv":
        yield from _narrativeqa(file)
    else:
        yield from parse_lines(file, _document)


def _document(row: Row) -> BenchDocument:
    name = str(row[name_of(row, "doc_id", "document_id")])
    questions = tuple(
        Asked(
            str(one.get("qid") or f"{name}_{n}"), text_of(one, "question"), texts_of(one, "answers")
        )
        for n, one in enumerate(rows_of(row, "questions", "qas"), 1)
    )
    return BenchDocument(file_name(name), row.get("title") or name, text_of(row, "text"), questions)


def _narrativeqa(file: Path) -> Iterator[BenchDocument]:
    asked: dict[str, list[Asked]] = {}

    def keep(row: Row) -> None:
        found = asked.setdefault(row["document_id"], [])
        answers = {"answer1": [row["answer1"], row.get("answer2") or ""]}
        found.append(
            Asked(
                f"{row['document_id']}_{len(found)}",
                text_of(row, "question"),
                texts_of(answers, "answer1"),
            )
        )

    for _ in parse_table(file, keep):
        pass
    titles = file.parent / "documents.csv"
    names = dict(parse_table(titles, lambda r: (r["document_id"], r.get("wiki_title") or "")))
    for name, questions in asked.items():
        text = file.parent / "tmp" / f"{name}.content"
        if text.is_file():  # scripts are downloaded by the reader; those who did not skip them
            content = text.read_text(encoding="utf-8", errors="replace")
            yield BenchDocument(name, names.get(name) or name, content, tuple(questions))
