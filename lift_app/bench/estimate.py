"""The estimate bench: what a reader is told before the button, against what the lift then takes.

Everything happens in a home that has never seen a lift: the first estimate of all, then the few
seconds in which an idle app measures its machine, then the estimates of several books and recipes,
and then their lifts. Other work on the machine stretches a lift and not what was said before it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lift_app.bench.arms import add_document
from lift_app.bench.documents import BenchDocument
from lift_app.bench.machine import describe_machine
from lift_app.bench.sample import text_of_length
from lift_app.lifting.recipe import resolve_recipe
from lift_app.reader import Reader
from lift_app.settings import Settings


def run(
    settings: Settings,
    *,
    recipes: Sequence[str],
    lengths: Sequence[int],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Estimate, measure the machine, estimate again, lift.

    Args:
        settings: name the model; the home is another, and gone afterwards.
        recipes: by name; the machine is measured with the first.
        lengths: tokens of the books.
        progress: told what is being done.

    Returns:
        `calibration_seconds`, `rows` ({"tokens", "recipe", "seconds" and "memory_gb" (`first`,
        `estimated`, `taken`), "ratio" and "memory_ratio" (estimated by taken), "first_ratio"}),
        `within` (share of the rows whose minutes and memory are right within a quarter), `run`.
    """
    with tempfile.TemporaryDirectory() as folder:
        fresh = replace(settings, home=Path(folder), recipe=recipes[0])
        with Reader(fresh) as reader:
            return _measure(reader, recipes, lengths, progress)


def _measure(
    reader: Reader,
    recipes: Sequence[str],
    lengths: Sequence[int],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    for event in reader.fetch_model():
        progress(str(event.get("message", "the model is here")))
    books = {
        length: add_document(
            reader,
            BenchDocument(f"book-{length}", f"Book {length}", text_of_length(reader, length), ()),
        )
        for length in lengths
    }
    first = _estimates(reader, books, recipes)
    progress("measuring this machine")
    seconds = _calibrate(reader)
    estimated = _estimates(reader, books, recipes)
    rows = []
    for (length, recipe), told in estimated.items():
        taken = _lift(reader, books[length], recipe, progress)
        before = first[length, recipe]
        rows.append(
            {
                "tokens": length,
                "recipe": recipe,
                "seconds": {
                    "first": round(before["seconds"], 1),
                    "estimated": round(told["seconds"], 1),
                    "taken": round(taken["seconds"], 1),
                },
                "memory_gb": {
                    "first": round(before["memory_gb"], 3),
                    "estimated": round(told["memory_gb"], 3),
                    "taken": round(taken["memory_gb"], 3),
                },
                "first_ratio": round(before["seconds"] / taken["seconds"], 3),
                "ratio": round(told["seconds"] / taken["seconds"], 3),
                "memory_ratio": round(told["memory_gb"] / taken["memory_gb"], 3),
            }
        )
    right = [
        max(abs(row["ratio"] - 1), abs(row["memory_ratio"] - 1)) <= 0.25  # type: ignore[operator]
        for row in rows
    ]
    return {
        "suite": "estimate",
        "calibration_seconds": round(seconds, 1),
        "rows": rows,
        "within": round(sum(right) / len(right), 3),
        "run": describe_machine(reader),
    }


def _estimates(
    reader: Reader, books: Mapping[int, str], recipes: Sequence[str]
) -> dict[tuple[int, str], dict[str, float]]:
    """What a reader is told now of each book and recipe."""
    found = {}
    for length, book in books.items():
        report = reader.show(book)["report"]
        for recipe in recipes:
            found[length, recipe] = {
                "seconds": 60 * report["minutes_by_recipe"][recipe],
                "memory_gb": report["memory_gb"],
            }
    return found


def _calibrate(reader: Reader) -> float:
    """As an idle app does; the seconds that it took."""

    def turn(host: Any) -> float:
        from lift_app.lifting.calibration import calibration_turns

        recipe = resolve_recipe(reader.settings.recipe, window=host.base.window)
        began = time.perf_counter()
        for _ in calibration_turns(host, reader.library.calibration, recipe):
            pass
        return time.perf_counter() - began

    return reader.engine().submit(turn, model=reader.settings.model).result()


def _lift(
    reader: Reader, book: str, recipe: str, progress: Callable[[str], None]
) -> dict[str, float]:
    from lift_app.models.peak import peak_bytes

    began = time.perf_counter()
    for event in reader.tune(book, recipe=recipe):
        if "loss" in event:
            progress(f"{recipe}: step {event['step']} of {event['steps']}")
    return {"seconds": time.perf_counter() - began, "memory_gb": peak_bytes() / 1e9}


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "| tokens | recipe | first guess, s | estimate, s | taken, s | ratio | memory estimate, GB "
        "| taken, GB | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        seconds, memory = row["seconds"], row["memory_gb"]
        lines.append(
            f"| {row['tokens']:,} | {row['recipe']} | {seconds['first']:.0f} | "
            f"{seconds['estimated']:.0f} | {seconds['taken']:.0f} | {row['ratio']:.2f} | "
            f"{memory['estimated']:.2f} | {memory['taken']:.2f} | {row['memory_ratio']:.2f} |"
        )
    lines += [
        "",
        f"Measured in {result['calibration_seconds']:.1f} s before the estimates; "
        f"{result['within']:.0%} of them right within a quarter. {result['run']['sentence']}",
    ]
    return "\n".join(lines)
