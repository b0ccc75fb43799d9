"""Run: a suite in every arm, resumable, with what it takes to do it again.

Each document is lifted once for all arms (and for every other suite that holds it: an adapter is
found by its key), every answer is kept as it comes, and a run that was killed repeats none of them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lift_app.answering.assembly import ASSEMBLY_VERSION
from lift_app.answering.manner import manner_of
from lift_app.bench.arms import SFT, Arm, Plan, add_document, computed_in, strength_of
from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.judging.judge import Judge, agreement, with_verdicts
from lift_app.bench.machine import describe_machine, describe_run
from lift_app.bench.metrics.scoring import Said, score
from lift_app.bench.runs.kept import Kept, digest
from lift_app.bench.runs.lineup import (
    ANSWER_TOKENS,
    GOLD_TOKENS,
    needs_adapter,
    pairs_of,
    question,
    start_of,
)
from lift_app.bench.runs.summary import Scored, summarise
from lift_app.bench.suites.suite import QUESTIONS_SEED
from lift_app.errors import CallerError
from lift_app.lifting.recipe import resolve_recipe
from lift_app.models.catalogue import split_start
from lift_app.models.provision import find_local
from lift_app.reader import Reader
from lift_app.template import TEMPLATE_VERSION

Progress = Callable[[str], None]

_ANY = 10**6
"""A window that every recipe fits into; the model's own is looked at where a lift begins."""


@dataclass
class Found:
    """What a run has found: an answer for each question and arm, and what the lifts cost."""

    scored: list[Scored] = field(default_factory=list)
    lifts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Adapter key -> the summary of its lift."""
    new: int = 0
    """How many of the answers were not kept before."""
    reused: int = 0


def run(
    reader: Reader,
    documents: Sequence[BenchDocument],
    plan: Plan,
    *,
    suite: str,
    progress: Progress,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Ask every question of every document in every arm.

    Args:
        reader: with a home of the bench's own.
        documents: the wrong book of each is the next one.
        plan: arms and recipe.
        suite: its name.
        progress: told what is being done.
        judge: also judges the answers; None for none.

    Raises:
        CallerError: an arm that needs a start, gold evidence or a second document has none.

    Returns:
        `suite`, `documents`, `questions`, `arms`, `tasks`, `pairs` (see `summary`), `records`,
        `judge` (its agreement with token F1), `answers` ({"new", "kept"}), `run` (machine,
        model, recipe, seed, versions).
    """
    _check(reader, documents, plan.arms)
    found = collect(reader, documents, plan, progress)
    scored = with_verdicts(judge, found.scored, progress) if judge else found.scored
    result = {
        "suite": suite,
        "documents": len(documents),
        **summarise(scored, plan.arms, pairs_of(plan.arms), found.lifts),
        "judge": agreement(judge, scored).to_json() if judge else None,
        "answers": {"new": found.new, "kept": found.reused},
        "run": describe(reader, plan, found),
    }
    _write(reader, suite, result)
    return result


def collect(
    reader: Reader, documents: Sequence[BenchDocument], plan: Plan, progress: Progress
) -> Found:
    """The answers of every arm, from the disk where they are kept there.

    Raises:
        CallerError: there is no such recipe; known before anything is asked.
    """
    resolve_recipe(plan.recipe, window=_ANY, values={**plan.values, **plan.task_values})
    kept = Kept(reader.settings.home / "answers.jsonl")
    books = [add_document(reader, document) for document in documents]
    found = Found()
    # One base after the other: loading a model takes longer than an answer.
    for start in sorted({arm.start for arm in plan.arms}):
        for place, document in enumerate(documents):
            for arm in (arm for arm in plan.arms if arm.start == start):
                key, strength = None, 1.0
                label = f"{place + 1} of {len(documents)}, {arm.name}: {document.title[:40]}"
                if needs_adapter(arm):
                    key = _lift(reader, books[place], arm, plan, found, label, progress)
                    strength = strength_of(
                        reader, key, evidence=arm.evidence != "none", given=plan.strength
                    )
                    if arm.adapter == "other":  # as strong as the right one
                        wrong = books[(place + 1) % len(books)]
                        key = _lift(reader, wrong, arm, plan, found, label, progress)
                asked = (reader, books[place], document, arm, key, strength)
                _ask(*asked, kept, found, label, progress)
    return found


def _check(reader: Reader, documents: Sequence[BenchDocument], arms: Sequence[Arm]) -> None:
    if any(arm.start for arm in arms) and split_start(reader.settings.model)[1] is None:
        raise CallerError(f"The arms {SFT}… need a start, and {reader.settings.model} has none.")
    if any(arm.adapter == "other" for arm in arms) and len(documents) < 2:
        raise CallerError("The wrong book is another document: take two documents at least.")
    gold = any(arm.evidence == "gold" for arm in arms)
    if gold and not any(asked.gold for d in documents for asked in d.questions):
        raise CallerError("The arms with gold evidence need a suite that names it.")


def _lift(
    reader: Reader,
    book: str,
    arm: Arm,
    plan: Plan,
    found: Found,
    label: str,
    progress: Progress,
) -> str:
    """Key of the adapter, lifted if it is not on the shelf."""
    values = {**plan.values, **(plan.task_values if arm.tasks else {})}
    last: dict[str, Any] = {}
    for last in reader.tune(book, recipe=plan.recipe, values=values, start=start_of(arm)):
        if last.get("steps"):
            stage = "lifting" if last["stage"] == "training" else last["stage"]
            progress(f"{label}: {stage}, step {last['step']} of {last['steps']}")
    key: str = last["adapter"]
    row = reader.library.adapters.find(key)
    found.lifts[key] = row.summary if row else {}
    return key


def _ask(
    reader: Reader,
    book: str,
    document: BenchDocument,
    arm: Arm,
    key: str | None,
    strength: float,
    kept: Kept,
    found: Found,
    label: str,
    progress: Progress,
) -> None:
    """Scores of one document and arm; what is not kept is asked in one turn of the engine."""
    from lift_app.bench.runs.asking import ask_all

    model = reader.reference(start=start_of(arm))
    row = reader.library.books.get(book)
    if find_local(model, reader.settings) is None:
        for event in reader.fetch_model(model):
            progress(str(event.get("message", model)))
    common = _depends_on(reader, model, key, row.text_sha256)
    asked = [one for one in document.questions if arm.evidence != "gold" or one.gold]
    keys = {one: digest([common, _question_parts(one, arm, strength)]) for one in asked}
    missing = [one for one in asked if kept.get(keys[one]) is None]
    count, stop = 0, threading.Event()

    def keep(one: Asked, said: Said) -> None:
        nonlocal count
        kept.put(keys[one], asdict(said))
        count += 1
        progress(f"{label}: question {count} of {len(missing)}")

    if missing:
        engine = reader.engine()
        turn = engine.submit(
            lambda host: ask_all(
                reader.library,
                host,
                reader.settings,
                row,
                arm,
                missing,
                slot=engine.slot_for(host, key),
                strength=strength,
                keep=keep,
                stop=stop,
            ),
            model=model,
        )
        try:
            turn.result()
        finally:
            stop.set()  # an interrupted run ends after the present question
    found.new += len(missing)
    found.reused += len(asked) - len(missing)
    for one in asked:
        record = kept.get(keys[one])
        assert record is not None
        said = Said(**{**record, "options": tuple(record["options"])})
        found.scored.append(Scored(document.id, arm.name, one, said, score(one, said), key))


def _depends_on(reader: Reader, model: str, key: str | None, text_sha256: str) -> list[Any]:
    """What every answer of one document and arm depends on."""
    folder = find_local(model, reader.settings)
    assert folder is not None  # it was fetched before
    return [
        [folder.weights_sha256, folder.start_sha256, asdict(manner_of(folder))],
        [key, text_sha256, TEMPLATE_VERSION, ASSEMBLY_VERSION, ANSWER_TOKENS, GOLD_TOKENS],
        [reader.settings.context_tokens, reader.settings.evidence_tokens],
        computed_in(reader, folder),
    ]


def _question_parts(one: Asked, arm: Arm, strength: float) -> list[Any]:
    return [
        asdict(question(one, arm, strength)),
        arm.adapter,
        one.form,
        one.told,
        one.answers,
        one.options,
    ]


def describe(reader: Reader, plan: Plan, found: Found) -> dict[str, Any]:
    """Machine, model, recipe, seed and versions of a run."""
    folder = find_local(reader.settings.model, reader.settings)
    if found.lifts:
        said = describe_run(reader, plan.recipe, plan.values, next(reversed(found.lifts)))
    else:
        said = describe_machine(reader)
    models = list(dict.fromkeys(reader.reference(start=start_of(arm)) for arm in plan.arms))
    return said | {
        "models": models,
        "sentence": said["sentence"].replace(reader.settings.model, " and ".join(models), 1),
        "weights_sha256": folder.weights_sha256 if folder else None,
        "start_sha256": folder.start_sha256 if folder else None,
        "template": TEMPLATE_VERSION,
        "evidence_tokens": reader.settings.evidence_tokens,
        "answer_tokens": ANSWER_TOKENS,
        "strength": plan.strength,
        "recipe_name": plan.recipe,
        "questions_seed": QUESTIONS_SEED,
    }


def _write(reader: Reader, suite: str, result: dict[str, Any]) -> None:
    """Keep the result for the tables, under a name of what was run."""
    arms = [row["arm"] for row in result["arms"]]
    asked = sorted({(record["document"], record["id"]) for record in result["records"]})
    of = digest([arms, asked, {k: v for k, v in result["run"].items() if k != "adapter"}])
    folder = reader.settings.home / "results"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{suite}-{of[:8]}.json"
    path.write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")
