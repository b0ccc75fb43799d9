"""Suite: a benchmark by name, found in a folder or a file that the caller has.

Nothing is downloaded: a path is given, and what is wrong with it is said with file and line.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lift_app.bench.documents import BenchDocument, some_questions
from lift_app.bench.suites import (
    bamboo,
    fairytaleqa,
    literaryqa,
    longbench,
    loogle,
    niah,
    qmsum,
    quality,
    squality,
)
from lift_app.errors import CallerError


@dataclass(frozen=True)
class Suite:
    """One benchmark."""

    name: str
    files: tuple[str, ...]
    """Patterns of its files in a folder."""
    release: tuple[str, ...]
    """Patterns of the files of its official release, where there are none of those."""
    read: Callable[[Path], Iterable[BenchDocument]]


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite("fairytaleqa", fairytaleqa.FILES, fairytaleqa.RELEASE, fairytaleqa.read),
        Suite("quality", quality.FILES, quality.RELEASE, quality.read),
        Suite("loogle", loogle.FILES, loogle.RELEASE, loogle.read),
        Suite("longbench", longbench.FILES, longbench.RELEASE, longbench.read),
        Suite("bamboo", bamboo.FILES, bamboo.RELEASE, bamboo.read),
        Suite("literaryqa", literaryqa.FILES, literaryqa.RELEASE, literaryqa.read),
        Suite("qmsum", qmsum.FILES, qmsum.RELEASE, qmsum.read),
        Suite("squality", squality.FILES, squality.RELEASE, squality.read),
    )
}
"""Suites of documents in files. `niah` is made from essays, for the model that is asked."""
NAMES = (*SUITES, "niah")
QUESTIONS_SEED = 0
"""Of the draw of questions, where a document has more than are asked."""
NOT_THERE = "no_suite"
"""Code of the error that a folder does not hold the suite."""


def load(name: str, data: Path, count: Callable[[str], int]) -> list[BenchDocument]:
    """All documents of a suite, the shortest first.

    Args:
        name: one of `NAMES`.
        data: the folder with its files, or one file.
        count: tokens of a text; the haystacks of `niah` are measured with it.

    Raises:
        CallerError: no such suite or path, no file of it there, or bad data (file and line).
    """
    if name not in NAMES:
        raise CallerError(f"There is no suite {name!r}. Choose from: {', '.join(NAMES)}.")
    if not data.exists():
        raise CallerError(f"There is no file or folder {data}.")
    if name == "niah":
        return niah.documents(niah.folder_of(data), count)
    suite = SUITES[name]
    found = [document for file in _files(suite, data) for document in suite.read(file)]
    documents = [document for document in _joined(found) if document.questions]
    if not documents:
        raise CallerError(
            f"{data} has no document with questions for the suite {name}.", code=NOT_THERE
        )
    return sorted(documents, key=lambda d: (len(d.text.split()), d.id))


def shortest(
    documents: list[BenchDocument],
    *,
    limit: int | None,
    questions: int | None,
    tasks: Sequence[str] = (),
    seed: int = QUESTIONS_SEED,
) -> list[BenchDocument]:
    """The first `limit` documents with at most `questions` questions each, drawn by the seed.

    Args:
        documents: the shortest first.
        limit: how many; with tasks, how many of each. None for all.
        questions: most questions a document; None for all.
        tasks: ask the questions of these alone. Documents of some tasks are longer than those of
            others, so that the shortest of all would leave tasks without any.
        seed: of the draw.

    Raises:
        CallerError: a task that no document has; names those that there are.
    """
    found = [_of_tasks(document, tasks) for document in documents] if tasks else documents
    if not tasks:
        chosen = found[:limit]
    else:
        _check_tasks(documents, tasks)
        own = {t: [d for d in found if any(q.task == t for q in d.questions)] for t in tasks}
        names = {document.id for some in own.values() for document in some[:limit]}
        chosen = [document for document in found if document.id in names]
    return chosen if questions is None else [some_questions(d, questions, seed) for d in chosen]


def _of_tasks(document: BenchDocument, tasks: Sequence[str]) -> BenchDocument:
    return replace(document, questions=tuple(q for q in document.questions if q.task in tasks))


def _check_tasks(documents: Iterable[BenchDocument], tasks: Sequence[str]) -> None:
    known = dict.fromkeys(q.task for d in documents for q in d.questions if q.task)
    for task in tasks:
        if task not in known:
            told = f"It has: {', '.join(known)}." if known else "It names none."
            raise CallerError(f"The data has no task {task!r}. {told}")


def _files(suite: Suite, data: Path) -> list[Path]:
    if data.is_file():
        return [data]
    for patterns in (suite.files, suite.release):
        if found := sorted({file for pattern in patterns for file in data.glob(pattern)}):
            return found
    looked = ", ".join((*suite.files, *suite.release))
    raise CallerError(
        f"{data} has no file of the suite {suite.name}: it looks for {looked}.", code=NOT_THERE
    )


def _joined(documents: Iterable[BenchDocument]) -> list[BenchDocument]:
    """Documents with the same text as one: a release may keep each task in a file of its own."""
    by_text: dict[str, BenchDocument] = {}
    names: set[str] = set()
    for document in documents:
        digest = hashlib.sha256(document.text.encode()).hexdigest()
        if (first := by_text.get(digest)) is not None:
            both = (*first.questions, *document.questions)
            by_text[digest] = replace(first, questions=both)
            continue
        name = document.id if document.id not in names else f"{document.id}-{digest[:8]}"
        names.add(name)
        by_text[digest] = replace(document, id=name)
    return [_numbered(document) for document in by_text.values()]


def _numbered(document: BenchDocument) -> BenchDocument:
    """The document with a name of its own for each question."""
    seen: Counter[str] = Counter()
    questions = []
    for asked in document.questions:
        seen[asked.id] += 1
        again = f"-{seen[asked.id]}" if seen[asked.id] > 1 else ""
        questions.append(replace(asked, id=asked.id + again))
    return replace(document, questions=tuple(questions))
