"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_model import BARE

from lift_app.cli.main import COMMANDS

SMALL = [
    *("--set", "segment_length=128"),
    *("--set", "stride=48"),
    *("--set", "epochs=1"),
    *("--set", "rank=2"),
    *(f"--set={name}={value}" for name, value in BARE.items()),
]
Lift = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(home: Path, tiny_model: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LIFT_HOME": str(home),
        "LIFT_MODEL": str(tiny_model),
        "LIFT_CONTEXT_TOKENS": "128",
        "LIFT_EVIDENCE_TOKENS": "96",
        "LIFT_ANSWER_TOKENS": "8",
    }


@pytest.fixture
def lift(environment: dict[str, str]) -> Lift:
    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lift_app.cli", *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            env=environment,
            timeout=240,
        )

    return run


def lines(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_add_tune_ask_in_json(lift: Lift, story: Path) -> None:
    [book] = lines(lift("add", str(story), "--json"))
    assert {"id", "title", "pages", "words", "tokens", "report"} <= set(book)
    assert book["report"]["estimated_minutes"] >= 0

    tuned = lift("tune", book["id"], *SMALL, "--json")
    events = lines(tuned)
    training = [event for event in events if "loss" in event]
    for event in training:
        assert {"stage", "step", "steps", "loss", "tokens_per_second", "eta_seconds"} <= set(event)
    assert events[-1]["stage"] == "done" and len(events[-1]["adapter"]) == 64

    asked = lift("ask", book["id"][:8], "Who mended the bell with copper?", "--json")
    [answer] = lines(asked)
    assert set(answer) >= {"answer", "arm", "citations", "context", "adapter", "timing"}
    assert answer["arm"] == "LIFT+ICL" and answer["adapter"] == events[-1]["adapter"]
    assert set(answer["context"]) == {"head", "tail", "evidence", "question"}
    for citation in answer["citations"]:
        page = json.loads(lift("page", book["id"], str(citation["page"]), "--json").stdout)
        assert page["text"][citation["start"] : citation["end"]] == citation["quote"]
        assert citation["page_label"] and "chapter" in citation


def test_a_lifted_book_is_found_without_torch(
    lift: Lift, story: Path, environment: dict[str, str]
) -> None:
    [book] = lines(lift("add", str(story), "--json"))
    lift("tune", book["id"], *SMALL, "--json")
    command = ["tune", book["id"], *SMALL, "--json"]
    program = (
        "import sys\n"
        "from lift_app.cli import main\n"
        f"try: main({command!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert found.returncode == 0, found.stderr
    [event] = lines(found)
    assert event["stage"] == "done" and event["cached"] is True


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add", "nowhere.pdf"], "no_such_file"),
        (["show", "nothing"], "not_found"),
        (["ask", "nothing", "Who?"], "not_found"),
        (["tune", "nothing", "--recipe", "slow"], "not_found"),
        (["cancel", "nothing"], "not_found"),
    ],
)
def test_mistakes_are_status_2_and_one_json_line(
    lift: Lift, arguments: list[str], code: str
) -> None:
    result = lift(*arguments, "--json")
    assert result.returncode == 2
    [document] = lines(result)
    assert document["error"]["code"] == code
    plain = lift(*arguments)
    assert plain.returncode == 2 and plain.stdout == ""
    assert plain.stderr.startswith("lift: ") and "Traceback" not in plain.stderr


def test_an_arm_without_its_adapter_is_status_2(lift: Lift, story: Path) -> None:
    [book] = lines(lift("add", str(story), "--json"))
    result = lift("ask", book["id"], "Who?", "--arm", "LIFT_only", "--json")
    assert (result.returncode, lines(result)[0]["error"]["code"]) == (2, "no_adapter")


def test_a_quicker_recipe_is_taken_for_a_long_book_and_that_is_said(
    lift: Lift, environment: dict[str, str], story: Path
) -> None:
    environment["LIFT_RECIPE_MINUTES"] = "0"
    [book] = lines(lift("add", str(story), "--json"))
    assert book["report"]["suggested_recipe"] == "quick"
    plain = [f"--set={name}={value}" for name, value in BARE.items()]
    tuned = lift("tune", book["id"], "--set=rank=2", *plain)
    assert "so quick is taken" in tuned.stderr and "--recipe standard" in tuned.stderr
    [adapter] = json.loads(lift("adapters", "--json").stdout)
    assert adapter["recipe"]["name"] == "quick"


def test_a_wrong_setting_is_named(lift: Lift, environment: dict[str, str]) -> None:
    environment["LIFT_PORT"] = "many"
    result = lift("books")
    assert result.returncode == 2 and "LIFT_PORT" in result.stderr


def test_the_shelf_from_empty_to_empty(lift: Lift, story: Path) -> None:
    assert lines(lift("books", "--json")) == [[]]
    lift("add", str(story))
    assert "lanterns" in lift("books").stdout.lower()
    assert lift("rm", "lanterns", "--yes").returncode == 0
    assert lines(lift("books", "--json")) == [[]]


def test_doctor_finds_this_machine_sound(lift: Lift) -> None:
    lift("books")
    result = lift("doctor", "--json")
    [report] = lines(result)
    assert report["ok"] is True and result.returncode == 0
    assert {"programs", "home", "index", "adapters", "model", "device"} <= {
        finding["what"] for finding in report["findings"]
    }


def test_every_command_has_help(lift: Lift) -> None:
    listed = lift("--help").stdout
    for name in COMMANDS:
        assert name in listed
        assert lift(name, "--help").returncode == 0, name


def test_kill_loses_at_most_the_steps_since_the_checkpoint(
    lift: Lift, story: Path, environment: dict[str, str], home: Path
) -> None:
    environment["LIFT_CHECKPOINT_SECONDS"] = "0"
    [book] = lines(lift("add", str(story), "--json"))
    command = [sys.executable, "-m", "lift_app.cli", "tune", book["id"], "--json"]
    command += [*SMALL, "--set", "segment_length=64", "--set", "stride=24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        seen = 0
        for line in process.stdout:
            seen = max(seen, json.loads(line).get("step", 0))
            if seen >= 5:
                process.kill()
                break
    assert list((home / "checkpoints").glob("*/state.bin"))
    checked = lines(lift("doctor", "--json"))[0]
    assert "integrity ok" in next(f["says"] for f in checked["findings"] if f["what"] == "index")

    events = lines(lift(*command[3:]))
    resumed = next(event for event in events if event["stage"] == "training")
    assert resumed["step"] >= seen - 1  # a checkpoint after every step: at most one is lost
    assert events[-1]["stage"] == "done"
    assert len(lines(lift("adapters", "--json"))[0]) == 1


def test_two_processes_share_one_model(
    lift: Lift, story: Path, environment: dict[str, str], home: Path
) -> None:
    [book] = lines(lift("add", str(story), "--json"))
    command = [sys.executable, "-m", "lift_app.cli", "tune", book["id"], "--json"]
    command += [*SMALL, "--set", "stride=24", "--set", "epochs=200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("step", 0) >= 2:
                break
        deadline = time.monotonic() + 30
        while not (home / "engine.json").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        [answer] = lines(lift("ask", book["id"], "Who mended the bell?", "--json"))
        assert answer["arm"] == "LIFT+ICL"  # the owner answered with what it had learned so far
        refused = lift("ask", book["id"], "Who?", "--arm", "RAG2", "--json")
        assert refused.returncode == 2 and "arm" in lines(refused)[0]["error"]["message"]
        lift("cancel", book["id"])
        rest = process.stdout.read().splitlines()
        assert process.wait(60) == 1
    assert json.loads(rest[-1])["error"]["code"] == "cancelled"
