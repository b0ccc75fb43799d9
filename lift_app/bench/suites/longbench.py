"""LongBench (English): questions, summaries and retrieval over eight thousand words.

Reads the JSON lines of this project's format, and the released `<task>.jsonl` files (`input`,
`context`, `answers`, `dataset`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import Row, file_name, rows_of, text_of, texts_of
from lift_app.sft.corpus import parse_lines

TASKS = {
    "narrativeqa": "short",
    "qasper": "short",
    "multifieldqa_en": "short",
    "hotpotqa": "short",
    "2wikimqa": "short",
    "musique": "short",
    "triviaqa": "short",
    "qmsum": "long",
    "gov_report": "long",
    "multi_news": "long",
    "passage_retrieval_en": "retrieval",
}
"""Tasks whose official metric is here -> form of the answer."""
FILES = ("longbench*.jsonl", "longbench*.jsonl.gz")
RELEASE = tuple(f"**/{task}.jsonl" for task in TASKS)

SUMMARISE = "Summarize the report in a few sentences."
_WHICH = (
    "The following is an abstract. Which paragraph is it from? "
    'Answer with its number, such as "Paragraph 1".\n\n'
)


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file.

    Raises:
        CallerError: bad data or an unknown task; names the file and the line.
    """
    task = file.name.partition(".")[0]
    if task == "qmsum":  # the suite QMSum has a file of this name too
        first = next(iter(parse_lines(file, dict)), {})
        if "context" not in first:
            return
    yield from parse_lines(file, lambda row: _document(row, task))


def _document(row: Row, file: str) -> BenchDocument:
    text = text_of(row, "text", "context")
    name = file_name(str(row.get("doc_id") or row.get("_id") or f"{file}_{len(text)}"))
    if "questions" in row:
        asked = [_asked(one, f"{name}_{n}") for n, one in enumerate(rows_of(row, "questions"), 1)]
    else:
        one = {"question": row["input"], "answers": row["answers"], "task": row["dataset"]}
        asked = [_asked(one, name)]
    return BenchDocument(name, row.get("title") or name, text, tuple(asked))


def _asked(row: Row, name: str) -> Asked:
    task = row["task"]
    if task not in TASKS:
        raise ValueError(f"the task {task!r} is none of {', '.join(TASKS)}")
    form = TASKS[task]
    question = row["question"].strip()
    if task in ("gov_report", "multi_news"):
        question = SUMMARISE
    elif form == "retrieval":
        question = _WHICH + question
    if not question:
        raise ValueError("the field 'question' is empty")
    answers = texts_of(row, "answers")
    return Asked(str(row.get("qid") or name), question, answers, form=form, task=task)
