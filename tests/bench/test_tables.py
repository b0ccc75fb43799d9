"""Tables: the papers' cells beside those measured here; an empty cell says why it is empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lift_app.bench.arms import ARMS
from lift_app.bench.suites.suite import NAMES
from lift_app.bench.tables.published import TABLES
from lift_app.bench.tables.results import find_result
from lift_app.bench.tables.table import fill, markdown
from lift_app.cli.main import main
from lift_app.errors import CallerError


def record(arm: str, task: str, document: str = "d", **scores: float) -> dict[str, Any]:
    return {"document": document, "id": "q", "task": task, "arm": arm, "scores": scores}


def put(home: Path, suite: str, name: str, *records: dict[str, Any]) -> None:
    result = {
        "suite": suite,
        "documents": 1,
        "questions": len(records),
        "arms": [{"arm": arm} for arm in dict.fromkeys(r["arm"] for r in records)],
        "records": records,
        "run": {"sentence": f"Measured with {name}."},
    }
    (home / "results").mkdir(parents=True, exist_ok=True)
    (home / "results" / f"{suite}-{name}.json").write_text(json.dumps(result))


def test_the_published_numbers_are_those_of_the_papers() -> None:
    cells = {
        (number, row.arm, row.model[:7], column.name): value
        for number, table in TABLES.items()
        for row in table.rows
        for column, value in zip(table.columns, row.published, strict=True)
    }
    assert set(TABLES) == {1, 2, 3, 4, 5, 6}
    assert cells[1, "LIFT+ICL", "Llama-3", "ShortQA"] == 50.44
    assert cells[2, "LIFT+ICL", "Llama-3", "computation"] == 22.00
    assert cells[3, "LIFT_only", "Llama-3", "PassageRetrievalEN"] == 9.03
    assert cells[4, "SFT+LIFT+ICL", "Llama-3", "Bamboo"] == 32.47
    assert cells[5, "LIFT+ICL", "Llama-3", "with gold evidence"] == 55.13
    assert cells[6, "LIFT+AT_only", "Llama-3", "LongQA"] == 27.25
    for table in TABLES.values():
        assert all(column.suite in NAMES for column in table.columns)
        for row in table.rows:
            assert row.empty or all(row.arm + column.suffix in ARMS for column in table.columns)


def test_cells_are_filled_by_task_metric_and_document(tmp_path: Path) -> None:
    put(
        tmp_path,
        "loogle",
        "a",
        record("ICL", "ShortQA", f1=0.2, nll=3),
        record("ICL", "ShortQA", "e", f1=0.4, nll=3),
        record("ICL", "computation", f1=0.5, judge=1.0),  # the judge goes before F1
        record("ICL", "timeline reorder", lmd=0.0, concordance=1.0),
        record("ICL", "timeline reorder", lmd=1.0, concordance=0.5),
        record("LIFT+ICL", "cloze", exact=1.0),  # belongs into no column
    )
    filled = fill(1, tmp_path)
    icl, only, both, closed_model, _ = filled["rows"]
    long, short = icl["cells"]
    assert (short["here"]["mean"], short["here"]["low"], short["here"]["high"]) == (30, 20, 40)
    assert long["here"]["mean"] == pytest.approx(100 * 2 / 3, abs=0.01)  # right, right, wrong order
    assert (long["published"], long["why"]) == (30.88, "")
    assert only["cells"][0]["here"] is None
    assert only["cells"][0]["why"].startswith("not run: `lift bench run loogle --data DIR --tasks")
    assert only["cells"][0]["why"].endswith("--arms ICL,LIFT_only,LIFT+ICL`")
    assert both["cells"][1]["here"] is None
    assert "owner" in closed_model["cells"][0]["why"]
    text = markdown(filled)
    assert "| ICL | Llama-3-8B-Instruct | 30.88 | 66.7 [" in text
    assert "token F1" in text and "a judge" in text and "Measured with a." in text
    assert "| 44.23 | F1 30.0 [20.0, 40.0] |" in text  # marked: it is no GPT-4 score
    assert "F1: no judge at hand." in text and "A timeline counts as right" in text
    assert "by question where there is one document." in text
    assert "loogle: 1 document, 6 questions." in text
    assert "order 50.0 [" in markdown(fill(2, tmp_path))
    assert "F1" not in markdown(fill(4, tmp_path))  # the published metric itself needs no mark
    coordinate = fill(4, tmp_path)["rows"][0]["cells"]
    assert coordinate[1]["here"]["mean"] == 75  # concordance of the two timelines
    assert "not released" in coordinate[2]["why"]


def test_one_run_fills_a_suite(tmp_path: Path) -> None:
    """Arms of different runs had different documents: they are not put beside each other.

    The run that fills most cells is taken; one with all arms may have had few of the tasks.
    """
    put(tmp_path, "longbench", "few", record("ICL", "musique", f1=0.9))
    both = [record(arm, "musique", f1=0.1) for arm in ("ICL", "LIFT+ICL")]
    put(tmp_path, "longbench", "more", *both)
    (tmp_path / "results" / "longbench-cut.json").write_text('{"arms": [')
    other = [record(arm, "qasper", f1=0.9) for arm in ("ICL", "LIFT+ICL", "LIFT_only")]
    put(tmp_path, "longbench", "others", *other)
    found = fill(3, tmp_path)
    assert [run["sentence"] for run in found["runs"]] == ["Measured with more."]
    assert found["rows"][0]["cells"][0]["here"]["mean"] == 10
    assert find_result(tmp_path, "bamboo", lambda result: 1) is None


def test_a_table_is_a_command(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "table", "5", "--json"])
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert result["commands"] == [
        'lift bench run loogle --data DIR --tasks "comprehension and reasoning,multiple retrieval,'
        'computation,timeline reorder" --arms ICL,LIFT+ICL,ICL+gold,LIFT+ICL+gold'
    ]
    assert CliRunner().invoke(main, ["bench", "table", "7"]).exit_code == 2
    with pytest.raises(CallerError, match="no table 7"):
        fill(7, tmp_path)
