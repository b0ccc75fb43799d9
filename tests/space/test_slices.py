"""A GPU lent in slices: forked, pickled, taken away. The lift is the same as one in a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from zero_story import VALUES, fingerprint

from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.space.hardware import ZEROGPU

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
TEXT = "\n\n".join(
    [
        "# The Bell of Quell",
        "## The Storm",
        "In the year 1910 a storm broke the bell, and Mirem Daal mended it with copper.",
        "## The Boats",
        "Each evening Orla Venn walked down to the harbour and counted the boats. "
        "There were seven of them, and the oldest was called the Heron.",
    ]
)


WRAPPED = pytest.param(
    "wrapped",
    marks=pytest.mark.skipif("LIFT_SPACE_PYTHON" not in os.environ, reason="run `make test-space`"),
)


@pytest.fixture(scope="module", params=["zero", WRAPPED])
def told(
    request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What happened in a process that is lent a GPU, and the weights of a lift in a whole."""
    folder = tmp_path_factory.mktemp("zero")
    story = folder / "bell.md"
    story.write_text(TEXT, encoding="utf-8")
    path = f"{ROOT}:{ROOT}/tests"
    if request.param == "wrapped":
        path += f":{_spaces_package(folder / 'packages')}"
    script = Path(__file__).with_name("zero_story.py")
    done = subprocess.run(
        [sys.executable, script, folder / "home", tiny_model, story, request.param],
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    with Reader(Settings(home=folder / "calm", model=str(tiny_model))) as reader:
        book = reader.add(story)
        key = list(reader.tune(book["id"], values=VALUES))[-1]["adapter"]
        found["expected"] = fingerprint(reader.library.adapters.folder(key))
    return found


def _spaces_package(target: Path) -> Path:
    """The package that lends a Space its GPU, of the version that a Space gets."""
    [pin] = [pin for pin in ZEROGPU.instead if pin.startswith("spaces==")]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", target, pin]
    subprocess.run(command, check=True)
    return target


def test_a_lift_in_slices_makes_the_same_adapter_bit_for_bit(told: dict[str, Any]) -> None:
    whole = told["whole"]
    assert whole["state"] == "done"
    assert whole["slices"] == whole["steps"] + 1 > 3  # a step each, then the check
    assert whole["checkpoints"] == [True] * whole["steps"] + [False]
    assert whole["left"] == []
    assert whole["weights"] == told["expected"]


def test_a_slice_that_dies_is_taken_up_again(told: dict[str, Any]) -> None:
    killed = told["killed"]
    assert killed["error"].startswith("slice_too_short: ")
    assert killed["state"] == "paused"  # it had not got on, so its reader is asked
    assert killed["weights"] == told["expected"]
    later = told["killed later"]
    assert (later["state"], later["slices"]) == ("done", 2)  # by itself, for it had got on
    assert later["weights"] == told["expected"]


def test_closing_the_page_pauses_and_going_on_loses_no_step(told: dict[str, Any]) -> None:
    closed = told["closed"]
    assert closed["state"] == "paused"
    assert closed["checkpoint"]
    assert closed["from"] == closed["step"] >= 2
    assert closed["weights"] == told["expected"]
    assert "another window" in told["other window"]


def test_where_no_gpu_is_lent_the_reason_is_told(told: dict[str, Any]) -> None:
    refused = told["refused"]
    assert refused["state"] == "paused"
    for said in (refused["error"], refused["question"]):
        assert said.startswith("no_gpu: ") and "exceeded your GPU quota" in said


def test_pause_and_cancel_are_obeyed_within_a_slice(told: dict[str, Any]) -> None:
    assert told["paused"] == "paused"
    assert told["cancelled"] == []


def test_questions_are_answered_in_slices(told: dict[str, Any]) -> None:
    assert told["asked"] == {
        "plain": ["ICL", None],
        "learned": ["LIFT+ICL", True],
        "streamed": True,
        "kept": 2,
    }
    assert told["stopped"] in (True, False)  # it may have been written before it was stopped
    assert told["stops"] == []
    assert "damaged" in told["damaged"]


def test_what_a_dead_process_left_running_waits_for_its_reader(told: dict[str, Any]) -> None:
    assert told["restarted"] == "paused"
