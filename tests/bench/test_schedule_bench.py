"""The schedule bench runs whole on a tiny model; what its figures mean is tested by hand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lift_app.bench import schedule
from lift_app.bench.recipe import Variant
from lift_app.cli.main import main
from lift_app.lifting.trainer import Trainer
from lift_app.settings import Settings


def write_documents(path: Path) -> Path:
    rows = []
    for number, name in enumerate(("Orla", "Tobias")):
        text = " ".join(f"On day {day} {name} kept {day + number} lanterns." for day in range(30))
        asked = [
            {"question": f"What did {name} keep on day {day}?", "answers": [f"{day} lanterns"]}
            for day in (2, 5)
        ]
        rows.append({"doc_id": f"d{number}", "title": name, "text": text, "questions": asked})
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def test_schedules_are_measured_by_the_plain_loop(
    tmp_path: Path, tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_documents(tmp_path / "days.jsonl.gz")
    small = "segment_length=128,rank=2,framing=raw"
    variants = [f"quick:stride=128,{small}", f"quick:stride=128,carried_tokens=32,{small}"]
    command = ["bench", "schedule", str(file), "--model", tiny_settings.model, "--context", "64"]
    command += ["--least-words", "1", *(f"--variant={one}" for one in variants), "--json"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [row["variant"] for row in result["rows"]] == [schedule.PLAIN, *variants]
    assert (result["questions"], result["documents"]) == (4, 2)
    plain, *others = result["rows"]
    assert len(plain["curve"]) == schedule.LOOKS
    for row in result["rows"]:
        seconds = [second for second, _ in row["curve"]]
        assert seconds == sorted(seconds) and seconds[0] > 0
        assert row["against_none"]["low"] <= row["against_none"]["difference"]
    assert others[0]["curve"] != others[1]["curve"]
    assert variants[1] in schedule.table(result)
    monkeypatch.setattr(Trainer, "step", lambda *_: pytest.fail("this was measured already"))
    assert json.loads(CliRunner().invoke(main, command).stdout)["rows"] == result["rows"]
    alone = json.loads(CliRunner().invoke(main, [*command, "--no-plain"]).stdout)["rows"]
    assert [row["variant"] for row in alone] == variants
    assert alone[0]["against_first"]["b"] == variants[0]


def looks(*seen: tuple[float, float]) -> list[schedule.Look]:
    return [schedule.Look(seconds, (nll, nll + 1)) for seconds, nll in seen]


def test_times_sooner_is_until_the_best_of_the_plain_loop() -> None:
    found: dict[str, Any] = {
        schedule.PLAIN: [looks((10, 3.0), (20, 2.0), (30, 2.5))],
        "fast": [looks((4, 2.2), (8, 2.0))],
        "slow": [looks((15, 2.1))],
    }
    rows = schedule._rows(found, looks((0, 4.0)), ["d", "d"])
    assert [(row["reached"], row["sooner"]) for row in rows] == [(20, 1.0), (8, 2.5), (None, None)]
    assert rows[1]["against_first"]["difference"] == 0  # its best, not its last
    assert rows[2]["against_none"]["difference"] == pytest.approx(-1.9)


def test_where_the_plain_loop_learns_nothing_there_is_nothing_to_reach() -> None:
    found: dict[str, Any] = {schedule.PLAIN: [looks((10, 3.0))], "fast": [looks((4, 2.2))]}
    rows = schedule._rows(found, looks((0, 2.5)), ["d", "d"])
    assert [(row["reached"], row["sooner"]) for row in rows] == [(None, None), (None, None)]
    result = {"seconds": "s", "rows": rows, "questions": 2, "documents": 1, "before": 3.0}
    assert "nothing to reach" in schedule.table(result | {"machine": {"sentence": ""}})


def test_a_short_document_has_its_last_look_stand_for_those_it_lacks() -> None:
    long, short = looks((1, 4), (2, 3), (3, 2), (4, 1)), looks((1, 9), (2, 8))
    pairs = [[look.seconds for look in one] for one in schedule._together([long, short])]
    assert pairs == [[1, 1], [2, 1], [3, 2], [4, 2]]


def test_the_papers_way_keeps_the_papers_numbers() -> None:
    [(name, recipe), (own, other)] = schedule._lineup([Variant.parse("quick:rank=4")], 8192, True)
    assert (name, recipe.segment_length, recipe.stride) == (schedule.PLAIN, 2048, 768)
    assert (own, other.rank) == ("quick:rank=4", 4)
