"""Runs: every suite ends with a table, a killed run repeats nothing, and everything is recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tiny_model import BARE

from lift_app.bench.arms import Plan
from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.metrics.scoring import Said
from lift_app.bench.runs import asking, lineup, run, summary
from lift_app.bench.runs.kept import Kept, digest
from lift_app.cli.main import main
from lift_app.errors import CallerError
from lift_app.reader import Reader
from lift_app.settings import Settings

RECIPE = {"segment_length": 64, "stride": 64, "rank": 2, **BARE}
FORMS = (
    Asked("short", "What did Anka lose?", ("a cup", "cup"), gold=("Anka lost a cup.",), task="a"),
    Asked("long", "Summarize the story.", ("Anka lost a cup at the mill.",), form="long", task="a"),
    Asked("order", "In which order?", ("1,0",), form="order", task="b", keys=("1", "0")),
    Asked("choice", "Who?", ("Anka",), form="choice", task="b", options=("Bero", "Anka")),
    Asked("retrieval", "Which paragraph?", ("Paragraph 2",), form="retrieval", task="c"),
    Asked("cloze", "<mask-0> lost it.", ("Anka",), form="cloze", task="c", keys=("<mask-0>",)),
    Asked("needle", "What is best?", ("Eat a plum.",), form="needle", task="d", keys=("plum",)),
)


def tale(name: str, questions: tuple[Asked, ...] = FORMS) -> BenchDocument:
    return BenchDocument(name, name, f"{name.title()} lost a cup at the mill. " * 4, questions)


def plan(names: str) -> Plan:
    return Plan(lineup.line_up(names), "standard", RECIPE, {})


def run_suite(settings: Settings, names: str, *documents: BenchDocument) -> dict[str, Any]:
    with Reader(settings) as reader:
        return run.run(reader, documents, plan(names), suite="tales", progress=lambda text: None)


@pytest.mark.slow
def test_every_form_in_every_arm(tiny_settings: Settings) -> None:
    names = "ICL,LIFT+ICL,LIFT_only,LIFT+ICL (wrong book),ICL+gold"
    result = run_suite(tiny_settings, names, tale("anka"), tale("bero"))
    rows = {row["arm"]: row for row in result["arms"]}
    assert list(rows) == ["closed book", *names.split(",")]
    assert {name: row["questions"] for name, row in rows.items()} == {
        name: 2 if name == "ICL+gold" else 14
        for name in rows  # one question names its evidence
    }
    leading = {"f1", "rouge_l", "concordance", "accuracy", "retrieval", "exact", "found", "nll"}
    assert leading <= set(rows["ICL"]["scores"])
    for metric, score in rows["ICL"]["scores"].items():
        assert score["low"] <= score["mean"] <= score["high"], metric
    assert rows["LIFT+ICL"]["tokens_trained"] > 0 == rows["ICL"]["tokens_trained"]
    assert rows["LIFT_only"]["scores"]["nll"] != rows["closed book"]["scores"]["nll"]
    assert set(result["tasks"]) == {"a", "b", "c", "d"}
    pairs = {(pair["a"], pair["b"], pair["metric"]): pair for pair in result["pairs"]}
    difference = [rows[arm]["scores"]["nll"]["mean"] for arm in ("LIFT+ICL", "ICL")]
    found = pairs["LIFT+ICL", "ICL", "nll"]["difference"]
    assert found == pytest.approx(difference[0] - difference[1], abs=2e-3)
    assert ("ICL", "closed book", "nll") in pairs
    said = result["run"]
    assert (said["recipe"]["seed"], said["recipe"]["rank"]) == (0, 2)
    assert said["weights_sha256"] and said["device"] == "cpu" and said["versions"]["torch"]
    text = summary.markdown(result)
    assert "| LIFT+ICL − ICL | NLL |" in text
    assert "| d | 2 | needle found |" in text
    assert said["models"][0] in text


def test_a_task_is_reported_by_the_metric_of_its_form() -> None:
    """Summaries have a token F1 too, but ROUGE-L is what LongBench reports them by."""
    said, scores = Said("a cup", 1.0, 0.0, 0.0, 9), {"f1": 0.1, "rouge_l": 0.2, "nll": 1.0}
    scored = [
        summary.Scored("d", "ICL", Asked(form, "?", ("a cup",), form=form, task=form), said,
                       scores, None)
        for form in ("long", "short")
    ]  # fmt: skip
    result = summary.summarise(scored, lineup.line_up("ICL"), [], {})
    result |= {"suite": "longbench", "documents": 1, "run": {"sentence": ""}}
    text = summary.markdown(result)
    assert "| long | 1 | ROUGE-L | 20.0 [" in text
    assert "| short | 1 | token F1 | 10.0 [" in text


@pytest.mark.slow
def test_a_run_that_is_repeated_asks_nothing_again(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_suite(tiny_settings, "ICL,LIFT+ICL", tale("anka"))
    assert first["answers"] == {"new": 21, "kept": 0}
    monkeypatch.setattr(asking, "ask_all", lambda *args, **kwargs: pytest.fail("asked again"))
    again = run_suite(tiny_settings, "ICL,LIFT+ICL", tale("anka"))
    assert again["answers"] == {"new": 0, "kept": 21}
    assert again["records"] == first["records"]  # to the second
    monkeypatch.undo()
    other = run_suite(replace(tiny_settings, context_tokens=64), "ICL", tale("anka"))
    assert other["answers"]["new"] == 14  # another budget is another question
    kept = json.loads(next((tiny_settings.home / "results").glob("tales-*.json")).read_text())
    assert kept["suite"] == "tales"


def test_what_was_answered_before_a_stop_is_kept(tiny_settings: Settings) -> None:
    told: list[str] = []

    def progress(text: str) -> None:
        told.append(text)
        if len([one for one in told if "question" in one]) == 5:
            raise CallerError("stopped here")

    with Reader(tiny_settings) as reader, pytest.raises(CallerError, match="stopped here"):
        run.run(reader, [tale("anka")], plan("ICL"), suite="tales", progress=progress)
    assert run_suite(tiny_settings, "ICL", tale("anka"))["answers"] == {"new": 9, "kept": 5}


def test_a_line_that_a_kill_cut_off_is_asked_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "answers.jsonl")
    kept.put(digest("a"), {"answer": "ä"})
    whole = (tmp_path / "answers.jsonl").read_bytes()
    for cut in range(1, len(whole)):
        (tmp_path / "answers.jsonl").write_bytes(whole + whole[:cut])
        again = Kept(tmp_path / "answers.jsonl")
        again.put(digest("b"), {"answer": "b"})
        last = Kept(tmp_path / "answers.jsonl")
        assert last.get(digest("a")) == {"answer": "ä"}
        assert last.get(digest("b")) == {"answer": "b"}


def test_arms_that_cannot_be_run_say_why(tiny_settings: Settings) -> None:
    with pytest.raises(CallerError, match="no arm 'LIFT'"):
        lineup.line_up("LIFT")
    with pytest.raises(CallerError, match="need a start"):
        run_suite(tiny_settings, "SFT+ICL", tale("anka"))
    with pytest.raises(CallerError, match="two documents at least"):
        run_suite(tiny_settings, "LIFT+ICL (wrong book)", tale("anka"))
    with pytest.raises(CallerError, match="gold evidence"):
        run_suite(tiny_settings, "ICL+gold", tale("anka", FORMS[1:2]))
    wrong = Plan(lineup.line_up("ICL"), "standard", {"segment_length": 64, "stride": 65}, {})
    with Reader(tiny_settings) as reader, pytest.raises(CallerError, match="stride"):
        run.collect(reader, [tale("anka")], wrong, lambda text: pytest.fail("it was asked"))
    assert [arm.name for arm in lineup.line_up("closed book")] == ["closed book"]
    both = [arm.name for arm in lineup.line_up("ICL,SFT+ICL")]
    assert both == ["closed book", "SFT+closed book", "ICL", "SFT+ICL"]


def release(folder: Path) -> Path:
    """A folder with two short documents of every suite."""
    names = ("anka", "bero")
    asked = {"question": "What was lost?", "answers": ["a cup"]}
    for suite, extra, question in (
        ("fairytaleqa", {}, asked),
        ("quality", {}, {"question": "What was lost?", "options": ["cup", "hat"], "gold": 0}),
        ("loogle", {}, asked | {"task": "shortdep_qa"}),
        ("longbench", {}, asked | {"task": "musique"}),
        ("bamboo_showssort_4k", {}, {"gold_order": [1, 0]}),
        ("literaryqa", {}, asked),
        ("qmsum", {}, asked),
        ("squality", {}, asked),
    ):
        rows = [
            {"doc_id": n, "text": f"{n} lost a cup. " * 9, "questions": [question], **extra}
            for n in names
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{suite}.jsonl").write_text(lines)
    needle = {"needle": "Eat a plum.", "question": "What is best?"}
    needle |= {"keywords_all_required_lowercase": ["plum"]}
    (folder / "niah").mkdir()
    (folder / "niah" / "needles.json").write_text(json.dumps({"lift_2502.14644_repo": needle}))
    (folder / "niah" / "essay.txt").write_text("This is a line of an essay. " * 5)
    return folder


SUITES = [
    "fairytaleqa",
    "quality",
    "loogle",
    "longbench",
    "bamboo",
    "literaryqa",
    "qmsum",
    "squality",
    "niah",
]


def test_every_suite_ends_with_a_table(tmp_path: Path, tiny_settings: Settings) -> None:
    data = release(tmp_path)
    for suite in SUITES:
        command = ["bench", "run", suite, "--data", str(data), "--limit", "1", "--json"]
        command += ["--model", tiny_settings.model, "--context", "64"]
        command += [f"--set={name}={value}" for name, value in RECIPE.items()]
        command += ["--arms", "ICL" if suite == "niah" else "ICL,LIFT+ICL"]
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        result = json.loads(done.stdout)
        assert (result["suite"], result["documents"], result["questions"]) == (suite, 1, 1)
        assert "| ICL |" in done.stderr  # the table


def test_a_command_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "qmsum.jsonl").write_text('{"doc_id": "a"}\n')
    done = CliRunner().invoke(main, ["bench", "run", "qmsum", "--data", str(tmp_path), "--json"])
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert "qmsum.jsonl, line 1" in error["message"]
    done = CliRunner().invoke(main, ["bench", "run", "squad", "--data", str(tmp_path)])
    assert (done.exit_code, "fairytaleqa, quality" in done.output) == (2, True)


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, tiny_settings: Settings) -> None:
    """SIGKILL in the middle of the answers, then the same command."""
    data = release(tmp_path)
    command = [sys.executable, "-m", "lift_app.cli", "bench", "run", "fairytaleqa", "--json"]
    command += ["--data", str(data), "--model", tiny_settings.model, "--context", "64"]
    command += ["--arms", "ICL,LIFT+ICL", "--set=segment_length=64", "--set=stride=64"]
    kept = tiny_settings.home / "bench" / "answers.jsonl"
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not (kept.is_file() and kept.read_bytes().count(b"\n") >= 2):
        assert first.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = kept.read_bytes().count(b"\n")
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    answers = json.loads(second.stdout)["answers"]
    assert answers["kept"] >= before - 1 >= 1
    assert answers["new"] + answers["kept"] == 6
