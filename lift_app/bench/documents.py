"""Documents of a bench: texts with questions, gold answers and gold evidence.

Reads JSON lines (plain or gzipped), one document a line: `doc_id`, `title`, `text`, `questions`
with `question` and `answers`, and `sections` with `gold_sections` where the evidence is known; or
the sample book, which comes with the project.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lift_app.errors import CallerError
from lift_app.sft.corpus import as_sentence, parse_lines

FORMS = ("short", "long", "order", "choice", "retrieval", "cloze", "needle")
"""Forms of an answer; each has its metrics (`bench.metrics`) and its length (`bench.runs`)."""


@dataclass(frozen=True)
class Asked:
    """A question with every answer that counts as right, and the passages that prove it."""

    id: str
    question: str
    answers: tuple[str, ...]
    gold: tuple[str, ...] = ()
    form: str = "short"
    """One of `FORMS`."""
    task: str = ""
    """What it is reported under within its suite."""
    options: tuple[str, ...] = ()
    """Of a multiple choice; the right one is `answers[0]`."""
    keys: tuple[str, ...] = ()
    """Labels in their true order (`order`), words that must be said (`needle`), masks in the order
    of `answers` (`cloze`)."""

    @property
    def told(self) -> str:
        """The first right answer as an answer is told, from a capital to a full stop.

        Gold answers come as bare phrases. A model that speaks in sentences is surprised by the
        missing full stop more than by anything that they say, so likelihoods are taken of this.
        Lists, options, letters and the like stay as they are.
        """
        first = self.answers[0]
        return as_sentence(first) if self.form in ("short", "long") else first


@dataclass(frozen=True)
class BenchDocument:
    """A text with questions about it."""

    id: str
    title: str
    text: str
    questions: tuple[Asked, ...]


def read_documents(file: Path, *, least_words: int = 0) -> list[BenchDocument]:
    """Documents of a file of JSON lines.

    Args:
        file: `.jsonl` or `.jsonl.gz`.
        least_words: shorter documents are left out.

    Raises:
        CallerError: the file is missing, a line is no document, or none is long enough.
    """
    if not file.is_file():
        raise CallerError(f"There is no file {file}.")
    found = [
        d
        for d in parse_lines(file, _document)
        if len(d.text.split()) >= least_words and d.questions
    ]
    if not found:
        raise CallerError(f"{file.name} has no document of {least_words:,} words with questions.")
    return found


def sample_documents(data: Path) -> list[BenchDocument]:
    """The sample book with its 30 questions, and the control book, which has none."""
    questions = json.loads((data / "sample_questions.json").read_text(encoding="utf-8"))
    asked = tuple(
        Asked(q["id"], q["question"], (q["answer"],), tuple(q["evidence"]))
        for q in questions["questions"]
    )
    return [
        _book(data / "sample_book.md", asked),
        _book(data / "control_book.md", ()),
    ]


def some_questions(document: BenchDocument, count: int, seed: int) -> BenchDocument:
    """A document with at most `count` of its questions, drawn by the seed."""
    if len(document.questions) <= count:
        return document
    drawn = random.Random(f"{seed}/{document.id}").sample(range(len(document.questions)), count)
    return replace(document, questions=tuple(document.questions[i] for i in sorted(drawn)))


def _book(path: Path, asked: tuple[Asked, ...]) -> BenchDocument:
    text = path.read_text(encoding="utf-8")
    return BenchDocument(path.stem, text.partition("\n")[0].lstrip("# "), text, asked)


def _document(row: Mapping[str, Any]) -> BenchDocument:
    sections = row.get("sections") or ()
    return BenchDocument(
        id=row["doc_id"],
        title=row.get("title") or row["doc_id"],
        text=row["text"],
        questions=tuple(
            Asked(
                id=q.get("qid") or f"{row['doc_id']}_{number}",
                question=q["question"],
                answers=tuple(q["answers"]),
                gold=tuple(sections[i] for i in q.get("gold_sections", ())) or _evidence(q),
            )
            for number, q in enumerate(row["questions"], 1)
            if q.get("answers")
        ),
    )


def _evidence(question: Mapping[str, Any]) -> tuple[str, ...]:
    """Gold evidence that is given as text, or as pieces of text, as LooGLE gives it."""
    given = question.get("evidence") or ()
    pieces = (given,) if isinstance(given, str) else tuple(given)
    return tuple(piece for piece in pieces if isinstance(piece, str) and piece.strip())
