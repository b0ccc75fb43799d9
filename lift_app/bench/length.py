"""The length bench: time and memory of a lift by the length of its book.

Everything that a lift does with the tokens of a book (cutting, every step, the check at the end),
for lengths from ten thousand to a million. What is promised is a line: twice the book takes twice
the time, in the same memory. Each length has a process of its own, because what an earlier lift
leaves to later ones (kernels for the lengths it met, above all) is memory, too.

The text of a model's book is the sample book, as often as it takes, and is cut into tokens here;
the random weights of a shape have no tokenizer, so their books are random tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from lift_app.bench.sample import text_of_length
from lift_app.bench.speed import make_host
from lift_app.errors import CallerError
from lift_app.lifting.recipe import Recipe
from lift_app.models.provision import ensure_model
from lift_app.reader import Reader
from lift_app.settings import Settings

LENGTHS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
"""Tokens of the books."""


def run(
    settings: Settings,
    *,
    recipe: Recipe,
    lengths: Sequence[int] = LENGTHS,
    shape: str | None = None,
    steps: int | None = None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Lift random books of several lengths.

    Args:
        settings: name the model.
        recipe: of the lifts; one epoch of it.
        lengths: tokens of each book, at least two.
        shape: random weights of this shape instead of the model.
        steps: so many steps and no check, the same for each length; whole lifts if None.
        progress: told what is being done.

    Raises:
        LiftError: the model cannot be had.

    Returns:
        `rows` ({"tokens", "steps", "seconds", "cpu_seconds", "peak_memory_gb"}), `slope` (of log
        CPU seconds by log tokens; None with `steps`), `memory_spread` (largest by smallest peak,
        less 1), `machine`.
    """
    once = replace(recipe, epochs=1, guard=False)
    if shape is None:
        ensure_model(settings.model, settings)
    rows = []
    for tokens in lengths:
        progress(f"{tokens:,} tokens")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
            row, machine = child.submit(_alone, settings, once, tokens, shape, steps).result()
        rows.append(row)
    peaks = [row["peak_memory_gb"] for row in rows]
    return {
        "suite": "length",
        "whole": steps is None,
        "rows": rows,
        "slope": None if steps else round(_slope(rows), 3),
        "memory_spread": round(max(peaks) / min(peaks) - 1, 4),
        "machine": machine,
    }


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "| tokens | steps | seconds | CPU seconds | peak memory, GB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['tokens']:,} | {row['steps']:,} | {row['seconds']:,.1f} | "
        f"{row['cpu_seconds']:,.1f} | {row['peak_memory_gb']:.3f} |"
        for row in result["rows"]
    ]
    slope = f"Log-log slope {result['slope']:.3f}; m" if result["slope"] else "M"
    lines += ["", f"{slope}emory within {result['memory_spread']:.1%}. "]
    lines[-1] += result["machine"]["sentence"]
    return "\n".join(lines)


def draw(result: Mapping[str, Any], file: Path) -> None:
    """Draw time and memory by length, into an SVG or PNG.

    Raises:
        CallerError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise CallerError(
            "Figures need matplotlib: pip install 'lift-reader[bench]', or leave --figure out."
        ) from error
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    tokens = [row["tokens"] for row in result["rows"]]
    left.loglog(tokens, [row["cpu_seconds"] for row in result["rows"]], "o-", color="#3b5b7a")
    left.set(xlabel="tokens of the book", ylabel="CPU seconds")
    if result["slope"]:
        left.set_title(f"time: slope {result['slope']:.2f}")
    peaks = [row["peak_memory_gb"] for row in result["rows"]]
    right.semilogx(tokens, peaks, "o-", color="#a2543d")
    room = 1.15 * max(peaks)
    right.set(xlabel="tokens of the book", ylabel="GB", ylim=(0, room), title="peak memory")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file)


def _alone(
    settings: Settings, recipe: Recipe, tokens: int, shape: str | None, steps: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One lift in a process of its own: its row, and the machine."""
    from lift_app.models.peak import forget_peak, peak_bytes

    host, machine = make_host(settings, shape)
    _lift(host, settings, recipe, 4 * recipe.segment_length + 7, shape, steps)  # once a process
    forget_peak()
    began, busy = time.perf_counter(), time.process_time()
    done = _lift(host, settings, recipe, tokens, shape, steps)
    row = {
        "tokens": tokens,
        "steps": done,
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - busy, 3),
        "peak_memory_gb": round(peak_bytes() / 1e9, 4),
    }
    return row, machine


def _lift(
    host: Any,
    settings: Settings,
    recipe: Recipe,
    tokens: int,
    shape: str | None,
    steps: int | None,
) -> int:
    """Lift a book of so many tokens; the steps that were taken."""
    from lift_app.lifting.memory import Memory
    from lift_app.lifting.trainer import Trainer

    ids, segments = _book(host, settings, recipe, tokens, shape)
    trainer = Trainer(host, "bench", ids, segments, recipe)
    while not trainer.finished and trainer.step_done != steps:
        trainer.step()
    if steps is None:
        memory = Memory(host, "bench", ids, segments)
        while not memory.finished:
            memory.step()
        memory.segment_losses()
    return trainer.step_done


def _book(
    host: Any, settings: Settings, recipe: Recipe, tokens: int, shape: str | None
) -> tuple[Any, Any]:
    """Tokens of a book, and its segments."""
    import torch

    from lift_app.lifting.segments import Segment, cut_segments, segment_bounds
    from lift_app.models.tokens import encode, load_tokenizer

    if shape:
        draw = torch.Generator().manual_seed(0)
        ids = torch.randint(host.base.identity.vocabulary, (tokens,), generator=draw)
        bounds = segment_bounds(tokens, recipe.segment_length, recipe.stride)
        return ids, [Segment(k, start, end, 0, 0) for k, (start, end) in enumerate(bounds)]
    with Reader(settings) as reader:
        text = text_of_length(reader, tokens)
    encoded = encode(load_tokenizer(host.base.identity.path), text)
    segments = cut_segments(encoded.offsets, recipe.segment_length, recipe.stride)
    return torch.tensor(encoded.ids), segments


def _slope(rows: Sequence[Mapping[str, Any]]) -> float:
    """Slope of the straight line through log CPU seconds by log tokens, by least squares."""
    xs = [math.log(row["tokens"]) for row in rows]
    ys = [math.log(row["cpu_seconds"]) for row in rows]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return above / sum((a - x) ** 2 for a in xs)
