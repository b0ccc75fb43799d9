"""Corpus: documents with questions, read from a folder of JSON lines.

A line is a document: `doc_id`, `text`, and `questions` with `question` and `answers`. Where the
evidence is known, a question names it by `gold_sections` (indices into the document's `sections`)
or by `relevant_text_span` (first and last line of the text, counted from 0).
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lift_app.errors import CallerError

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A question with its answer."""

    question: str
    answer: str
    sections: tuple[int, ...]
    """Sections of the document that prove the answer; empty if that is not known."""


@dataclass(frozen=True)
class Document:
    """A text in sections, with questions about it."""

    id: str
    title: str
    sections: tuple[str, ...]
    questions: tuple[Asked, ...]
    discursive: bool
    """Whether its answers are summaries of some sentences (a meeting), or short (a tale)."""


DISCURSIVE_WORDS = 24
"""Median length of the answers from which on a document counts as discursive."""
_UNGROUNDED = {"prediction"}
"""Kinds of question that the text does not answer."""


def read_corpus(folder: Path) -> list[Document]:
    """All documents of all `*.jsonl` and `*.jsonl.gz` files of a folder, by file and line.

    Raises:
        CallerError: no such folder, no document in it, or a line that is not a document.
    """
    if not folder.is_dir():
        raise CallerError(f"There is no folder {folder}.")
    files = sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")])
    documents = [d for file in files for d in parse_lines(file, _document) if d.questions]
    if not documents:
        raise CallerError(
            f"There are no documents in {folder}: it needs files of JSON lines (.jsonl or "
            ".jsonl.gz), each line with doc_id, text and questions."
        )
    return documents


def parse_lines(file: Path, parse: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """What `parse` makes of each line of a `.jsonl` or `.jsonl.gz` file.

    Raises:
        CallerError: a line is no document; the message names the file and the line.
    """
    opened = gzip.open if file.suffix == ".gz" else open
    number = 0
    try:
        # newline: texts hold form feeds and line separators, at which lines must not be split.
        with opened(file, "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                yield _parsed(file, number, line, parse)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CallerError(f"{file}, line {number + 1}, cannot be read: {error}.") from None


def _parsed(file: Path, number: int, line: str, parse: Callable[[dict[str, Any]], T]) -> T:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("it is not a JSON object")
        return parse(row)
    except json.JSONDecodeError as error:
        why = f"it is not JSON ({error.msg} at column {error.colno})"
    except KeyError as error:
        why = f"the field {error} is missing"
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        why = str(error)
    raise CallerError(f"{file}, line {number}, is no document: {why}.")


def _document(row: Mapping[str, Any]) -> Document:
    questions = [q for q in row["questions"] if q.get("attribute") not in _UNGROUNDED]
    if row.get("sections"):
        sections = tuple(joined(section) for section in row["sections"])
        asked = [_asked(q, tuple(q.get("gold_sections", ()))) for q in questions]
    else:
        sections = tuple(line.strip() for line in row["text"].split("\n") if line.strip())
        asked = [_asked(q, _spans(q)) for q in questions]
    known = range(len(sections))
    if not any(sections) or any(s not in known for one in asked for s in one.sections):
        raise ValueError("no text, or evidence outside of it")
    lengths = sorted(len(one.answer.split()) for one in asked) or [0]
    return Document(
        id=row["doc_id"],
        title=_title(row.get("title") or ""),
        sections=sections,
        questions=tuple(one for one in asked if one.answer),
        discursive=lengths[len(lengths) // 2] >= DISCURSIVE_WORDS,
    )


def _asked(question: Mapping[str, Any], sections: tuple[int, ...]) -> Asked:
    return Asked(as_sentence(question["question"]), as_sentence(question["answers"][0]), sections)


def _spans(question: Mapping[str, Any]) -> tuple[int, ...]:
    spans = question.get("relevant_text_span", ())
    return tuple(i for first, last in spans for i in range(int(first), int(last) + 1))


def as_sentence(text: str) -> str:
    """A line with a capital at its beginning and a mark at its end, without loose spaces."""
    line = re.sub(r"\s+([.,;:!?])", r"\1", joined(text).strip())
    if not line:
        return ""
    line = line[0].upper() + line[1:]
    return line if line[-1] in ".!?\"'”’" else f"{line}."


def joined(text: str) -> str:
    """Text with single line breaks as spaces; empty lines stay."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text).strip()


def _title(name: str) -> str:
    words = re.sub(r"[-_]+", " ", name).strip()
    words = re.sub(r"\s+story$", "", words)
    return words.title() if words.islower() else words
