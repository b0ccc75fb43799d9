"""Citations and refusals on documents whose gold evidence is known.

Every question is asked of its own document, where it should be answered and cited, and of another
one, where it should be declined. Runs through the very Answerer that readers use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lift_app.bench import grounding
from lift_app.bench.arms import add_document
from lift_app.bench.documents import BenchDocument
from lift_app.bench.machine import describe_machine
from lift_app.errors import CallerError
from lift_app.reader import Reader


def run(
    reader: Reader,
    documents: Sequence[BenchDocument],
    *,
    suite: str,
    arm: str = "ICL",
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Ask every question of its own document and of the next one.

    Args:
        reader: with a home of the bench's own.
        documents: at least two.
        suite: name of the questions.
        arm: one without an adapter, `ICL` or `RAG`.
        progress: told what is being done.

    Raises:
        CallerError: fewer than two documents.

    Returns:
        `suite`, `documents`, `totals` (see `grounding.GroundingTotals`), `records`, `run`.
    """
    from lift_app.answering.answerer import Answerer
    from lift_app.bench.speaker import with_voice

    if len(documents) < 2:
        raise CallerError("The bench needs two documents at least: others' questions are declined.")
    records: list[grounding.GroundingRecord] = []
    for place, document in enumerate(documents):
        progress(f"{place + 1} of {len(documents)}: {document.title}")
        row = reader.library.books.get(add_document(reader, document))
        other = documents[(place + 1) % len(documents)]

        def turn(
            voice: Any,
            _: Any,
            row: Any = row,
            document: BenchDocument = document,
            other: Any = other,
        ) -> grounding.Grounding:
            return grounding.run(
                Answerer(reader.library, voice, reader.settings),
                reader.library,
                row,
                [_item(asked) for asked in document.questions if asked.gold],
                [_item(asked, answered=False) for asked in other.questions],
                arm=arm,
                max_tokens=reader.settings.answer_tokens,
            )

        records += with_voice(reader, turn).records
    found = grounding.Grounding.of(records)
    return {
        "suite": suite,
        "documents": len(documents),
        "arm": arm,
        **found.to_json(),
        "run": describe_machine(reader),
    }


def _item(asked: Any, *, answered: bool = True) -> dict[str, Any]:
    item = {"id": asked.id, "question": asked.question, "kind": ""}
    return item | {"answer": asked.answers[0], "evidence": asked.gold} if answered else item


def line(totals: Mapping[str, Any]) -> str:
    """The totals in one sentence."""
    return (
        f"Citations on the proving passage: {totals['on_proof']} of {totals['citations']} shown; "
        f"answerable questions declined: {totals['refused']} of {totals['answerable']}; "
        f"unanswerable questions declined without a citation: {totals['abstained']} of "
        f"{totals['unanswerable']}; token F1 of the answers {100 * totals['f1']:.1f}."
    )
