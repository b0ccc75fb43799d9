"""Figures: fits against curves that are known, costs and needles measured with the tiny model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lift_app.bench.figures import cost, drawing, report
from lift_app.bench.figures.fits import Curve, crossing, fit, reaches
from lift_app.bench.figures.memory import forget_peak, machine_bytes, peak_bytes
from lift_app.cli.main import main
from lift_app.errors import CallerError, LiftError
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
    if before is None:
        pytest.skip("this system does not say how much memory a process uses")
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


def test_figure_4_is_measured_and_drawn(tmp_path: Path, tiny_settings: Settings) -> None:
    needle = {"needle": "Eat a plum at noon.", "question": "What is best?"}
    needle |= {"keywords_all_required_lowercase": ["plum"]}
    (tmp_path / "needles.json").write_text(json.dumps({"lift_2502.14644_repo": needle}))
    (tmp_path / "essay.txt").write_text("This is a line of a long essay. " * 20)
    command = ["bench", "figure", "4", "--model", tiny_settings.model, "--lengths", "150"]
    command += ["--data", str(tmp_path), "--context", "64", "--out", str(tmp_path), *RECIPE]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "figure-4.json").read_text())
    assert len(result["cells"]) == 4 * 6
    assert [c["true_depth"] for c in result["cells"] if c["arm"] == "ICL"] == sorted(
        c["true_depth"] for c in result["cells"] if c["arm"] == "ICL"
    )
    assert (tmp_path / "figure-4.svg").is_file()
    assert "| LIFT+ICL+evidence |" in done.stdout


def test_mistakes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(main, ["bench", "figure", "4"])
    assert (done.exit_code, "--data DIR" in done.output) == (2, True)
    done = CliRunner().invoke(main, ["bench", "figure", "3", "--lengths", "1k"])
    assert (done.exit_code, "whole numbers" in done.output) == (2, True)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CallerError, match=r"pip install 'lift-reader\[bench\]'"):
        drawing.save({}, "figure-3", tmp_path, drawing.draw_cost)
    assert (tmp_path / "figure-3.json").is_file()  # the data is there all the same
