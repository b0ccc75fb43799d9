"""Table N of the papers, filled with what was run here.

A cell that was not run stays empty and says why: the command that would fill it, or the reason why
nothing here can. Knows no model; reads the results that runs have left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from lift_app.bench.intervals import bootstrap
from lift_app.bench.runs.summary import sizes
from lift_app.bench.tables.published import TABLES, Column, Row, Table
from lift_app.bench.tables.results import find_result
from lift_app.errors import CallerError


def fill(number: int, home: Path) -> dict[str, Any]:
    """Fill a table.

    Args:
        number: 1 to 6.
        home: of the bench.

    Raises:
        CallerError: there is no such table.

    Returns:
        `table`, `title`, `columns`, `rows` ({"row", "model", "cells": [{"published", "here",
        "why"}]}), `metrics` (what was scored here, by column), `judged` (whether the published
        numbers are a judge's), `runs` (a sentence each), `single` (whether one of them had a single
        document), `commands`.
    """
    if number not in TABLES:
        raise CallerError(
            f"There is no table {number}. Choose from {min(TABLES)} to {max(TABLES)}."
        )
    table = TABLES[number]
    found = {
        suite: find_result(home, suite, partial(_filled, table, suite)) for suite in _suites(table)
    }
    return {
        "table": number,
        "title": table.title,
        "columns": [column.name for column in table.columns],
        "rows": [_row(row, table, found) for row in table.rows],
        "metrics": {column.name: _metrics(column, found) for column in table.columns},
        "judged": any("judge" in column.metrics for column in table.columns),
        "runs": [
            {
                "suite": suite,
                "documents": result["documents"],
                "questions": result["questions"],
                "judge": (result.get("judge") or {}).get("judge"),
                "sentence": result["run"]["sentence"],
            }
            for suite, result in found.items()
            if result
        ],
        "single": any(result["documents"] == 1 for result in found.values() if result),
        "commands": [_command(table, suite) for suite in _suites(table)],
    }


def _suites(table: Table) -> list[str]:
    return list(dict.fromkeys(c.suite for c in table.columns if not c.empty))


def _arms(table: Table, suite: str) -> list[str]:
    rows = [row for row in table.rows if not row.empty]
    columns = [column for column in table.columns if column.suite == suite]
    return list(dict.fromkeys(row.arm + column.suffix for column in columns for row in rows))


def _command(table: Table, suite: str) -> str:
    """The run that fills all cells of a suite."""
    columns = [column for column in table.columns if column.suite == suite and not column.empty]
    tasks = ",".join(dict.fromkeys(task for column in columns for task in column.tasks))
    only = f' --tasks "{tasks}"' if tasks else ""
    return f"lift bench run {suite} --data DIR{only} --arms {','.join(_arms(table, suite))}"


def _filled(table: Table, suite: str, result: Mapping[str, Any]) -> int:
    """How many cells a run fills."""
    return sum(
        bool(_values(column, row.arm + column.suffix, result))
        for column in table.columns
        for row in table.rows
        if column.suite == suite and not (row.empty or column.empty)
    )


def _row(row: Row, table: Table, found: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    cells = []
    for column, published in zip(table.columns, row.published, strict=True):
        here = None
        why = row.empty or column.empty
        if not why:
            values = _values(column, row.arm + column.suffix, found[column.suite])
            here = _score(values)
            why = "" if here else f"not run: `{_command(table, column.suite)}`"
        cells.append({"published": published, "here": here, "why": why})
    return {"row": row.name or row.arm, "model": row.model, "cells": cells}


def _values(
    column: Column, arm: str, result: Mapping[str, Any] | None
) -> list[tuple[str, float, str]]:
    """(document, score in per cent, metric) of every answer that belongs into a cell."""
    found = []
    for record in result["records"] if result else ():
        if record["arm"] != arm or not _belongs(record["task"], column.tasks):
            continue
        scores = {**record["scores"]}
        if "lmd" in scores:  # a timeline is right if all of it is, as a judge would have it
            scores["order_right"] = float(scores["lmd"] == 0)
        metric = next((name for name in column.metrics if name in scores), None)
        if metric is not None:
            found.append((record["document"], 100 * scores[metric], metric))
    return found


def _belongs(task: str, tasks: Sequence[str]) -> bool:
    return not tasks or any(task.startswith(name) for name in tasks)


def _score(values: Sequence[tuple[str, float, str]]) -> dict[str, Any] | None:
    if not values:
        return None
    scores = [score for _, score, _ in values]
    low, high = bootstrap(scores, clusters=[document for document, _, _ in values])
    return {
        "mean": round(fmean(scores), 2),
        "low": round(low, 2),
        "high": round(high, 2),
        "questions": len(scores),
        "metrics": sorted({metric for *_, metric in values}),
    }


_WORDS = {
    "judge": "a judge",
    "f1": "token F1",
    "order_right": "the whole order right",
    "rouge_l": "ROUGE-L",
    "concordance": "coordinate score",
    "retrieval": "retrieval score",
}
_NOT_JUDGED = {
    "F1": "F1: no judge at hand. Token F1 stands where the papers have a GPT-4 score, and cannot "
    "be compared with it; `--judge MODEL@URL` names a judge.",
    "order": "A timeline counts as right if its whole order is; no judge is asked.",
}
"""What a cell is marked with where the papers have a GPT-4 score and there is none -> why."""


def _metrics(column: Column, found: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """What the answers of a column were scored by."""
    result = found.get(column.suite)
    if column.empty or not result:
        return []
    arms = {record["arm"] for record in result["records"]}
    used = dict.fromkeys(name for arm in sorted(arms) for *_, name in _values(column, arm, result))
    return [_WORDS[name] for name in used]


def _mark(metrics: Sequence[str]) -> str:
    """What a cell says of itself where a judge's score was published."""
    if "f1" in metrics:
        return "F1"
    return "order" if list(metrics) == ["order_right"] else ""


def markdown(filled: Mapping[str, Any]) -> str:
    """A table as Markdown; published numbers are marked with their model."""
    columns = filled["columns"]
    header = " | ".join(f"{name}, published | {name}, here" for name in columns)
    lines = [f"Table {filled['table']}. {filled['title']}", ""]
    lines += [f"| row | published with | {header} |", f"|---|---|{'---|---|' * len(columns)}"]
    reasons: dict[str, int] = {}
    marks: set[str] = set()
    for row in filled["rows"]:
        cells = []
        for cell in row["cells"]:
            cells.append("–" if cell["published"] is None else f"{cell['published']:.2f}")
            if cell["here"]:
                here = cell["here"]
                mark = _mark(here["metrics"]) if filled["judged"] else ""
                marks |= {mark, "order" if "order_right" in here["metrics"] else ""}
                interval = f"{here['mean']:.1f} [{here['low']:.1f}, {here['high']:.1f}]"
                cells.append(f"{mark} {interval}".strip())
            else:
                cells.append(f"({reasons.setdefault(cell['why'], len(reasons) + 1)})")
        lines.append(f"| {row['row']} | {row['model']} | {' | '.join(cells)} |")
    lines += [""] + [f"({number}) {why}" for why, number in reasons.items()]
    scored = "; ".join(f"{n}: {' or '.join(m)}" for n, m in filled["metrics"].items() if m)
    if scored:
        alone = ", and by question where there is one document" if filled["single"] else ""
        lines.append(f"Scored here by: {scored}. In brackets, 95 % intervals by document{alone}.")
    lines += [said for mark, said in _NOT_JUDGED.items() if mark in marks]
    for run in filled["runs"]:
        judge = f", judged by {run['judge']}" if run["judge"] else ""
        lines.append(f"{run['suite']}: {sizes(run)}{judge}. {run['sentence']}")
    return "\n".join(lines)
