"""A replay: a lift as it was at the moment that the clock has come to, and labelled as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lift_app.recording import EVENTS, Recording
from lift_app.ui import words
from lift_app.ui.replay import LENGTH, Replay, offer_html, replay_html

TRAINED = [
    {
        "seconds": 10.0 + 10 * step,
        "stage": "training",
        "step": step,
        "steps": 8,
        "loss": 4.0 - step / 4,
        "tokens_per_second": 60.0,
        "eta_seconds": 99.0,
        "segments": {str(step - 1): 3.0},
    }
    for step in range(1, 9)
]
LIFT = [
    {"seconds": 1.0, "stage": "segments", "step": 0, "steps": 0},
    {"seconds": 5.0, "stage": "training", "step": 0, "steps": 8, "segment_count": 8},
    *TRAINED,
    {"seconds": 95.0, "stage": "checking", "step": 1, "steps": 1},
    {"seconds": 100.0, "stage": "done", "step": 8, "steps": 8, "adapter": "key"},
]


def recorded(folder: Path) -> Recording:
    """A recording of a lift of 100 seconds and eight steps."""
    folder.mkdir(exist_ok=True)
    (folder / EVENTS).write_text("".join(f"{json.dumps(event)}\n" for event in LIFT))
    return Recording(folder, "key", "A <fast> machine.", 100.0, {}, {})


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replay(tmp_path: Path, clock: Clock) -> Replay:
    return Replay(recorded(tmp_path), clock)


def test_it_shows_the_lift_at_the_moment_of_the_clock(replay: Replay, clock: Clock) -> None:
    assert replay.status()["step"] == 0 and replay.status()["losses"] == []
    clock.now += LENGTH / 2  # 50 of 100 seconds
    status = replay.status()
    assert (status["step"], status["steps"], status["stage"]) == (4, 8, "training")
    assert status["losses"] == [[1, 3.75], [2, 3.5], [3, 3.25], [4, 3.0]]
    assert status["eta_seconds"] is None, "what was left then is not left now"
    cells = replay.ribbon({"cells": [{"loss": 1.0}] * 8, "learned": True})["cells"]
    assert [cell["loss"] for cell in cells] == [3.0] * 4 + [None] * 4
    clock.now += LENGTH * 0.47
    assert replay.status()["stage"] == "checking" and not replay.over
    clock.now += LENGTH
    assert replay.over


def test_it_says_that_it_is_one(replay: Replay, clock: Clock) -> None:
    clock.now += LENGTH / 2
    html = replay_html(replay, whole=True)
    assert words.REPLAY in html and "Nothing is being learned now" in html
    assert "4 times as fast" in html and "A &lt;fast&gt; machine." in html
    assert words.KEEPS_GOING not in html
    line = replay_html(replay, whole=False)
    assert words.REPLAY in line and "step 4 of 8" in line
    assert 'data-value="end"' in html and 'data-value="end"' in line
    assert "2 min" in offer_html(100.0)
