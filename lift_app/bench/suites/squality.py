"""SQuALITY: summaries of stories, four references a question.

Reads the JSON lines of this project's format, and the released ones (`document`, `questions` with
`question_text` and `responses`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import Row, file_name, rows_of, text_of, texts_of
from lift_app.sft.corpus import parse_lines

FILES = ("squality*.jsonl", "squality*.jsonl.gz")
RELEASE = ("**/txt/*.jsonl",)


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file.

    Raises:
        CallerError: bad data; names the file and the line.
    """
    yield from parse_lines(file, _document)


def _document(row: Row) -> BenchDocument:
    name = str(row["doc_id"] if "doc_id" in row else row["metadata"]["passage_id"])
    questions = tuple(
        Asked(
            id=str(one.get("qid") or f"{name}_{n}"),
            question=text_of(one, "question", "question_text"),
            answers=_references(one),
            form="long",
        )
        for n, one in enumerate(rows_of(row, "questions"), 1)
    )
    text = text_of(row, "text", "document")
    return BenchDocument(file_name(name), row.get("title") or "Story", text, questions)


def _references(row: Row) -> tuple[str, ...]:
    if "responses" in row:
        said = [one["response_text"] for one in rows_of(row, "responses")]
        return texts_of({"responses": said}, "responses")
    return texts_of(row, "references", "answers")
