"""What a lift's guard has found, in answers, in checkpoints and in the time left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_model import BARE

from lift_app.engine.access import LEFT_OUT, noticed
from lift_app.engine.desk import LibraryDesk
from lift_app.engine.lift_job import LOOKING, LiftJob
from lift_app.errors import LiftError, Stopped
from lift_app.library.adapters import AdapterRow
from lift_app.lifting.checkpoint import checkpoint_mark
from lift_app.lifting.guard import Guard
from lift_app.lifting.memory import Memory
from lift_app.models.lora import AdapterHost
from lift_app.reader import Reader
from lift_app.settings import Settings

SHORT = {"epochs": 1, "segment_length": 64, "stride": 48, "rank": 2, **BARE}


def test_an_answer_says_that_a_guard_left_the_adapter_out(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Reader(tiny_settings) as reader:
        book = reader.add(story)["id"]
        list(reader.tune(book, values=SHORT))
        assert reader.ask(book, "Who mended the bell?")["notice"] == ""
        monkeypatch.setattr(AdapterRow, "strength", lambda self, default: 0.0)
        assert reader.ask(book, "Who mended the bell?")["notice"] == LEFT_OUT
        # Whoever chose it knows, and an arm without an adapter leaves nothing out.
        assert reader.ask(book, "Who mended the bell?", strength=0.0)["notice"] == ""
        assert reader.ask(book, "Who mended the bell?", arm="ICL")["notice"] == ""


def test_a_cancel_in_the_middle_of_a_look_is_obeyed(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Reader(tiny_settings) as reader:
        book = reader.add(story)["id"]

        def endless(self: Guard, step: int) -> Iterator[None]:
            reader.cancel(book)
            while True:
                yield

        monkeypatch.setattr(Guard, "look", endless)
        with pytest.raises(Stopped, match="cancelled"):
            list(reader.tune(book, values={**SHORT, "guard": True}))
        assert reader.status(book)["state"] == "cancelled"


def test_a_notice_stands_before_the_one_that_is_there() -> None:
    events = [{"text": "Mirem"}, {"answer": {"answer": "Mirem.", "notice": "Left out."}}]
    assert list(noticed(iter(events), "")) == events
    *_, last = noticed(iter(events), "Away.")
    assert last["answer"] == {"answer": "Mirem.", "notice": "Away. Left out."}


def test_a_checkpoint_is_written_only_of_what_is_new(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a check that never ends in its slice of a GPU would pass for one that gets on."""
    with Reader(tiny_settings) as reader:
        book = reader.add(story)["id"]
        with monkeypatch.context() as patch, pytest.raises(LiftError):
            patch.setattr(Memory, "step", lambda self: 1 / 0)
            list(reader.tune(book, values=SHORT))
        (job,) = reader.library.jobs.list()

        def again(host: AdapterHost) -> tuple[object, object]:
            lift = LiftJob(LibraryDesk(reader.library, job), reader.settings, host, job)
            before = checkpoint_mark(lift.checkpoint_folder)
            turns = lift.turns()
            for _ in range(4):
                next(turns)
            assert lift.trainer is not None and lift.trainer.finished
            lift.save_checkpoint()
            return before, checkpoint_mark(lift.checkpoint_folder)

        before, after = reader.engine().submit(again, model=reader.settings.model).result()
    assert before == after is not None


def test_the_time_left_counts_the_looks(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift_app.engine.lift_job.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("lift_app.lifting.progress.Pace.seconds_for", lambda _, units: units)
    values = {**SHORT, "segment_length": 128, "stride": 128, "guard": True}
    with Reader(tiny_settings) as reader:
        events = list(reader.tune(reader.add(story)["id"], values=values))
    looking = [event for event in events if event.get("note") == LOOKING]
    assert looking[0]["step"] == looking[0]["steps"]  # all is learned
    left = [event["eta_seconds"] for event in looking]
    assert left[0] == pytest.approx(max(left))
    assert left[0] - left[1] == pytest.approx(2)  # the base is read beside the adapter
    assert left[-1] < left[0] / 2
    last_step = next(event for event in events if event["step"] == event["steps"] > 0)
    assert last_step["eta_seconds"] > 0
