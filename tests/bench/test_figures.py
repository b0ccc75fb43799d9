"""Figures: fits against curves that are known, costs and needles measured with the tiny model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lift_app.bench.figures import cost, crossings, drawing, report
from lift_app.bench.figures.fits import Curve, crossing, fit, reaches
from lift_app.bench.shapes import SHAPES, make_base
from lift_app.bench.speed import PREFIX_TOKENS, _operations
from lift_app.cli.main import main
from lift_app.errors import CallerError, LiftError
from lift_app.lifting.recipe import RECIPES, Recipe
from lift_app.models.peak import forget_peak, machine_bytes, peak_bytes
from lift_app.reader import Reader
from lift_app.settings import Settings


def test_fits_and_crossings() -> None:
    line, square = Curve((0.01, 2.0)), Curve((1e-6, 0.001, 1.0))
    lengths = [1000, 2000, 5000, 9000]
    assert fit(lengths, [line(x) for x in lengths], 1).coefficients == pytest.approx((0.01, 2.0))
    assert fit(lengths, [square(x) for x in lengths], 2)(20000) == pytest.approx(square(20000))
    assert fit([7], [3.0], 2).coefficients == (3.0,)
    found = crossing(line, square)
    assert found is not None and line(found) == pytest.approx(square(found))
    assert crossing(square, line) == 0  # cheaper from the beginning
    assert crossing(Curve((2.0, 9.0)), Curve((2.0, 1.0))) is None  # never
    assert (line + square * 2)(10) == pytest.approx(line(10) + 2 * square(10))
    assert reaches(Curve((2.0, 0.0)), 100) == pytest.approx(50)
    with pytest.raises(ValueError, match="at least one"):
        fit([], [], 1)


def point(arm: str, length: int, once: float, question: float, error: str | None = None) -> Any:
    known = error is None
    return {
        "arm": arm,
        "length": length,
        "once": once if known else None,
        "question": question if known else None,
        "bytes": length * 1000 if known else None,
        "error": error,
    }


def test_conclusions_count_what_is_kept_between_questions() -> None:
    points = [point("ICL", n, n * n / 1e6, 0.5) for n in (500, 2000, 4000)]
    points += [point("LIFT", n, n / 100, 0.5) for n in (500, 2000, 4000)]
    points.append(point("ICL", 8000, 0, 0, "not enough memory"))
    found = cost.conclusions(points, limit=10**9)
    one, ten, _ = found["crossings"]
    assert one["cached"] == one["uncached"] == pytest.approx(10_000, rel=0.01)
    assert ten["cached"] == pytest.approx(10_000, rel=0.01)  # read once, as lifting is done once
    assert ten["uncached"] == pytest.approx(1_000, rel=0.01)  # ten readings against one lift
    assert found["memory"]["icl_failed_at"] == 8000
    assert found["memory"]["icl_full_at"] == pytest.approx(10**6, rel=0.01)


def test_memory_is_measured_from_a_moment_on() -> None:
    forget_peak()
    before = peak_bytes()
    block = bytearray(64 * 2**20)
    assert peak_bytes() >= before + 60 * 2**20
    del block
    assert machine_bytes() > before


RECIPE = ["--set=segment_length=64", "--set=stride=64", "--set=rank=2"]


def test_figure_3_is_measured_kept_and_drawn(tmp_path: Path, tiny_settings: Settings) -> None:
    command = ["bench", "figure", "3", "--model", tiny_settings.model, "--lengths", "60,120,240"]
    command += ["--context", "64", "--out", str(tmp_path / "out"), "--json", *RECIPE]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [(p["arm"], p["length"]) for p in result["points"]] == [
        (arm, length) for length in (60, 120, 240) for arm in ("ICL", "LIFT")
    ]
    assert all(p["once"] > 0 and p["question"] > 0 for p in result["points"])
    assert len(result["fits"]["ICL once"]) == 3 and len(result["fits"]["LIFT once"]) == 2
    assert json.loads((tmp_path / "out" / "figure-3.json").read_text()) == result
    assert (tmp_path / "out" / "figure-3.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "out" / "figure-3.svg").read_bytes()
    assert "| 240 | LIFT |" in done.stderr
    again = json.loads(CliRunner().invoke(main, command).stdout)
    assert again["points"] == result["points"]  # to the second: nothing was measured again


def test_running_out_of_memory_is_a_result(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cost._icl

    def icl(reader: Reader, length: int, clock: cost.Clock) -> dict[str, Any]:
        if length > 100:
            raise LiftError("there is not enough memory for it", code="out_of_memory")
        return real(reader, length, clock)

    monkeypatch.setattr(cost, "_icl", icl)
    plan: dict[str, Any] = {"recipe": "standard", "progress": lambda text: None}
    plan["values"] = {"segment_length": 64, "stride": 64, "rank": 2}
    with Reader(tiny_settings) as reader:
        result = cost.measure(reader, lengths=[60, 120], **plan)
    assert result["memory"]["icl_failed_at"] == 120
    assert "out of memory at 120 tokens (measured)" in report.cost(result)
    assert drawing.draw_cost(result) is not None


def test_counted_operations_are_those_of_a_step(settings: Settings) -> None:
    work = crossings._Work.of(SHAPES["tiny"])
    recipe = Recipe(segment_length=64, stride=64)
    step = work.learned(recipe)
    # The speed bench counts the products of attention backwards twice as dear.
    read = 64 + PREFIX_TOKENS
    attention = work.attention / 2 * read * read / 64
    assert step + attention == pytest.approx(_operations(make_base("tiny", settings), recipe))
    assert work.learned(Recipe(segment_length=64, stride=32)) == pytest.approx(2 * step, rel=1e-4)
    half = work.learned(Recipe(segment_length=64, stride=64, upper_layers=0.5))
    assert half == pytest.approx(step - work.read(0, read) / 64 / 2)


def test_the_crossing_points_of_every_schedule_by_operations_alone() -> None:
    found = crossings.counted("llama-3-8b", RECIPES["paper"][0], context=1024)
    by_name = {row["schedule"]: row for row in found["rows"]}
    points = {name: row["crossings"]["1"]["cached"] for name, row in by_name.items()}
    assert points["stride 1"] < 100_000 < points["stride 3/8"] < points["stride 3/8, 8 epochs"]
    assert points["stride 1, upper third"] < points["stride 1, upper half"] < points["stride 1"]
    for row in by_name.values():
        many = row["crossings"]["100"]
        assert many["uncached"] < many["cached"] <= row["crossings"]["1"]["cached"]
        alone = row["crossings"]["1"]["cached"]
        assert row["with_check"] > alone and row["with_guard"] > alone
    assert "| stride 3/4 |" in crossings.table(found)
    with pytest.raises(CallerError, match="no shape 'huge'"):
        crossings.counted("huge", Recipe(), 0)


def test_the_crossing_points_of_a_shape_are_timed_and_continued() -> None:
    command = [
        "bench",
        "figure",
        "3",
        "--shape",
        "tiny",
        "--layers",
        "1",
        "--lengths",
        "60,120,240",
    ]
    done = CliRunner().invoke(main, [*command, "--context", "64", "--json", *RECIPE])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert len(result["rows"]) == len(crossings.schedules(Recipe()))
    assert all(set(row["crossings"]) == {"1", "10", "100"} for row in result["rows"])
    assert "1 and 2 layers" in result["run"]["sentence"]
    few = crossings.Costs(
        "s", Curve((1.0, 1.0, 0)), Curve((1.0, 0)), 1.0, {"a": Curve((2.0, 0))}, 1
    )
    more = crossings.Costs("s", Curve((1.5, 3, 0)), Curve((2.0, 0)), 1.5, {"a": Curve((3.0, 0))}, 2)
    whole = crossings._continued(few, more, 3.0)  # of four times as many layers
    assert whole.icl_once.coefficients == (2.5, 7.0, 0.0) and whole.lift_question == 2.5
    assert whole.lift_once["a"](1) == 5 and whole.check == 4
    for wrong in (["--lengths", "9"], ["--layers", "2", "--schedules"]):
        done = CliRunner().invoke(main, ["bench", "figure", "3", "--schedules", *wrong])
        assert done.exit_code == 2, done.output


def test_figure_4_is_measured_and_drawn(tmp_path: Path, tiny_settings: Settings) -> None:
    needle = {"needle": "Eat a plum at noon.", "question": "What is best?"}
    needle |= {"keywords_all_required_lowercase": ["plum"]}
    (tmp_path / "needles.json").write_text(json.dumps({"lift_2502.14644_repo": needle}))
    (tmp_path / "essay.txt").write_text("This is a line of a long essay. " * 20)
    command = ["bench", "figure", "4", "--model", tiny_settings.model, "--lengths", "150"]
    command += ["--data", str(tmp_path), "--context", "64", "--out", str(tmp_path), *RECIPE]
    done = CliRunner().invoke(main, [*command, "--depths", "0, 50,100"])
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "figure-4.json").read_text())
    assert [c["depth"] for c in result["cells"] if c["arm"] == "ICL"] == [0, 0.5, 1]
    assert [c["true_depth"] for c in result["cells"] if c["arm"] == "ICL"] == sorted(
        c["true_depth"] for c in result["cells"] if c["arm"] == "ICL"
    )
    assert (tmp_path / "figure-4.svg").is_file()
    assert "| LIFT+ICL+evidence |" in done.stdout


def test_depths_are_of_figure_4_alone() -> None:
    done = CliRunner().invoke(main, ["bench", "figure", "3", "--depths", "0,50"])
    assert done.exit_code == 2 and "figure 3 has none" in done.output


def test_mistakes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(main, ["bench", "figure", "4"])
    assert (done.exit_code, "--data DIR" in done.output) == (2, True)
    done = CliRunner().invoke(main, ["bench", "figure", "3", "--lengths", "1k"])
    assert (done.exit_code, "whole numbers" in done.output) == (2, True)
    for wrong in ("half", "101", "nan"):
        done = CliRunner().invoke(main, ["bench", "figure", "4", "--depths", wrong])
        assert (done.exit_code, "from 0 to 100" in done.output) == (2, True)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CallerError, match=r"pip install 'lift-reader\[bench\]'"):
        drawing.save({}, "figure-3", tmp_path, drawing.draw_cost)
    assert (tmp_path / "figure-3.json").is_file()  # the data is there all the same
