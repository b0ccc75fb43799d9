"""A tick is cheap: what a poll costs the processor during the lift of a long book.

Time of the processor, not of the clock, so that a busy machine measures the same.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest
from book_reader import BookReader

from lift_app.lifting.recipe import resolve_recipe
from lift_app.settings import Settings
from lift_app.ui.room import Room
from lift_app.ui.seat import Seat

STEPS, SEGMENTS = 700, 1400


def event(step: int) -> dict:
    """What a lift says of a step that read four segments."""
    read = {str((4 * step + one) % SEGMENTS): 2.0 + one / 10 for one in range(4)}
    return {
        "stage": "training",
        "step": step,
        "steps": 2 * STEPS,
        "segment_count": SEGMENTS,
        "loss": 3.0,
        "tokens_per_second": 50.0,
        "eta_seconds": 10.0,
        "segments": read,
    }


def test_a_tick_during_the_lift_of_a_long_book_is_cheap(
    tiny_settings: Settings, tmp_path: Path, seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "long.txt"
    file.write_text("\n\n".join(f"Sentence {number} of a long book." for number in range(5_000)))
    with BookReader(tiny_settings) as reader:
        room = Room(reader)
        book = reader.add(file)["id"]
        recipe = resolve_recipe("standard", window=512).to_json()
        job = reader.library.jobs.create(book, "k" * 64, reader.settings.model, recipe)
        reader.library.jobs.set_state(job.id, "running")
        with reader.library.db.write():
            for step in range(1, STEPS):
                reader.library.jobs.event(job.id, event(step))
        room._open(seat, book)
        deadline = time.monotonic() + 60
        while not reader.ribbon(book)["exact"] and time.monotonic() < deadline:
            time.sleep(0.05)
        room.draw(seat)
        times = []
        for step in range(STEPS, STEPS + 9):
            reader.library.jobs.event(job.id, event(step))
            began = time.thread_time()
            assert room.tick(seat)
            times.append(1000 * (time.thread_time() - began))
        print("milliseconds of the processor a tick:", [round(one) for one in times])
        assert f"step {STEPS + 8}" in seat.shown["lift"]
        # Half of the 200 ms that a poll may take.
        assert statistics.median(times) < 100
