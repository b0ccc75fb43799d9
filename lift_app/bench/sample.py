"""The sample bench: what each arm is worth on the book that comes with the project.

Mean negative log-likelihood of the gold answers to 30 questions, by arm, all with the same prompt
and budget, with paired intervals. The control that the claim needs is an adapter lifted from
another book by the same recipe: what only style would gain, it gains too. The citations are
checked in the same run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from lift_app.answering.question import ADAPTER_ARMS, Question
from lift_app.bench import grounding
from lift_app.bench.arms import strength_of
from lift_app.bench.citations import line as citations_line
from lift_app.bench.intervals import Pair, paired
from lift_app.bench.machine import describe_run
from lift_app.models.provision import require_local
from lift_app.models.tokens import count_tokens
from lift_app.reader import Reader

WRONG_BOOK = "LIFT+ICL (wrong book)"


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    arm: str
    evidence: bool
    book: str
    """`own` or `other`: whose adapter is on."""


ROWS = (
    Row("ICL", "ICL", False, "own"),
    Row("LIFT_only", "LIFT_only", False, "own"),
    Row("LIFT+ICL", "LIFT+ICL", False, "own"),
    Row(WRONG_BOOK, "LIFT+ICL", False, "other"),
    Row("ICL+evidence", "ICL", True, "own"),
    Row("LIFT+ICL+evidence", "LIFT+ICL", True, "own"),
)
PAIRS = (
    ("LIFT+ICL", "ICL"),
    ("LIFT+ICL", WRONG_BOOK),
    (WRONG_BOOK, "ICL"),
    ("LIFT+ICL+evidence", "ICL+evidence"),
)


def run(
    reader: Reader,
    *,
    recipe: str,
    values: Mapping[str, Any],
    progress: Callable[[str], None],
    data: Path | None = None,
    part: str = "questions",
    strength: float | None = None,
    citations: bool = True,
) -> dict[str, Any]:
    """Lift the sample book and the control, score every arm, check the citations.

    Args:
        reader: owns the model.
        recipe: name of the recipe; the same for both books.
        values: fields of it to change.
        progress: told what is being done.
        data: folder of the sample book, its questions and the control.
        part: `questions`, which are for reporting, or `development`, which are for choosing.
        strength: of the adapter, in every arm that has one; by default what answers use: the
            setting, held down by the guard of the sample book's adapter.
        citations: also answer every question, which takes longer than scoring.

    Returns:
        `suite`, `part`, `strength`, `arms` ({"arm", "nll", "questions"}), `pairs`, `citations`
        (None if not wanted), `run`.
    """
    data = data or reader.sample_book().parent
    questions = json.loads((data / "sample_questions.json").read_text(encoding="utf-8"))
    own, own_key = _lift(reader, data / "sample_book.md", recipe, values, progress)
    _, other_key = _lift(reader, data / "control_book.md", recipe, values, progress)
    strengths = {
        evidence: strength_of(reader, own_key, evidence=evidence, given=strength)
        for evidence in (False, True)
    }
    keys = {"own": own_key, "other": other_key}
    nll = {
        row.name: _score(
            reader, own, keys[row.book], row, questions[part], strengths[row.evidence], progress
        )
        for row in ROWS
    }
    found = None
    if citations:
        progress("answering every question")
        unanswerable = questions["unanswerable" if part == "questions" else f"{part}_unanswerable"]
        found = _ground(reader, own, own_key, questions[part], unanswerable, strengths[True])
    return {
        "suite": "sample",
        "part": part,
        "strength": {"alone": strengths[False], "evidence": strengths[True]},
        "arms": [
            {"arm": name, "nll": round(fmean(values), 4), "questions": len(values)}
            for name, values in nll.items()
        ],
        "pairs": [pair.to_json() for pair in _pairs(nll)],
        "citations": found.to_json() if found else None,
        "run": describe_run(reader, recipe, values, own_key),
    }


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    lines = ["| arm | NLL of the gold answer |", "|---|---|"]
    lines += [f"| {row['arm']} | {row['nll']:.3f} |" for row in result["arms"]]
    lines += ["", "| difference of NLL (95 % interval; below 0 = better) | |", "|---|---|"]
    for pair in result["pairs"]:
        interval = f"[{pair['low']:+.3f}, {pair['high']:+.3f}]"
        lines.append(f"| {pair['a']} − {pair['b']} | {pair['difference']:+.3f} {interval} |")
    if result["citations"]:
        lines += ["", citations_line(result["citations"]["totals"])]
    strength = result["strength"]
    lines += [
        "",
        f"Adapter at strength {strength['alone']:g}, beside evidence {strength['evidence']:g}. "
        + result["run"]["sentence"],
    ]
    return "\n".join(lines)


def _lift(
    reader: Reader,
    path: Path,
    recipe: str,
    values: Mapping[str, Any],
    progress: Callable[[str], None],
) -> tuple[str, str]:
    book = reader.add(path)
    progress(f"lifting {book['title']}")
    last: dict[str, Any] = {}
    for last in reader.tune(book["id"], recipe=recipe, values=values):
        if "loss" in last:
            progress(f"lifting {book['title']}: step {last['step']} of {last['steps']}")
    return book["id"], last["adapter"]


def _score(
    reader: Reader,
    book_id: str,
    key: str,
    row: Row,
    questions: Sequence[Mapping[str, Any]],
    strength: float,
    progress: Callable[[str], None],
) -> list[float]:
    from lift_app.answering.scoring import score

    book = reader.library.books.get(book_id)
    engine = reader.engine()
    progress(f"{row.name}: {len(questions)} questions")

    def turn(host: Any) -> list[float]:
        scored = score(
            reader.library,
            host,
            book,
            [Question(item["question"], row.arm, row.evidence, strength) for item in questions],
            [item["answer"] for item in questions],
            slot=engine.slot_for(host, key if row.arm in ADAPTER_ARMS else None),
        )
        return [one.nll for one in scored]

    return engine.submit(turn, model=reader.settings.model).result()


def _pairs(nll: Mapping[str, Sequence[float]]) -> list[Pair]:
    return [paired(a, nll[a], b, nll[b], metric="nll") for a, b in PAIRS]


def _ground(
    reader: Reader,
    book_id: str,
    key: str,
    questions: Sequence[Mapping[str, Any]],
    unanswerable: Sequence[Mapping[str, Any]],
    strength: float,
) -> grounding.Grounding:
    from lift_app.answering.answerer import Answerer
    from lift_app.bench.speaker import with_voice

    def turn(voice: Any, slot: str | None) -> grounding.Grounding:
        return grounding.run(
            Answerer(reader.library, voice, reader.settings),
            reader.library,
            reader.library.books.get(book_id),
            questions,
            unanswerable,
            arm="LIFT+ICL",
            strength=strength,
            slot=slot,
            adapter_key=key,
            max_tokens=reader.settings.answer_tokens,
        )

    return with_voice(reader, turn, key)


def text_of_length(reader: Reader, length: int) -> str:
    """Text of about `length` tokens: the sample book, as often as it takes."""
    folder = require_local(reader.settings.model, reader.settings)
    book = reader.sample_book().read_text(encoding="utf-8").strip() + "\n\n"
    characters = len(book) * length // count_tokens(folder.path, book)
    return (book * (characters // len(book) + 1))[:characters]
