"""BAMBOO, sorting: summaries of a report, or shuffled paragraphs of a show, in their true order.

Reads the JSON lines of this project's format, and the released `reportsumsort_*.jsonl` and
`showssort_*.jsonl` (`content`, `summaries`, `answer`). Items are counted from 0, as in the
release.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import Row, file_name, numbers_of, rows_of, text_of
from lift_app.sft.corpus import parse_lines

FILES = ("bamboo_*sort*.jsonl", "bamboo_*sort*.jsonl.gz")
RELEASE = ("**/reportsumsort*.jsonl", "**/showssort*.jsonl")

_ITEM_CHARACTERS = 400
"""Of a summary in the question: enough to know it by, so that five fit beside an excerpt."""


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file; its name says which task it is.

    Raises:
        CallerError: bad data or an unknown task; names the file and the line.
    """
    number = iter(range(1 << 30))
    yield from parse_lines(file, lambda row: _document(row, file.name, next(number)))


def _document(row: Row, file: str, number: int) -> BenchDocument:
    kind = re.search(r"(reportsumsort|showssort)(?:_(\d+k))?", file)
    if kind is None:
        raise ValueError(f"{file} is neither reportsumsort nor showssort")
    task = kind[0]
    name = file_name(str(row.get("doc_id") or f"{task}_{number}"))
    text = text_of(row, "text", "content")
    if "questions" in row:
        pairs = [
            (q.get("events") or (), numbers_of(q, "gold_order")) for q in rows_of(row, "questions")
        ]
    else:
        pairs = [(row.get("summaries") or (), numbers_of(row, "answer"))]
    asked = (_asked(items, order, task, f"{name}_{n}") for n, (items, order) in enumerate(pairs, 1))
    return BenchDocument(name, row.get("title") or name, text, tuple(asked))


def _asked(items: Sequence[str], order: Sequence[int], task: str, name: str) -> Asked:
    labels = tuple(str(place) for place in order)
    if not labels or sorted(order) != list(range(len(labels))):
        raise ValueError(f"the order {list(order)} is no order of {len(labels)} items")
    if items and len(items) != len(labels):
        raise ValueError(f"{len(items)} items have an order of {len(labels)}")
    what = "events" if items else "paragraphs"
    listed = "".join(f"\n[{n}] {item[:_ITEM_CHARACTERS]}" for n, item in enumerate(items))
    example = ",".join(str(n) for n in range(len(labels)))
    return Asked(
        id=name,
        question=f"In which order do these {what} stand in the original text? "
        f"Answer with their numbers, such as {example}.{listed}",
        answers=(",".join(labels),),
        form="order",
        task=task,
        keys=labels,
    )
