"""LooGLE: short and long dependency questions, timelines to reorder, summaries, gaps to fill.

Reads the JSON lines of this project's format, and the released `shortdep_qa.jsonl`,
`longdep_qa.jsonl`, `shortdep_cloze.jsonl` and `longdep_summarization.jsonl` (one document a line,
its questions in `qa_pairs`; the newer release has one question a line).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import Row, file_name, rows_of, text_of, texts_of
from lift_app.sft.corpus import parse_lines

FILES = ("loogle.jsonl", "loogle.jsonl.gz", "loogle_summarization.jsonl*")
RELEASE = (
    *("**/shortdep_qa.jsonl*", "**/longdep_qa.jsonl*"),
    *("**/shortdep_cloze.jsonl*", "**/longdep_summarization.jsonl*"),
)

SHORT = "ShortQA"
TASKS = {
    "shortdep_qa": SHORT,
    "short_dependency": SHORT,
    "shortdep_cloze": "cloze",
    "longdep_summarization": "summarisation",
    "summarization": "summarisation",
    "comprehension_and_reasoning": "comprehension and reasoning",
    "multiple_information_retrieval": "multiple retrieval",
    "multiple_retrieval": "multiple retrieval",
    "computation": "computation",
    "timeline_reorder": "timeline reorder",
}
"""Names of tasks and types in the releases -> as the papers' tables have them."""
LONG_TASKS = (
    "comprehension and reasoning",
    "multiple retrieval",
    "computation",
    "timeline reorder",
)
"""The tasks that make up LongQA."""

SUMMARISE = "Summarize the paper in a few sentences."
_FILL = "Which names belong in the gaps? Answer as <mask-0>: name; <mask-1>: name.\n"
_LABEL = re.compile(r"^\s*([IVX]+|\d+)\s*[.)]", re.MULTILINE)


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file.

    Raises:
        CallerError: bad data or an unknown task; names the file and the line.
    """
    kind = next((name for name in TASKS if name in file.name), None)
    yield from parse_lines(file, lambda row: _document(row, kind))


def _document(row: Row, kind: str | None) -> BenchDocument:
    text = text_of(row, "text", "input", "context")
    title = str(row.get("title") or row.get("doc_id") or "document")
    name = file_name(str(row.get("doc_id") or title))
    if "questions" in row:
        asked = [_question(one, kind) for one in rows_of(row, "questions")]
    elif "qa_pairs" in row:
        asked = _pairs(row, kind)
    else:
        asked = [_question(row, kind)]
    return BenchDocument(
        name, title, text, tuple(_asked(one, f"{name}_{n}") for n, one in enumerate(asked, 1))
    )


def _question(row: Row, kind: str | None) -> dict[str, Any]:
    return {"task": kind, **row, "S": row.get("evidence", ())}


def _pairs(row: Row, kind: str | None) -> list[dict[str, Any]]:
    pairs = row["qa_pairs"]
    if isinstance(pairs, str):  # the release writes the list as text
        if pairs.strip() == "none":  # a paper to be summarised; the abstract is the reference
            return [
                {"task": kind, "question": SUMMARISE, "answer": text_of(row, "output"), "S": ()}
            ]
        pairs = ast.literal_eval(pairs)
    return [
        {
            "task": kind,
            "type": p.get("type"),
            "question": p["Q"],
            "answer": p["A"],
            "S": p.get("S", ()),
        }
        for p in rows_of({"qa_pairs": pairs}, "qa_pairs")
    ]


def _asked(row: Row, name: str) -> Asked:
    task = _task(row)
    question = text_of(row, "question")
    gold = tuple(row["S"]) if isinstance(row["S"], list | tuple) else (str(row["S"]),)
    common: dict[str, Any] = {"id": str(row.get("qid") or row.get("id") or name), "task": task}
    if task == "cloze":
        return _cloze(row, question, common)
    answers = texts_of(row, "answers", "references", "answer")
    if task == "summarisation":
        return Asked(question=SUMMARISE, answers=answers, form="long", **common)
    if task == "timeline reorder":
        order = tuple(row.get("gold_order") or re.findall(r"[IVX]+|\d+", answers[0]))
        if sorted(order) == sorted(set(_LABEL.findall(question))) and len(order) > 1:
            return Asked(
                question=f"{question}\nAnswer with the labels in the right order, such as "
                f"{','.join(sorted(order))}.",
                answers=(",".join(order),),
                gold=gold,
                form="order",
                keys=order,
                **common,
            )
    return Asked(question=question, answers=answers, gold=gold, **common)


def _task(row: Row) -> str:
    named = [name for name in (row.get("type"), row.get("task")) if name]
    if not named:
        raise KeyError("task")
    for name in named:
        key = re.sub(r"[^a-z]+", "_", str(name).lower()).strip("_")
        if key in TASKS:
            return TASKS[key]
    raise ValueError(f"the task {named[0]!r} is none of LooGLE's: {', '.join(TASKS)}")


def _cloze(row: Row, question: str, common: dict[str, Any]) -> Asked:
    answer = row["answer"] if "answer" in row else row["answers"]
    if isinstance(answer, str):
        answer = json.loads(answer) if answer.startswith('{"') else ast.literal_eval(answer)
    if not isinstance(answer, dict) or not answer:
        raise ValueError("the gaps have no answers")
    return Asked(
        question=_FILL + question,
        answers=tuple(map(str, answer.values())),
        form="cloze",
        keys=tuple(answer),
        **common,
    )
