"""QMSum: summaries of meetings, each for a question.

Reads the JSON lines of this project's format, and the released ones (`meeting_transcripts`,
`general_query_list`, `specific_query_list`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.suites.fields import Row, file_name, rows_of, text_of, texts_of
from lift_app.sft.corpus import parse_lines

FILES = ("qmsum*.jsonl", "qmsum*.jsonl.gz")
RELEASE = ("**/ALL/jsonl/*.jsonl",)


def read(file: Path) -> Iterator[BenchDocument]:
    """Documents of one file.

    Raises:
        CallerError: bad data; names the file and the line.
    """
    number = iter(range(1 << 30))
    yield from parse_lines(file, lambda row: _document(row, file, next(number)))


def _document(row: Row, file: Path, number: int) -> BenchDocument:
    if "meeting_transcripts" in row:
        said = [f"{t['speaker']}: {t['content']}" for t in rows_of(row, "meeting_transcripts")]
        text = text_of({"meeting_transcripts": "\n".join(said)}, "meeting_transcripts")
        asked = [
            {"question": q["query"], "answers": [q["answer"]], "type": kind}
            for kind in ("general", "specific")
            for q in rows_of(row, f"{kind}_query_list")
        ]
    else:
        text = text_of(row, "text")
        asked = [dict(one) for one in rows_of(row, "questions")]
    name = file_name(str(row.get("doc_id") or f"{file.name.partition('.')[0]}_{number}"))
    questions = tuple(
        Asked(
            id=str(one.get("qid") or f"{name}_{n}"),
            question=text_of(one, "question"),
            answers=texts_of(one, "answers"),
            form="long",
            task=str(one.get("type") or ""),
        )
        for n, one in enumerate(asked, 1)
    )
    return BenchDocument(name, row.get("title") or "Meeting", text, questions)
