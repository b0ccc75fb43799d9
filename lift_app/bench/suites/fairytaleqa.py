"""FairytaleQA: short tales with questions by kind, and the sections that prove the answers.

Reads the JSON lines of this project's format, and the released tables: `*-questions.csv` beside
(or in the folder `questions` next to) `*-story.csv`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import (
    Row,
    file_name,
    parse_table,
    rows_of,
    sections_of,
    text_of,
    texts_of,
)
from lift_app.errors import CallerError
from lift_app.sft.corpus import parse_lines

FILES = ("fairytaleqa*.jsonl", "fairytaleqa*.jsonl.gz")
RELEASE = ("**/*-questions.csv",)


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file.

    Raises:
        CallerError: bad data; names the file and the line.
    """
    if file.suffix == ".csv":
        yield _tale(file)
    else:
        yield from parse_lines(file, _document)


def _document(row: Row) -> BenchDocument:
    text = text_of(row, "text")
    sections = row.get("sections") or [text]
    questions = []
    for number, one in enumerate(rows_of(row, "questions"), 1):
        questions.append(
            Asked(
                id=str(one.get("qid") or f"{row['doc_id']}_{number}"),
                question=text_of(one, "question"),
                answers=texts_of(one, "answers"),
                gold=sections_of(one, "gold_sections", sections),
                task=str(one.get("attribute", "")),
            )
        )
    name = text_of(row, "doc_id")
    return BenchDocument(file_name(name), row.get("title") or name, text, tuple(questions))


def _tale(file: Path) -> BenchDocument:
    name = file.name.removesuffix("-questions.csv")
    folders = (file.parent, file.parent.parent / "section-stories", file.parent.parent / "stories")
    story = next(
        (f / f"{name}-story.csv" for f in folders if (f / f"{name}-story.csv").is_file()), None
    )
    if story is None:
        raise CallerError(f"{file}, line 1: its story {name}-story.csv is not beside it.")
    sections = dict(parse_table(story, lambda row: (str(row["section"]), text_of(row, "text"))))

    def asked(row: Row) -> Asked:
        proof = [part.strip() for part in (row["cor_section"] or "").split(",") if part.strip()]
        answers = [row.get(f"answer{n}") or "" for n in range(1, 7)]
        return Asked(
            id=f"{name}_{row['question_id']}",
            question=text_of(row, "question"),
            answers=texts_of({"answer1": answers}, "answer1"),
            gold=tuple(sections[part] for part in proof if part in sections),
            task=str(row.get("attribute1") or row.get("attribute") or ""),
        )

    questions = tuple(parse_table(file, asked))
    return BenchDocument(file_name(name), name, "\n\n".join(sections.values()), questions)
