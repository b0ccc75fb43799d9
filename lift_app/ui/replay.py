"""A replay: how the sample book was learned, from the record of its training. Nothing is trained.

It gives what a Reader tells of a lift under way, at the moment of the record that the clock has
come to, so that the same view and the same strip show it; whoever shows it says that it is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lift_app.ui import words
from lift_app.ui.lift_view import lift_html, line_html
from lift_app.ui.security import escape

if TYPE_CHECKING:
    from lift_app.recording import Recording

LENGTH = 24.0
"""Seconds that a replay takes, however long the lift took."""
MOST_POINTS = 200
"""Points of the loss curve."""


class Replay:
    """A recording that is being shown in one window."""

    def __init__(self, recording: Recording, clock: Callable[[], float] = time.monotonic) -> None:
        self._events = recording.events()
        self._clock = clock
        self._began = clock()
        self.machine = recording.machine
        self.seconds = max(recording.seconds, 1.0)

    @property
    def over(self) -> bool:
        """Whether the end of the record was reached."""
        return self._at() >= self.seconds

    @property
    def pace(self) -> float:
        """How many times as fast as it was."""
        return self.seconds / LENGTH

    def status(self) -> dict[str, Any]:
        """What `Reader.status` would have said at this moment of the lift."""
        seen = [event for event in self._events if event["seconds"] <= self._at()]
        training = [event for event in seen if event["stage"] == "training"]
        last = training[-1] if training else {}
        losses = [[event["step"], event["loss"]] for event in training if "loss" in event]
        stage = seen[-1]["stage"] if seen else "segments"
        return {
            "state": "running",
            "stage": "training" if stage == "done" else stage,
            "step": last.get("step", 0),
            "steps": last.get("steps", 0),
            "tokens_per_second": last.get("tokens_per_second"),
            "eta_seconds": None,  # what was left then is not what is left now
            "losses": losses[:: len(losses) // MOST_POINTS + 1],
        }

    def ribbon(self, ribbon: dict[str, Any]) -> dict[str, Any]:
        """The book's ribbon, known as far as it was at this moment of the lift."""
        known: dict[int, float] = {}
        for event in self._events:
            if event["seconds"] <= self._at():
                known |= {int(i): loss for i, loss in (event.get("segments") or {}).items()}
        cells = [{**cell, "loss": known.get(index)} for index, cell in enumerate(ribbon["cells"])]
        return {**ribbon, "cells": cells, "learned": False, "strength": None}

    def _at(self) -> float:
        """Seconds of the lift that the replay has come to."""
        return (self._clock() - self._began) * self.pace


def replay_html(replay: Replay, *, whole: bool) -> str:
    """The lift as it was, under a banner that says so.

    Args:
        replay: what is shown.
        whole: with stages and loss; else in one line, above a page that is being read.
    """
    status = replay.status()
    banner = f'<b class="badge">{escape(words.REPLAY)}</b>'
    end = (
        f'<button type="button" class="link" data-act="replay" data-value="end">'
        f"{escape(words.REPLAY_END)}</button>"
    )
    if not whole:
        return f'<div class="replay line">{banner}{line_html(status)}{end}</div>'
    note = words.REPLAY_NOTE.format(
        time=words.duration(replay.seconds), seconds=round(LENGTH), pace=f"{replay.pace:.0f}"
    )
    return (
        f'<div class="replay" role="group" aria-label="{escape(words.REPLAY)}">'
        f'<p class="replay-note">{banner} {escape(note)}</p>'
        f"{lift_html(status, note=words.REPLAY_MACHINE.format(machine=replay.machine))}{end}</div>"
    )


def offer_html(seconds: float) -> str:
    """The way to a replay, beside a book that came learned."""
    note = words.REPLAY_OFFER.format(time=words.duration(seconds))
    return (
        f'<p class="offer">{escape(note)} <button type="button" class="link" data-act="replay" '
        f'data-value="begin">{escape(words.REPLAY_BEGIN)}</button></p>'
    )
