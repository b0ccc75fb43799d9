"""Summary: means with intervals by arm and task, and paired differences.

Intervals are 95 %, by a bootstrap that draws whole documents: questions of one document are not
independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from lift_app.bench.arms import Arm
from lift_app.bench.documents import Asked
from lift_app.bench.intervals import bootstrap, paired
from lift_app.bench.metrics.scoring import LEADING, PLAIN_NUMBERS, Said, names_in_order

LONGEST_ANSWER = 400
"""Characters of an answer in a record."""


@dataclass(frozen=True)
class Scored:
    """One question in one arm."""

    document: str
    arm: str
    asked: Asked
    said: Said
    scores: Mapping[str, float]
    adapter: str | None


def summarise(
    scored: Sequence[Scored],
    arms: Sequence[Arm],
    pairs: Sequence[tuple[str, str]],
    lifts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Sum up a run.

    Returns:
        `questions`: how many, per arm with all of them. `metrics`: names in order. `arms`: a row
        an arm: `arm`, `questions`, `scores` {metric: {"mean", "low", "high"}}, `seconds` a
        question, `reading_seconds` a document, `tokens_trained`, `lift_seconds`. `tasks`:
        {task: [the same rows]}. `leading`: {task: the metric it is reported by}. `pairs`:
        differences, {"a", "b", "metric", "difference", "low", "high"}. `records`: every
        answer with its scores.
    """
    tasks = dict.fromkeys(one.asked.task for one in scored if one.asked.task)
    return {
        "questions": len({(one.document, one.asked.id) for one in scored}),
        "metrics": names_in_order([dict(one.scores) for one in scored]),
        "arms": _rows(scored, arms, lifts),
        "tasks": {
            task: _rows([one for one in scored if one.asked.task == task], arms, lifts)
            for task in tasks
        }
        if len(tasks) > 1
        else {},
        "leading": {one.asked.task: LEADING[one.asked.form] for one in scored if one.asked.task},
        "pairs": differences(scored, pairs),
        "records": [_record(one) for one in scored],
    }


def differences(
    scored: Sequence[Scored],
    pairs: Sequence[tuple[str, str]],
    of: Callable[[Scored], Mapping[str, float]] = lambda one: one.scores,
) -> list[dict[str, Any]]:
    """Paired differences of the leading metrics and the NLL, question by question."""
    found = []
    by_arm: dict[str, dict[tuple[str, str], Scored]] = {}
    for one in scored:
        by_arm.setdefault(one.arm, {})[one.document, one.asked.id] = one
    for a, b in pairs:
        both = [name for name in by_arm.get(a, {}) if name in by_arm.get(b, {})]
        for metric in (*dict.fromkeys(LEADING.values()), "judge", "nll"):
            factor = 1.0 if metric in PLAIN_NUMBERS else 100.0
            values = [
                (
                    name[0],
                    factor * of(by_arm[a][name])[metric],
                    factor * of(by_arm[b][name])[metric],
                )
                for name in both
                if metric in of(by_arm[a][name])
            ]
            if values:
                clusters, left, right = zip(*values, strict=True)
                pair = paired(a, left, b, right, metric=metric, clusters=clusters)
                found.append(pair.to_json())
    return found


def _rows(
    scored: Sequence[Scored], arms: Sequence[Arm], lifts: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    rows = []
    for arm in arms:
        own = [one for one in scored if one.arm == arm.name]
        if own:
            rows.append(_row(arm.name, own, lifts))
    return rows


def _row(
    name: str, scored: Sequence[Scored], lifts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    scores = {}
    for metric in names_in_order([dict(one.scores) for one in scored]):
        factor = 1.0 if metric in PLAIN_NUMBERS else 100.0
        some = [one for one in scored if metric in one.scores]
        values = [factor * one.scores[metric] for one in some]
        low, high = bootstrap(values, clusters=[one.document for one in some])
        scores[metric] = {
            "mean": round(fmean(values), 3),
            "low": round(low, 3),
            "high": round(high, 3),
            "questions": len(values),
        }
    reading = {one.document: one.said.reading_seconds for one in scored}
    keys = {one.adapter for one in scored if one.adapter}
    return {
        "arm": name,
        "questions": len(scored),
        "scores": scores,
        "seconds": round(fmean(one.said.seconds for one in scored), 3),
        "reading_seconds": round(fmean(reading.values()), 3),
        "tokens_trained": sum(int(lifts[key].get("tokens_trained", 0)) for key in keys),
        "lift_seconds": round(sum(float(lifts[key].get("seconds") or 0) for key in keys), 1),
    }


def _record(one: Scored) -> dict[str, Any]:
    said = asdict(one.said)
    said["answer"] = said["answer"][:LONGEST_ANSWER]
    return {
        "document": one.document,
        "id": one.asked.id,
        "task": one.asked.task,
        "arm": one.arm,
        "adapter": one.adapter,
        **said,
        "scores": {name: round(value, 4) for name, value in one.scores.items()},
    }


SHOWN = {
    "f1": "token F1",
    "em": "exact match",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "bertscore": "BERTScore",
    "accuracy": "accuracy (likelihood)",
    "accuracy_letter": "accuracy (letter)",
    "concordance": "coordinate score",
    "valid": "is an order",
    "retrieval": "retrieval",
    "exact": "gaps filled",
    "partial": "gaps partly filled",
    "found": "needle found",
    "judge": "judge",
    "nll": "NLL",
    "lsd": "LSD",
    "lmd": "LMD",
    "sd": "SD",
    "sdd": "SDD",
}
"""Metric -> what a table calls it."""


def sizes(result: Mapping[str, Any]) -> str:
    """How many documents and questions a run had, in words."""
    counts = [(name, result[f"{name}s"]) for name in ("document", "question")]
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts)


def markdown(result: Mapping[str, Any]) -> str:
    """A result as Markdown: arms, tasks by their leading metric, differences, the record."""
    metrics = result["metrics"]
    lines = [
        f"{result['suite']}: {sizes(result)}",
        "",
        f"| arm | {' | '.join(SHOWN.get(m, m) for m in metrics)} | seconds a question |",
        f"|---|{'---|' * (len(metrics) + 1)}",
    ]
    for row in result["arms"]:
        cells = [_cell(row["scores"].get(metric), metric) for metric in metrics]
        lines.append(f"| {row['arm']} | {' | '.join(cells)} | {row['seconds']:.1f} |")
    if result["tasks"]:
        lines += ["", *_tasks(result)]
    if result["pairs"]:
        lines += ["", "| difference (95 % interval) | metric | |", "|---|---|---|"]
        for pair in result["pairs"]:
            digits = 3 if pair["metric"] in PLAIN_NUMBERS else 1
            low, high = (f"{pair[end]:+.{digits}f}" for end in ("low", "high"))
            lines.append(
                f"| {pair['a']} − {pair['b']} | {SHOWN.get(pair['metric'], pair['metric'])} | "
                f"{pair['difference']:+.{digits}f} [{low}, {high}] |"
            )
    if result.get("judge"):
        lines += ["", result["judge"]["sentence"]]
    return "\n".join([*lines, "", result["run"]["sentence"]])


def _tasks(result: Mapping[str, Any]) -> list[str]:
    arms = [row["arm"] for row in result["arms"]]
    lines = [
        f"| task | questions | metric | {' | '.join(arms)} |",
        f"|---|---|---|{'---|' * len(arms)}",
    ]
    for task, rows in result["tasks"].items():
        metric = result["leading"][task]
        by_arm = {row["arm"]: row["scores"].get(metric) for row in rows}
        cells = [_cell(by_arm.get(arm), metric) for arm in arms]
        count = max(row["questions"] for row in rows)
        lines.append(f"| {task} | {count} | {SHOWN[metric]} | {' | '.join(cells)} |")
    return lines


def _cell(score: Mapping[str, float] | None, metric: str) -> str:
    if score is None:
        return "–"
    digits = 2 if metric in PLAIN_NUMBERS else 1
    mean, low, high = (f"{score[name]:.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"
