"""Drawing: figures 3 and 4 as PNG and SVG, beside their data. Needs the extra `bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lift_app.bench.figures.cost import QUESTIONS
from lift_app.bench.figures.fits import Curve
from lift_app.errors import CallerError

COLOURS = {"ICL": "#8a5a00", "LIFT": "#1f5f8b"}


def save(result: Mapping[str, Any], name: str, out: Path, draw: Callable[..., Any]) -> list[str]:
    """Write a figure's data, then its pictures.

    Args:
        result: the data.
        name: of the files, without an ending.
        out: folder; made if it is not there.
        draw: `draw_cost` or `draw_needles`.

    Raises:
        CallerError: matplotlib is not installed; the data is written all the same.

    Returns:
        The paths, the data first.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = out / f"{name}.json"
    data.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    try:
        import matplotlib
    except ImportError:
        raise CallerError(
            f"The data is in {data}. Pictures need matplotlib: pip install 'lift-reader[bench]'."
        ) from None
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = name  # the same data is the same file
    figure = draw(result)
    paths = [out / f"{name}.png", out / f"{name}.svg"]
    for path in paths:
        figure.savefig(path, dpi=110, metadata=None if path.suffix == ".png" else {"Date": None})
    return [str(path) for path in (data, *paths)]


def draw_cost(result: Mapping[str, Any]) -> Any:
    """Time, time with many questions, and memory against length."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    time, many, memory = figure.subplots(1, 3)
    longest = max(p["length"] for p in result["points"])
    fits = {name: Curve(tuple(c)) for name, c in result["fits"].items()}
    for arm, colour in COLOURS.items():
        points = [p for p in result["points"] if p["arm"] == arm and not p["error"]]
        lengths = [p["length"] for p in points]
        time.plot(
            lengths, [p["once"] + p["question"] for p in points], "o", color=colour, label=arm
        )
        known = [(p["length"], p["bytes"] / 2**30) for p in points if p["bytes"] is not None]
        memory.plot(*zip(*known, strict=True), "o", color=colour, label=arm)
        if fits:
            xs = [longest * i / 100 for i in range(101)]
            total = fits[f"{arm} once"] + fits[f"{arm} question"]
            time.plot(xs, [total(x) for x in xs], "-", color=colour)
            memory.plot(xs, [fits[f"{arm} bytes"](x) / 2**30 for x in xs], "-", color=colour)
            for count, style in zip(QUESTIONS, ("-", "--", ":"), strict=True):
                sum_of = fits[f"{arm} once"] + fits[f"{arm} question"] * count
                each = [sum_of(x) / count for x in xs]
                many.plot(xs, each, style, color=colour, label=f"{arm}, {_questions(count)}")
    failed = result["memory"].get("icl_failed_at")
    if failed:
        memory.axvline(failed, color=COLOURS["ICL"], linestyle=":")
        edge = memory.get_xaxis_transform()  # the height counts in shares of the panel
        memory.text(failed, 0.5, "ICL out of memory ", transform=edge, ha="right", fontsize=8)
    crossings = {one["questions"]: one["cached"] for one in result["crossings"]}
    if crossings.get(1):
        time.text(
            0.98,
            0.03,
            f"LIFT is cheaper from {crossings[1]:,} tokens",
            transform=time.transAxes,
            ha="right",
            fontsize=8,
        )
    time.set_title("One question: reading or lifting, and the answer")
    time.set_ylabel(result["seconds"])
    many.set_title(f"{result['seconds']} a question, the input being kept")
    many.set_yscale("log")
    many.set_ylim(top=5 * many.get_ylim()[1])  # room for six names above the curves
    memory.set_title("Peak memory")
    memory.set_ylabel("GiB")
    for axes in (time, many, memory):
        axes.set_xlabel("input tokens")
        columns = 2 if axes is many else 1
        axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=columns)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_needles(result: Mapping[str, Any]) -> Any:
    """A grid an arm: length across, depth down; the number is the NLL of the needle."""
    from matplotlib.figure import Figure

    arms, lengths, depths = result["arms"], result["lengths"], result["depths"]
    figure = Figure(figsize=(3.4 * len(arms), 3.6), layout="constrained")
    for axes, arm in zip(figure.subplots(1, len(arms), squeeze=False)[0], arms, strict=True):
        grid = [[0.0] * len(lengths) for _ in depths]
        for cell in result["cells"]:
            if cell["arm"] == arm:
                x, y = lengths.index(cell["length"]), depths.index(cell["depth"])
                grid[y][x] = cell["found"]
                shade = "white" if cell["found"] > 0.5 else "black"
                axes.text(x, y, f"{cell['nll']:.1f}", ha="center", va="center", color=shade)
        axes.imshow(grid, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        axes.set_xticks(range(len(lengths)), [f"{n / 1000:g}k" for n in lengths])
        axes.set_yticks(range(len(depths)), [f"{depth:.0%}" for depth in depths])
        axes.set_title(f"{arm}: {result['found'][arm]:.0f} % found", fontsize=10)
        axes.set_xlabel("tokens")
    figure.axes[0].set_ylabel("depth of the needle")
    figure.suptitle("Dark: found. Number: NLL of the needle, nats a token", fontsize=9)
    return figure


def _questions(count: int) -> str:
    return "1 question" if count == 1 else f"{count} questions"
