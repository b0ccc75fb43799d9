"""Grounding: do answers cite the sentence that proves them, and decline where there is none?

Runs questions with known proofs, and questions that the book does not answer, through the very
Answerer that readers use. Knows the format of `data/sample_questions.json`; prints nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lift_app.answering.question import Question
from lift_app.bench.metrics.token_f1 import token_f1

if TYPE_CHECKING:
    from lift_app.answering.answer import Answer
    from lift_app.answering.answerer import Answerer
    from lift_app.library import BookRow, Library


@dataclass(frozen=True)
class GroundingRecord:
    """One question and what became of it."""

    id: str
    question: str
    answerable: bool
    kind: str
    gold: str | None
    answer: str
    supported: bool
    f1: float | None
    """Token F1 against the gold answer; None for a question without one."""
    quotes: tuple[str, ...]
    on_proof: tuple[bool, ...]
    """For each quote, whether it overlaps a proving passage; empty for unanswerable ones."""
    verbatim: bool
    """Whether every quote stands on its page as cited."""
    seconds: float


@dataclass(frozen=True)
class GroundingTotals:
    """Counts over all questions."""

    answerable: int
    refused: int
    """Answerable questions that were declined."""
    citations: int
    """Citations shown for answerable questions."""
    on_proof: int
    """Of those, how many overlap a proving passage."""
    unanswerable: int
    abstained: int
    """Unanswerable questions that were declined without a citation."""
    not_verbatim: int
    """Citations that are not on their page as quoted: must be 0."""
    f1: float
    """Mean token F1 of answerable questions, 0 to 1; a refusal counts 0."""


@dataclass(frozen=True)
class Grounding:
    """Records and totals of one run."""

    records: tuple[GroundingRecord, ...]
    totals: GroundingTotals

    @classmethod
    def of(cls, records: Sequence[GroundingRecord]) -> Grounding:
        """Records with their totals."""
        return cls(tuple(records), _totals(records))

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


def run(
    answerer: Answerer,
    library: Library,
    row: BookRow,
    questions: Sequence[Mapping[str, Any]],
    unanswerable: Sequence[Mapping[str, Any]],
    *,
    arm: str = "ICL",
    evidence: bool = True,
    strength: float = 1.0,
    slot: str | None = None,
    adapter_key: str | None = None,
    max_tokens: int = 96,
) -> Grounding:
    """Ask all questions and judge answers and citations.

    Args:
        answerer: as readers use it.
        library: where the pages are, to check each quote.
        row: the book.
        questions: each with `id`, `question`, `answer`, `evidence` (verbatim passages), `kind`.
        unanswerable: each with `id`, `question`, `kind`.
        arm: one of the papers' arms.
        evidence: whether passages go into the context.
        strength: of the adapter, 0 to 1.
        slot: where the host holds the adapter, for arms that need one.
        adapter_key: key of that adapter.
        max_tokens: longest answer.

    Raises:
        CallerError: the arm needs an adapter and `slot` is None.
    """
    records = []
    for item in [*questions, *unanswerable]:
        asked = Question(item["question"], arm, evidence, strength, max_tokens=max_tokens)
        answer = answerer.answer(
            row,
            asked,
            slot=slot,
            adapter_key=adapter_key,
            on_text=lambda _: None,
            stop=threading.Event(),
        )
        records.append(_record(library, row, item, answer))
    return Grounding.of(records)


def _record(
    library: Library, row: BookRow, item: Mapping[str, Any], answer: Answer
) -> GroundingRecord:
    proofs = item.get("evidence")
    gold = item.get("answer")
    pages = {c.page: library.books.page(row.id, c.page).text for c in answer.citations}
    return GroundingRecord(
        id=str(item["id"]),
        question=item["question"],
        answerable=proofs is not None,
        kind=str(item.get("kind", "")),
        gold=gold,
        answer=answer.answer,
        supported=answer.supported,
        f1=None if gold is None else token_f1(answer.answer, gold) * answer.supported,
        quotes=tuple(citation.quote for citation in answer.citations),
        on_proof=tuple(
            any(overlaps(pages[c.page], c.start, c.end, proof) for proof in proofs or ())
            for c in answer.citations
            if proofs is not None
        ),
        verbatim=all(pages[c.page][c.start : c.end] == c.quote for c in answer.citations),
        seconds=answer.timing.seconds,
    )


def overlaps(page: str, start: int, end: int, proof: str) -> bool:
    """Whether page[start:end] shares text with a passage that stands on the page.

    White space in the passage may differ from the page's.
    """
    pattern = r"\s+".join(map(re.escape, proof.split()))
    return any(m.start() < end and start < m.end() for m in re.finditer(pattern, page))


def _totals(records: Sequence[GroundingRecord]) -> GroundingTotals:
    answerable = [record for record in records if record.answerable]
    others = [record for record in records if not record.answerable]
    scores = [record.f1 or 0.0 for record in answerable]
    return GroundingTotals(
        answerable=len(answerable),
        refused=sum(not record.supported for record in answerable),
        citations=sum(len(record.quotes) for record in answerable),
        on_proof=sum(sum(record.on_proof) for record in answerable),
        unanswerable=len(others),
        abstained=sum(not record.supported and not record.quotes for record in others),
        not_verbatim=sum(not record.verbatim for record in records),
        f1=sum(scores) / len(scores) if scores else 0.0,
    )
