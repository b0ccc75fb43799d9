"""Engine: lifts and answers share the model; jobs survive what happens to the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_model import BARE

from lift_app.engine.desk import LibraryDesk
from lift_app.engine.lift_job import LiftJob
from lift_app.errors import CallerError, LiftError, Stopped
from lift_app.lifting.auxiliary import NOTHING_BESIDE, TaskRows
from lift_app.lifting.checkpoint import load_checkpoint
from lift_app.lifting.probe import _Reading
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.trainer import StepResult, Trainer
from lift_app.models.base_model import BaseModel
from lift_app.models.lora import AdapterHost
from lift_app.reader import Reader
from lift_app.settings import Settings

LONG = {"segment_length": 64, "stride": 24, "epochs": 400, "rank": 2, "alpha": 4, **BARE}
"""Outlasts what a test does beside it on the busiest machine; nobody waits for its end."""
SHORT = {**LONG, "epochs": 1, "segment_length": 128, "stride": 128}


@pytest.fixture
def reader(tiny_settings: Settings) -> Iterator[Reader]:
    with Reader(tiny_settings) as reader:
        yield reader


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def weights_of(reader: Reader, key: str) -> dict[str, torch.Tensor]:
    return load_file(reader.library.adapters.folder(key) / "adapter_model.safetensors")


def test_a_lift_reports_every_step_and_ends_on_the_shelf(reader: Reader, story: Path) -> None:
    book = reader.add(story)
    events = list(reader.tune(book["id"], values=SHORT))
    steps = [event for event in events if "loss" in event]
    assert [event["step"] for event in steps] == list(range(1, steps[-1]["steps"] + 1))
    for event in steps:
        assert event["stage"] == "training"
        assert {"loss", "tokens_per_second", "eta_seconds", "segments"} <= set(event)
    assert events[-1]["stage"] == "done"
    [adapter] = reader.adapters()
    assert adapter["key"] == events[-1]["adapter"]
    assert None not in adapter["summary"]["segments"]
    status = reader.status(book["id"])
    assert status["state"] == "done"
    assert len(status["segments"]) == len(adapter["summary"]["segments"])
    assert not (reader.settings.checkpoints / status["job"]).exists()


def test_the_same_lift_is_never_trained_twice(reader: Reader, story: Path) -> None:
    book = reader.add(story)
    first = list(reader.tune(book["id"], values=SHORT))
    again = list(reader.tune(book["id"], values=SHORT))
    assert again == [{"stage": "done", "adapter": first[-1]["adapter"], "cached": True}]
    other = list(reader.tune(book["id"], values={**SHORT, "seed": 1}))
    assert other[-1]["adapter"] != first[-1]["adapter"]


def test_a_question_is_answered_in_the_middle_of_a_lift(reader: Reader, story: Path) -> None:
    book = reader.add(story)
    reader.start_tune(book["id"], values=LONG)
    wait_for(lambda: reader.status(book["id"])["step"] >= 2)
    answer = reader.ask(book["id"], "Who mended the bell with copper?")
    status = reader.status(book["id"])
    assert status["state"] == "running"
    assert answer["arm"] == "LIFT+ICL"  # with the adapter as far as it has got
    reader.cancel(book["id"])
    wait_for(lambda: reader.status(book["id"])["state"] == "cancelled")
    assert reader.adapters() == []


def test_pause_and_resume_end_with_the_same_adapter(
    reader: Reader, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = reader.add(story)
    expected = list(reader.tune(book["id"], values=SHORT))[-1]["adapter"]
    weights = weights_of(reader, expected)
    reader.library.adapters.delete(expected)

    step = Trainer.step

    def pausing(self: Trainer, beside: TaskRows = NOTHING_BESIDE) -> StepResult:
        if self.step_done == 1:  # a lift this short may be done before another thread asks
            reader.pause(book["id"])
        return step(self, beside)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", pausing)
        reader.start_tune(book["id"], values=SHORT)
        wait_for(lambda: reader.status(book["id"])["state"] == "paused")
    job = reader.status(book["id"])
    assert load_checkpoint(reader.settings.checkpoints / job["job"]) is not None
    with pytest.raises(Stopped, match="paused"):
        list(reader._lifts.follow(job["job"], seen=job["last_event"]))
    reader.resume(job["job"])
    wait_for(lambda: reader.status(book["id"])["state"] == "done")
    resumed = weights_of(reader, expected)
    assert all(torch.equal(resumed[name], tensor) for name, tensor in weights.items())


def test_a_closed_reader_resumes_where_it_was(tiny_settings: Settings, story: Path) -> None:
    with Reader(tiny_settings) as reader:
        book = reader.add(story)
        reader.start_tune(book["id"], values=LONG)
        wait_for(lambda: reader.status(book["id"])["step"] >= 3)
    with Reader(tiny_settings) as reader:
        before = reader.status(book["id"])
        assert before["state"] == "running"  # nobody asked it to stop
        reader.engine()  # the next process that takes the model takes the job, too
        wait_for(lambda: reader.status(book["id"])["step"] > before["step"])
        resumed = [e for _, e in reader.library.jobs.events(before["job"], before["last_event"])]
        first = next(event for event in resumed if event["stage"] == "training")
        assert first["step"] == before["step"]  # closing lost no step
        reader.cancel(book["id"])
        wait_for(lambda: reader.status(book["id"])["state"] == "cancelled")


def test_closing_does_not_wait_for_a_model_that_may_never_come(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after Ctrl-C in the middle of an import, whose lock is then taken for good."""
    comes, load = threading.Event(), BaseModel.load

    def late(*arguments: object) -> BaseModel:
        assert comes.wait(30)
        return load(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("lift_app.engine.engine.LOADING_SECONDS", 0.2)
    monkeypatch.setattr(BaseModel, "load", late)
    reader = Reader(tiny_settings)
    job = reader.start_tune(reader.add(story)["id"], values=LONG)["job"]
    engine = reader.engine()
    wait_for(lambda: engine.model_state.state == "loading")
    turn = engine.submit(lambda host: host, model=reader.settings.model)
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 5
    comes.set()
    with pytest.raises(Stopped):
        turn.result(30)
    # Nothing was begun without the lock; the next owner takes the job up.
    assert reader.library.jobs.get(job).state == "running"
    assert not any("loss" in event for _, event in reader.library.jobs.events(job))


def test_a_lift_that_fails_says_why_and_the_engine_goes_on(
    reader: Reader, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = reader.add(story)

    def diverge(self: Trainer, tasks: object = None) -> None:
        raise LiftError("The training loss is no longer a number.", code="diverged")

    with monkeypatch.context() as patch, pytest.raises(LiftError, match="no longer a number"):
        patch.setattr(Trainer, "step", diverge)
        list(reader.tune(book["id"], values=SHORT))
    assert reader.status(book["id"])["error"]["code"] == "diverged"
    assert reader.ask(book["id"], "Who mended the bell?")["arm"] == "ICL"
    assert list(reader.tune(book["id"], values=SHORT))[-1]["stage"] == "done"


def test_an_unexpected_error_becomes_a_sentence(
    reader: Reader, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = reader.add(story)
    monkeypatch.setattr(Trainer, "step", lambda self, tasks=None: 1 / 0)
    with pytest.raises(LiftError, match=r"unexpected error \(ZeroDivisionError"):
        list(reader.tune(book["id"], values=SHORT))


def test_arms_that_need_an_adapter_are_refused_without_one(reader: Reader, story: Path) -> None:
    book = reader.add(story)
    with pytest.raises(CallerError, match="has not been learned yet") as caught:
        reader.ask(book["id"], "Who mended the bell?", arm="LIFT_only")
    assert (caught.value.code, caught.value.exit_status) == ("no_adapter", 2)
    with pytest.raises(CallerError, match="no arm"):
        reader.ask(book["id"], "Who mended the bell?", arm="RAG2")


def test_two_readers_never_get_each_others_adapter(
    reader: Reader, story: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.md"
    other.write_text("# The Kiln\n\nBram Oster fired nine bowls in the kiln of Tey. " * 20)
    books = [reader.add(story), reader.add(other)]
    keys = [list(reader.tune(book["id"], values=SHORT))[-1]["adapter"] for book in books]
    answers: list[tuple[str, str]] = []

    def ask(number: int) -> None:
        answer = reader.ask(books[number % 2]["id"], "Who kept lanterns or fired bowls?")
        answers.append((answer["adapter"], keys[number % 2]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(used == own for used, own in answers)


def test_deleting_a_book_ends_its_lift_and_leaves_nothing(reader: Reader, story: Path) -> None:
    book = reader.add(story)
    reader.start_tune(book["id"], values=LONG)
    wait_for(lambda: reader.status(book["id"])["step"] >= 1)
    reader.rm(book["id"])
    assert reader.books() == [] and reader.jobs() == []
    assert not any(reader.settings.books.iterdir())
    wait_for(
        lambda: (
            not reader.settings.checkpoints.exists()
            or not any(reader.settings.checkpoints.iterdir())
        )
    )


def test_a_book_whose_lift_was_killed_can_be_deleted(tiny_settings: Settings, story: Path) -> None:
    with Reader(tiny_settings) as reader:
        book = reader.add(story)
        job = reader.library.jobs.create(book["id"], "0" * 64, "some model", Recipe().to_json())
        reader.library.jobs.set_state(job.id, "running")  # as a killed process leaves it
        reader.rm(book["id"])
        assert reader.books() == [] and reader.jobs() == []


def test_a_lift_of_a_book_that_has_changed_is_refused(reader: Reader, story: Path) -> None:
    book = reader.add(story)
    job = reader.library.jobs.create(
        book["id"], "0" * 64, reader.settings.model, Recipe.from_json(SHORT).to_json()
    )
    with pytest.raises(LiftError, match="changed since this lift was asked for"):
        list(reader._lifts.follow(job.id, seen=0))
    assert reader.adapters() == []


def test_a_failed_lift_goes_on_from_its_checkpoint(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny_settings, checkpoint_seconds=0)
    step = Trainer.step

    def failing(self: Trainer, tasks: object = None) -> StepResult:
        return step(self) if self.step_done < 3 else 1 / 0  # type: ignore[return-value]

    with Reader(settings) as reader:
        book = reader.add(story)
        with monkeypatch.context() as patch, pytest.raises(LiftError, match="unexpected error"):
            patch.setattr(Trainer, "step", failing)
            list(reader.tune(book["id"], values=SHORT))
        events = list(reader.tune(book["id"], values=SHORT))
        assert next(e for e in events if e["stage"] == "training")["step"] == 3
        assert events[-1]["stage"] == "done"


def test_an_engine_that_cannot_write_keeps_its_thread(
    reader: Reader, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = reader.add(story)
    engine = reader.engine()
    refused = threading.Semaphore(0)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            refused.release()
            raise LiftError("The disk is full.", code="disk_full")

        patch.setattr(Trainer, "step", lambda self, tasks=None: 1 / 0)
        patch.setattr("lift_app.library.jobs.Jobs.set_state", full)
        reader.start_tune(book["id"], values=SHORT)
        for _ in range(2):  # the second time shows that the thread outlived the first
            assert refused.acquire(timeout=60)
    assert reader.ask(book["id"], "Who mended the bell?")["arm"] in ("ICL", "LIFT+ICL")
    engine.wake()
    wait_for(lambda: reader.status(book["id"])["state"] == "done")


def test_a_lift_that_cannot_begin_is_not_left_running(
    reader: Reader, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = reader.add(story)
    reader.ask(book["id"], "Who mended the bell?")  # the model is loaded
    monkeypatch.setattr("lift_app.engine.lift_job.LiftJob.__init__", lambda *_: 1 / 0)
    with pytest.raises(LiftError, match="could not begin"):
        list(reader.tune(book["id"], values=SHORT))
    assert reader.status(book["id"])["state"] == "failed"


def test_an_answer_without_memory_gives_back_what_was_kept(
    reader: Reader, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> int:
        turn = reader.engine().submit(lambda host: len(host.prefixes), model=reader.settings.model)
        return turn.result()

    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    book = reader.add(story)
    reader.ask(book["id"], "Who mended the bell?")
    assert kept() > 0
    with monkeypatch.context() as patch, pytest.raises(LiftError, match="not enough memory"):
        patch.setattr("lift_app.answering.answerer.Answerer.answer", fail)
        reader.ask(book["id"], "Who mended the bell?")
    assert kept() == 0
    assert reader.ask(book["id"], "Who mended the bell?")["answer"]


def test_a_resumed_lift_with_tasks_learns_the_same_tasks(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks are stored before the step that learns them, and lie beside the adapter afterwards."""
    values = {
        **SHORT,
        "task_weight": 1.0,
        "retention_weight": 0.5,
        "tasks_every": 2,
        "general_weight": 0.5,
        "general_every": 5,
    }
    found = {}
    step = Trainer.step

    def failing(self: Trainer, *rows: object) -> StepResult:
        return step(self, *rows) if self.step_done < 3 else 1 / 0  # type: ignore[arg-type,return-value]

    for name in ("whole", "broken"):
        settings = replace(tiny_settings, home=tiny_settings.home / name, checkpoint_seconds=0)
        with Reader(settings) as reader:
            book = reader.add(story)
            if name == "broken":
                with monkeypatch.context() as patch, pytest.raises(LiftError):
                    patch.setattr(Trainer, "step", failing)
                    list(reader.tune(book["id"], values=values))
            *_, last = reader.tune(book["id"], values=values)
            folder = reader.library.adapters.folder(last["adapter"])
            weights = load_file(folder / "adapter_model.safetensors")
            found[name] = (weights, (folder / "tasks.jsonl").read_text())
    (whole, tasks), (broken, again) = found["whole"], found["broken"]
    assert tasks == again and '"cloze"' in tasks
    assert all(torch.equal(whole[tensor], broken[tensor]) for tensor in whole)


def test_another_adapter_under_the_same_key_is_loaded(reader: Reader, story: Path) -> None:
    """A key names what an adapter was made of; who forgets it and learns again gets new files."""
    book = reader.add(story)
    *_, last = reader.tune(book["id"], values=SHORT)
    engine = reader.engine()

    def weights(host: AdapterHost) -> dict[str, torch.Tensor]:
        slot = engine.slot_for(host, last["adapter"])
        assert slot is not None
        return host.state(slot)

    model = reader.settings.model
    first = engine.submit(weights, model=model).result()
    folder = reader.library.adapters.folder(last["adapter"])
    row = reader.library.adapters.find(last["adapter"])
    assert row is not None

    def half(host: AdapterHost) -> None:
        staged = reader.library.adapters.staging_folder(last["adapter"])
        slot = engine.slot_for(host, last["adapter"])
        assert slot is not None
        halved = {name: tensor / 2 for name, tensor in host.state(slot).items()}
        host.reset("other", rank=host._slots[slot].shape.rank, alpha=host._slots[slot].alpha)
        host.load_state("other", halved)
        host.save("other", staged)
        host.drop("other")
        reader.library.adapters.delete(last["adapter"])
        reader.library.adapters.publish(
            last["adapter"],
            staged,
            book_id=row.book_id,
            model=row.model,
            recipe=row.recipe,
            summary=row.summary,
        )

    engine.submit(half, model=model).result()
    assert folder == reader.library.adapters.folder(last["adapter"])
    second = engine.submit(weights, model=model).result()
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_a_guarded_lift_that_is_killed_goes_on_to_the_same_weights(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the kill came in the middle of the look after a step."""
    values = {
        **SHORT,
        "guard": True,
        "retention_weight": 0.5,
        "tasks_every": 2,
        "general_weight": 0.5,
        "general_every": 5,
    }
    found = {}
    nll, read = _Reading.nll, []

    def second_fails(self: _Reading, *given: object) -> list[float]:
        read.append(given)
        return nll(self, *given) if len(read) == 1 else 1 / 0  # type: ignore[return-value]

    for name in ("whole", "broken"):
        settings = replace(tiny_settings, home=tiny_settings.home / name, checkpoint_seconds=0)
        with Reader(settings) as reader:
            book = reader.add(story)
            if name == "broken":
                with monkeypatch.context() as patch, pytest.raises(LiftError):
                    patch.setattr("lift_app.lifting.probe._Reading.nll", second_fails)
                    list(reader.tune(book["id"], values=values))
            *_, last = reader.tune(book["id"], values=values)
            row = reader.library.adapters.find(last["adapter"])
            assert row is not None
            folder = reader.library.adapters.folder(last["adapter"])
            found[name] = (load_file(folder / "adapter_model.safetensors"), row.summary["guard"])
    (whole, seen), (broken, seen_again) = found["whole"], found["broken"]
    assert seen == seen_again
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_a_checkpoint_of_a_lift_that_has_just_gone_on_keeps_what_its_guard_saw(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(tiny_settings, checkpoint_seconds=0)
    values = {**SHORT, "guard": True}
    step = Trainer.step
    monkeypatch.setattr("lift_app.lifting.looks.STEPS_APART", 1)

    def failing(self: Trainer, beside: object = None) -> StepResult:
        looked = self.step_done > self.schedule.steps // 2
        return 1 / 0 if looked else step(self)  # type: ignore[return-value]

    with Reader(settings) as reader:
        book = reader.add(story)
        with monkeypatch.context() as patch, pytest.raises(LiftError):
            patch.setattr(Trainer, "step", failing)
            list(reader.tune(book["id"], values=values))
        (job,) = reader.library.jobs.list()

        def closed_at_once(host: AdapterHost) -> tuple[list[object], list[object]]:
            lift = LiftJob(LibraryDesk(reader.library, job), reader.settings, host, job)
            before = load_checkpoint(lift.checkpoint_folder)
            next(lift.turns())
            lift.save_checkpoint()
            after = load_checkpoint(lift.checkpoint_folder)
            assert before is not None and after is not None
            return before["looks"], after["looks"]

        engine = reader.engine()
        before, after = engine.submit(closed_at_once, model=reader.settings.model).result()
    assert before == after != []
