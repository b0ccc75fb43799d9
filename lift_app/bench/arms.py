"""All arms of the papers on the same questions, in one run (arXiv 2412.13626, 2502.14644).

Every document is lifted with the same recipe, each arm sees the same prompt and budget, answers
are greedy, and differences are paired by question and clustered by document. The control that the
claim needs is the adapter of another document: what only style would gain, it gains too. What was
scored is kept, so that a killed run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from lift_app.answering.assembly import ASSEMBLY_VERSION
from lift_app.answering.manner import manner_of
from lift_app.answering.question import ADAPTER_ARMS, Question
from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.intervals import Pair, paired
from lift_app.bench.machine import describe_run
from lift_app.bench.metrics.token_f1 import best_f1
from lift_app.bench.runs.kept import Kept, digest
from lift_app.errors import CallerError
from lift_app.models.catalogue import split_start
from lift_app.models.device import choose_device
from lift_app.models.identity import ModelFolder
from lift_app.models.provision import require_local
from lift_app.models.starts import NONE
from lift_app.reader import Reader
from lift_app.template import TEMPLATE_VERSION

SFT = "SFT+"
"""What stands before the name of an arm on the pre-LIFT SFT start."""


@dataclass(frozen=True)
class Arm:
    """One row of the table."""

    name: str
    arm: str
    """One of `question.ARMS`."""
    evidence: str = "none"
    """`none`, `retrieved` or `gold`."""
    adapter: str = "own"
    """`own` or `other`: whose adapter is on, where the arm has one."""
    tasks: bool = False
    """Whether auxiliary tasks (AT) were among what the adapter learned."""
    start: bool = False
    """Whether the base stands on the start."""


_PLAIN = (
    Arm("ICL", "ICL"),
    Arm("LIFT_only", "LIFT_only"),
    Arm("LIFT+ICL", "LIFT+ICL"),
    Arm("LIFT+AT+ICL", "LIFT+ICL", tasks=True),
    Arm("LIFT+AT_only", "LIFT_only", tasks=True),
    Arm("LIFT+ICL (wrong book)", "LIFT+ICL", adapter="other"),
    Arm("LIFT+AT+ICL (wrong book)", "LIFT+ICL", adapter="other", tasks=True),
    Arm("ICL+evidence", "ICL", "retrieved"),
    Arm("LIFT+ICL+evidence", "LIFT+ICL", "retrieved"),
    Arm("LIFT+AT+ICL+evidence", "LIFT+ICL", "retrieved", tasks=True),
    Arm("ICL+gold", "ICL", "gold"),
    Arm("LIFT+ICL+gold", "LIFT+ICL", "gold"),
    Arm("RAG", "RAG", "retrieved"),
)
ARMS: dict[str, Arm] = {arm.name: arm for arm in _PLAIN} | {
    SFT + arm.name: Arm(SFT + arm.name, **{**_rest, "start": True})
    for arm in _PLAIN
    if (_rest := {k: v for k, v in asdict(arm).items() if k != "name"})
}
"""Every arm by name: those of the base model, then those of the start."""

_PAIRS = (
    ("LIFT+ICL", "ICL"),
    ("LIFT+ICL", "LIFT+ICL (wrong book)"),
    ("LIFT+AT+ICL", "LIFT+ICL"),
    ("LIFT+AT+ICL", "ICL"),
    ("LIFT+AT+ICL", "LIFT+AT+ICL (wrong book)"),
    ("LIFT+AT_only", "LIFT_only"),
    ("LIFT+ICL+evidence", "ICL+evidence"),
    ("LIFT+AT+ICL+evidence", "ICL+evidence"),
    ("LIFT+AT+ICL+evidence", "LIFT+ICL+evidence"),
    ("LIFT+ICL+gold", "ICL+gold"),
    ("LIFT+ICL+evidence", "RAG"),
)
PAIRS = (
    *_PAIRS,
    *((SFT + a, SFT + b) for a, b in _PAIRS),
    (SFT + "ICL", "ICL"),
    (SFT + "LIFT+ICL", "LIFT+ICL"),
    (SFT + "ICL+evidence", "ICL+evidence"),
)
"""What is compared, where both arms were run."""


@dataclass(frozen=True)
class Plan:
    """What is run."""

    arms: tuple[Arm, ...]
    recipe: str
    values: Mapping[str, Any]
    task_values: Mapping[str, Any]
    """Fields of the recipe that turn auxiliary tasks on."""
    strength: float | None = None
    """Of the adapter, in every arm; the settings by default."""
    write: bool = True
    """Whether every arm also answers, for F1."""


def find_arms(names: str | None) -> tuple[Arm, ...]:
    """Arms by their names with commas between; every arm without names.

    Raises:
        CallerError: there is no such arm.
    """
    if not names:
        return tuple(ARMS.values())
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in ARMS:
            raise CallerError(f"There is no arm {name!r}. Choose from: {', '.join(ARMS)}.")
    return tuple(ARMS[name] for name in wanted)


def run(
    reader: Reader,
    documents: Sequence[BenchDocument],
    plan: Plan,
    *,
    suite: str,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Run every arm on every document.

    Args:
        reader: with a home of the bench's own.
        documents: the wrong book of each is the next one; those without questions are only lifted.
        plan: arms and recipe.
        suite: name of the questions.
        progress: told what is being done.

    Raises:
        CallerError: fewer than two documents, or `SFT+` arms for a model without a start.

    Returns:
        `suite`, `arms` ({"arm", "f1", "nll", "seconds", "tokens_trained", "questions"}), `pairs`
        ({"a", "b", "metric", "difference", "low", "high"}), `documents`, `run`.
    """
    return summary(reader, plan, measure(reader, documents, plan, progress=progress), suite=suite)


@dataclass(frozen=True)
class Measured:
    """What one arm found on one document."""

    document: BenchDocument
    scores: list[dict[str, Any]]
    """By question: {"question", "nll", "answer", "f1", "seconds"}."""
    key: str | None
    """Of the adapter, where the arm has one."""
    tokens_trained: int


def measure(
    reader: Reader,
    documents: Sequence[BenchDocument],
    plan: Plan,
    *,
    progress: Callable[[str], None],
) -> dict[str, list[Measured]]:
    """What every arm finds on every document that has questions, by the arm's name.

    Arguments and errors are those of `run`.
    """
    if any(arm.start for arm in plan.arms) and split_start(reader.settings.model)[1] is None:
        raise CallerError(f"The arms {SFT}… need a start, and {reader.settings.model} has none.")
    if len(documents) < 2:
        raise CallerError("The bench needs two documents at least: the wrong book is another one.")
    kept = Kept(reader.settings.home / "scores.jsonl")
    books = [add_document(reader, document) for document in documents]
    found: dict[str, list[Measured]] = {arm.name: [] for arm in plan.arms}
    # One base after the other: loading a model takes longer than an answer.
    for arm in sorted(plan.arms, key=lambda a: (a.start, a.tasks)):
        for place, document in enumerate(documents):
            if not document.questions:
                continue
            trained, key, strength = 0, None, 1.0
            if arm.arm in ADAPTER_ARMS:
                key, trained = lift_document(reader, document, arm, plan, progress)
                strength = strength_of(
                    reader, key, evidence=arm.evidence != "none", given=plan.strength
                )
                if arm.adapter == "other":  # as strong as the right one, or it would gain less
                    wrong = documents[(place + 1) % len(books)]
                    key, trained = lift_document(reader, wrong, arm, plan, progress)
            progress(f"{arm.name}: {document.title}, {len(document.questions)} questions")
            scores = _score(reader, books[place], document, arm, key, strength, plan, kept)
            found[arm.name].append(Measured(document, scores, key, trained))
    return found


def summary(
    reader: Reader, plan: Plan, found: Mapping[str, Sequence[Measured]], *, suite: str
) -> dict[str, Any]:
    """Means and paired differences of what was measured, as `run` returns them."""
    keys = [one.key for of_arm in found.values() for one in of_arm if one.key]
    return {
        "suite": suite,
        "documents": max(map(len, found.values()), default=0),
        "arms": [_row(arm, found[arm.name]) for arm in plan.arms],
        "pairs": [pair.to_json() for pair in _pairs(found, plan)],
        "run": describe_run(reader, plan.recipe, plan.values, keys[-1]) if keys else None,
    }


def computed_in(reader: Reader, folder: ModelFolder) -> list[str]:
    """Device and precision that scores come from; what is set may be `auto`."""
    choice = choose_device(reader.settings, folder.parameters)
    return [choice.device, choice.label]


def add_document(reader: Reader, document: BenchDocument) -> str:
    """Put a document on the bench's shelf and return its id."""
    folder = reader.settings.home / "documents"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document.id}.txt"
    path.write_text(document.text, encoding="utf-8")
    return str(reader.add(path, title=document.title)["id"])


def _start(arm: Arm) -> str | None:
    return None if arm.start else NONE


def lift_document(
    reader: Reader,
    document: BenchDocument,
    arm: Arm,
    plan: Plan,
    progress: Callable[[str], None],
) -> tuple[str, int]:
    """Lift a document as an arm wants it, unless it is on the bench's shelf already.

    Returns:
        Key of the adapter, and the tokens that it was trained on.
    """
    progress(f"{arm.name}: {document.title}")
    values = {**plan.values, **(plan.task_values if arm.tasks else {})}
    last: dict[str, Any] = {}
    book = add_document(reader, document)
    for last in reader.tune(book, recipe=plan.recipe, values=values, start=_start(arm)):
        if "loss" in last:
            progress(f"{arm.name}: lifting, step {last['step']} of {last['steps']}")
    row = reader.library.adapters.find(last["adapter"])
    return last["adapter"], int(row.summary["tokens_trained"]) if row else 0


def strength_of(
    reader: Reader, key: str | None, *, evidence: bool, given: float | None = None
) -> float:
    """The strength that answers use an adapter at, unless one is given."""
    if given is not None:
        return given
    default = reader.settings.default_strength(evidence=evidence)
    adapter = reader.library.adapters.find(key) if key else None
    return adapter.strength(default) if adapter else default


def _score(
    reader: Reader,
    book: str,
    document: BenchDocument,
    arm: Arm,
    key: str | None,
    strength: float,
    plan: Plan,
    kept: Kept,
) -> list[dict[str, Any]]:
    from lift_app.answering.scoring import score

    questions = [_question(asked, arm, strength, reader) for asked in document.questions]
    model = reader.reference(start=_start(arm))
    row = reader.library.books.get(book)
    folder = require_local(model, reader.settings)
    of = digest(
        [
            [folder.weights_sha256, folder.start_sha256, asdict(manner_of(folder))],
            [key, row.text_sha256, TEMPLATE_VERSION, ASSEMBLY_VERSION, plan.write],
            [reader.settings.context_tokens, reader.settings.evidence_tokens],
            computed_in(reader, folder),
            [asdict(question) for question in questions],
            [[asked.told, *asked.answers] for asked in document.questions],
        ]
    )
    if (known := kept.get(of)) is not None:
        scores: list[dict[str, Any]] = known["scores"]
        return scores
    engine = reader.engine()

    def turn(host: Any) -> list[dict[str, Any]]:
        began = time.perf_counter()
        scored = score(
            reader.library,
            host,
            row,
            questions,
            [asked.told for asked in document.questions],
            slot=engine.slot_for(host, key),
            write=plan.write,
        )
        seconds = (time.perf_counter() - began) / len(questions)
        return [
            {
                "question": asked.id,
                "nll": one.nll,
                "answer": one.answer,
                "f1": best_f1(one.answer, asked.answers) if plan.write else None,
                "seconds": seconds,
            }
            for asked, one in zip(document.questions, scored, strict=True)
        ]

    scores = engine.submit(turn, model=model).result()
    kept.put(of, {"scores": scores})
    return scores


def _question(asked: Asked, arm: Arm, strength: float, reader: Reader) -> Question:
    return Question(
        asked.question,
        arm.arm,
        evidence=arm.evidence == "retrieved",
        strength=strength,
        gold=asked.gold if arm.evidence == "gold" else (),
        max_tokens=reader.settings.answer_tokens,
    )


def _row(arm: Arm, found: Sequence[Measured]) -> dict[str, Any]:
    scores = [score for one in found for score in one.scores]
    f1 = [score["f1"] for score in scores if score["f1"] is not None]
    return {
        "arm": arm.name,
        "f1": round(100 * fmean(f1), 2) if f1 else None,
        "nll": round(fmean(score["nll"] for score in scores), 4),
        "seconds": round(fmean(score["seconds"] for score in scores), 2),
        "tokens_trained": sum(one.tokens_trained for one in found),
        "questions": len(scores),
    }


def _pairs(found: Mapping[str, Sequence[Measured]], plan: Plan) -> list[Pair]:
    return [
        difference(a, found[a], b, found[b], metric=metric)
        for a, b in PAIRS
        if found.get(a) and found.get(b)
        for metric in ("nll", "f1")
        if metric == "nll" or plan.write
    ]


def difference(
    a: str, left: Sequence[Measured], b: str, right: Sequence[Measured], *, metric: str
) -> Pair:
    """Compare two arms by question, clustered by document; F1 in points of a hundred."""
    factor = 100.0 if metric == "f1" else 1.0
    values, others = (
        [factor * score[metric] for one in of for score in one.scores] for of in (left, right)
    )
    clusters = [one.document.id for one in left for _ in one.scores]
    return paired(a, values, b, others, metric=metric, clusters=clusters)


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "| arm | token F1 | NLL of the gold answer | seconds a question | tokens trained |",
        "|---|---|---|---|---|",
    ]
    for row in result["arms"]:
        f1 = "–" if row["f1"] is None else f"{row['f1']:.1f}"
        trained = f"{row['tokens_trained']:,}" if row["tokens_trained"] else "–"
        lines.append(
            f"| {row['arm']} | {f1} | {row['nll']:.3f} | {row['seconds']:.1f} | {trained} |"
        )
    lines += ["", "| difference (95 % interval) | NLL (below 0 = better) | F1 |", "|---|---|---|"]
    by_pair: dict[tuple[str, str], dict[str, str]] = {}
    for pair in result["pairs"]:
        interval = f"{pair['difference']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]"
        by_pair.setdefault((pair["a"], pair["b"]), {})[pair["metric"]] = interval
    for (a, b), cells in by_pair.items():
        lines.append(f"| {a} − {b} | {cells['nll']} | {cells.get('f1', '–')} |")
    if result["run"]:
        lines += ["", result["run"]["sentence"]]
    return "\n".join(lines)
