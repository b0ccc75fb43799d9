"""Domains: documents of kinds that the start never saw, with short and long contexts.

The start has read tales and meetings. What it and a lift are worth on papers, reports, an
encyclopaedia and novels is measured against the same base with a short and with a long excerpt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from lift_app.bench.arms import ARMS, SFT, Plan
from lift_app.bench.documents import BenchDocument
from lift_app.bench.intervals import bootstrap, paired
from lift_app.bench.metrics.scoring import LEADING
from lift_app.bench.runs.lineup import closed
from lift_app.bench.runs.run import collect, describe
from lift_app.bench.runs.summary import SHOWN, Scored
from lift_app.bench.suites.suite import NOT_THERE, load, shortest
from lift_app.errors import CallerError
from lift_app.models.catalogue import split_start
from lift_app.reader import Reader
from lift_app.settings import Settings

LONG = 4096
"""Tokens of head and tail in the long context."""


@dataclass(frozen=True)
class Domain:
    """Documents of one kind."""

    name: str
    suite: str = ""
    tasks: tuple[str, ...] = ()
    seen: bool = False
    """Whether the start has read documents of this kind (never these)."""
    empty: str = ""
    """Why there are none."""


DOMAINS = (
    Domain("tales", "fairytaleqa", seen=True),
    Domain("meetings", "qmsum", seen=True),
    Domain("encyclopaedia", "loogle", ("ShortQA",)),
    Domain("papers", "longbench", ("qasper",)),
    Domain("reports of government", "longbench", ("gov_report",)),
    Domain("novels", "literaryqa"),
    Domain("code", empty="no suite here asks about code"),
    Domain("law", empty="no suite here asks about statutes or judgements"),
)


def run(
    settings: Settings,
    data: Path,
    *,
    limit: int,
    questions: int | None,
    recipe: str,
    values: Mapping[str, Any],
    count: Callable[[str], int],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Ask each domain with a short context, a long one, and a lift beside the short one.

    Args:
        settings: of the bench; `context_tokens` is the short context.
        data: folder of the suites.
        limit: documents a domain, the shortest first.
        questions: most questions a document.
        recipe: of the lifts.
        values: fields of it to change.
        count: tokens of a text.
        progress: told what is being done.

    Returns:
        `check`, `rows` ({"domain", "seen", "metric", "questions", "scores": {arm: {"mean", "low",
        "high"}}, "difference": lift against short, "why"}), `run`.
    """
    start = split_start(settings.model)[1] is not None
    prefix = SFT if start else ""
    arms = {
        "closed book": closed(start),
        "short": ARMS[f"{prefix}ICL"],
        "long": ARMS[f"{prefix}ICL"],
        "lift": ARMS[f"{prefix}LIFT+ICL"],
    }
    passes = {settings.context_tokens: ("closed book", "short", "lift"), LONG: ("long",)}
    found: dict[str, dict[str, list[Scored]]] = {}
    said: dict[str, Any] = {}
    for context, columns in passes.items():
        with Reader(replace(settings, context_tokens=context)) as reader:
            plan = Plan(tuple(arms[one] for one in columns), recipe, dict(values), {})
            for domain in DOMAINS:
                documents = _documents(domain, data, count, limit, questions)
                if not documents:
                    continue
                progress(domain.name)
                answers = collect(reader, documents, plan, progress)
                for column in columns:
                    own = [one for one in answers.scored if one.arm == arms[column].name]
                    found.setdefault(domain.name, {})[column] = own
                if answers.lifts:
                    said = describe(reader, plan, answers)
    if not found:
        raise CallerError(f"{data} has no documents for this check.")
    return {
        "check": "domains",
        "context": {"short": settings.context_tokens, "long": LONG},
        "rows": [_row(domain, found.get(domain.name)) for domain in DOMAINS],
        "run": said,
    }


def _documents(
    domain: Domain,
    data: Path,
    count: Callable[[str], int],
    limit: int,
    questions: int | None,
) -> list[BenchDocument]:
    if domain.empty:
        return []
    try:
        documents = load(domain.suite, data, count)
    except CallerError as error:
        if error.code == NOT_THERE:
            return []
        raise
    there = {asked.task for document in documents for asked in document.questions}
    if domain.tasks and not there & set(domain.tasks):
        return []
    return shortest(documents, limit=limit, questions=questions, tasks=domain.tasks)


def _row(domain: Domain, columns: Mapping[str, Sequence[Scored]] | None) -> dict[str, Any]:
    if not columns:
        why = domain.empty or "its suite is not in the folder"
        return {"domain": domain.name, "seen": domain.seen, "scores": {}, "why": why}
    metric = LEADING[columns["short"][0].asked.form]
    scores = {name: _score(own, metric) for name, own in columns.items()}
    scores |= {f"{name} NLL": _score(own, "nll", 1.0) for name, own in columns.items()}
    pair = paired(
        "lift",
        [one.scores["nll"] for one in columns["lift"]],
        "short",
        [one.scores["nll"] for one in columns["short"]],
        metric="nll",
        clusters=[one.document for one in columns["short"]],
    )
    return {
        "domain": domain.name,
        "seen": domain.seen,
        "metric": metric,
        "documents": len({one.document for one in columns["short"]}),
        "questions": len(columns["short"]),
        "scores": scores,
        "difference": pair.to_json(),
        "why": "",
    }


def _score(scored: Sequence[Scored], metric: str, factor: float = 100.0) -> dict[str, float]:
    values = [factor * one.scores[metric] for one in scored]
    low, high = bootstrap(values, clusters=[one.document for one in scored])
    return {"mean": round(fmean(values), 3), "low": round(low, 3), "high": round(high, 3)}


def markdown(result: Mapping[str, Any]) -> str:
    """The check as Markdown."""
    short, long = result["context"]["short"], result["context"]["long"]
    lines = [
        f"| domain | seen by the start | questions | metric | closed book | {short} tokens | "
        f"{long} tokens | lift + {short} | NLL, lift − {short} tokens |",
        f"|---{'|---' * 8}|",
    ]
    for row in result["rows"]:
        seen = "yes" if row["seen"] else "no"
        if row["why"]:
            lines.append(f"| {row['domain']} | {seen} | – | {row['why']} | – | – | – | – | – |")
            continue
        cells = []
        for column in ("closed book", "short", "long", "lift"):
            score, nll = row["scores"][column], row["scores"][f"{column} NLL"]
            cells.append(f"{score['mean']:.1f} (NLL {nll['mean']:.2f})")
        pair = row["difference"]
        gap = f"{pair['difference']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]"
        lines.append(
            f"| {row['domain']} | {seen} | {row['questions']} of {row['documents']} documents | "
            f"{SHOWN[row['metric']]} | {' | '.join(cells)} | {gap} |"
        )
    return "\n".join([*lines, "", result["run"].get("sentence", "")])
