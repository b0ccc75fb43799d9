"""QuALITY: multiple choice about stories and articles of five thousand words.

Reads the JSON lines of this project's format, and the released `QuALITY.v1.0.1.*` files, whose
right option is counted from 1. Questions are reported by their number of options, and the hard
ones (which readers in a hurry get wrong) apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import Row, file_name, name_of, rows_of, text_of
from lift_app.sft.corpus import parse_lines

FILES = ("quality*.jsonl", "quality*.jsonl.gz")
RELEASE = ("QuALITY*",)


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file.

    Raises:
        CallerError: bad data; names the file and the line.
    """
    yield from parse_lines(file, _document)


def _document(row: Row) -> BenchDocument:
    text = text_of(row, "text", "article")
    name = str(row[name_of(row, "doc_id", "article_id")])
    questions = tuple(
        _asked(one, f"{name}_{number}") for number, one in enumerate(rows_of(row, "questions"), 1)
    )
    return BenchDocument(file_name(name), row.get("title") or name, text, questions)


def _asked(row: Row, name: str) -> Asked:
    options = _options(row)
    gold = row[name_of(row, "gold", "gold_label")]
    place = gold if "gold" in row or type(gold) is not int else gold - 1
    if type(place) is not int or not 0 <= place < len(options):
        raise ValueError(f"the right option {gold!r} is none of the {len(options)} options")
    hard = ", hard" if row.get("difficult") else ""
    return Asked(
        id=str(row.get("qid") or row.get("question_unique_id") or name),
        question=text_of(row, "question"),
        answers=(options[place],),
        form="choice",
        task=f"{len(options)} options{hard}",
        options=options,
    )


def _options(row: Row) -> tuple[str, ...]:
    """All options in their order, two equal ones too: the right one is known by its place."""
    options = row["options"]
    if not isinstance(options, list) or not all(isinstance(o, str) and o.strip() for o in options):
        raise ValueError("the field 'options' is no list of texts")
    return tuple(option.strip() for option in options)
