"""The line that a terminal shows of a lift that goes on."""

from __future__ import annotations

from lift_app.cli.lifts import progress_line


def test_a_step_has_its_loss_and_the_time_left() -> None:
    event = {"stage": "training", "step": 3, "steps": 9, "loss": 2.5, "tokens_per_second": 80.0}
    line = progress_line({**event, "eta_seconds": 600.0})
    assert line == "step 3 of 9 · loss 2.50 · 80 tokens/s · 10 min left"


def test_a_look_says_that_it_goes_on_and_for_how_long() -> None:
    event = {"stage": "training", "step": 9, "steps": 9, "note": "Looking.", "eta_seconds": 600.0}
    assert progress_line(event) == "training 9 of 9 · 10 min left · Looking."
    assert progress_line({"stage": "checking", "step": 1, "steps": 2}) == "checking 1 of 2"
