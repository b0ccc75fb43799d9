"""Little room and bad luck: full disk, too little memory, jumping clock, an end by SIGTERM."""

from __future__ import annotations

import errno
import gc
import os
import sqlite3
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import mortal
import pytest
import torch
from figures import SOAK, tell
from whole_reading import FEW_STEPS, QUESTION, assert_sound

from lift_app.answering.answerer import Answerer
from lift_app.errors import LiftError
from lift_app.library import Library, effects
from lift_app.lifting.checkpoint import load_checkpoint
from lift_app.lifting.trainer import Trainer
from lift_app.reader import Reader
from lift_app.settings import Settings

pytestmark = pytest.mark.faults


def test_a_full_disk_in_the_middle_of_a_write_leaves_the_library_as_it_was(
    tiny_settings: Settings, story: Path, short_story: Path, quick: None
) -> None:
    with Reader(tiny_settings) as reader:
        first = reader.add(short_story)
        connection = reader.library.db._open_writer().conn
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")  # SQLite's own full disk
        with pytest.raises(LiftError, match="disk is full") as caught:
            reader.add(story)
        assert caught.value.code == "disk_full"
        assert [book["id"] for book in reader.books()] == [first["id"]]
        connection.execute("PRAGMA max_page_count = 1000000")
        assert reader.add(story)["new"]
    assert_sound(tiny_settings)


def test_a_disk_that_is_almost_full_is_told_before_anything_is_written(
    tiny_settings: Settings,
    story: Path,
    short_story: Path,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def almost_full(_: object) -> SimpleNamespace:
        return SimpleNamespace(free=20 * 2**20)

    with Reader(tiny_settings) as reader:
        book = reader.add(short_story)["id"]
        before = sorted(tiny_settings.home.rglob("*"))
        with monkeypatch.context() as patch:
            patch.setattr("lift_app.library.folders.shutil.disk_usage", almost_full)
            with pytest.raises(LiftError, match=r"needs \d+ MB, and 21 MB are free") as caught:
                reader.add(story)
            assert caught.value.code == "disk_full"
            assert sorted(tiny_settings.home.rglob("*")) == before
            with pytest.raises(LiftError, match="cannot be learned: it needs") as caught:
                list(reader.tune(book, values=FEW_STEPS))
            assert caught.value.code == "disk_full"
            assert reader.ask(book, QUESTION)["arm"] == "ICL"
        assert reader.add(story)["new"]
        assert list(reader.tune(book, values=FEW_STEPS))[-1]["stage"] == "done"
    assert_sound(tiny_settings)


def test_a_folder_that_cannot_be_written_is_told_and_can_still_be_read(
    tiny_settings: Settings, story: Path, short_story: Path, quick: None
) -> None:
    def read_only(kind: str, target: str) -> None:
        if kind == "sql":
            error = sqlite3.OperationalError("attempt to write a readonly database")
            error.sqlite_errorname = "SQLITE_READONLY"
            raise error
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), target)

    with Reader(tiny_settings) as reader:
        book = reader.add(short_story)["id"]
    with effects.announced_to(read_only):
        reader = Reader(tiny_settings)
        assert [one["id"] for one in reader.books()] == [book]
        assert "Orla Venn" in reader.page(book, 1)["text"]
        assert reader.pages.search(book, "lanterns")["hits"]
        with pytest.raises(LiftError, match=r"(?i)read-?only.*right to write"):
            reader.add(story)
        with pytest.raises(LiftError, match=r"(?i)read-?only"):
            reader.new_chat(book)
        with pytest.raises(LiftError, match=r"(?i)read-?only"):
            reader.ask(book, QUESTION)
        reader.close()
    assert_sound(tiny_settings)


def test_without_model_and_network_books_are_read_and_the_lack_is_told(
    home: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # pip asks nobody, as without a network
    with Reader(Settings(home=home), preload=True) as reader:
        book = reader.add(story)
        assert not book["tokens_exact"] and reader.page(book["id"], 1)["text"]
        with pytest.raises(LiftError, match="not on this machine") as caught:
            reader.ask(book["id"], "Who kept the lanterns?")
        assert caught.value.code == "model_missing"
        with pytest.raises(LiftError, match="not on this machine"):
            reader.start_tune(book["id"])
        deadline = time.monotonic() + 60
        while (state := reader.model_state())["state"] != "failed":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(state["message"]) > 40
    assert not list((home / "models").glob("*/*.safetensors"))


def test_memory_that_ran_out_is_given_back_to_its_level(
    tiny_settings: Settings, short_story: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model takes memory, finds none left, and fails: in an answer, and in a lift's step."""
    from transformers import LlamaForCausalLM

    held: list[weakref.ref[torch.Tensor]] = []

    def starve(*_: object, **__: object) -> None:
        ballast = torch.ones(25_000_000)  # 100 MB
        held.append(weakref.ref(ballast))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with Reader(tiny_settings) as reader:
        book = reader.add(short_story)["id"]
        reader.ask(book, QUESTION)
        level = resident_mb()
        for work in (
            lambda: reader.ask(book, QUESTION),
            lambda: list(reader.tune(book, values=FEW_STEPS)),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(LlamaForCausalLM, "forward", starve)
                with pytest.raises(LiftError, match="not enough memory"):
                    work()
            assert held and all(ref() is None for ref in held)
            assert resident_mb() - level < 60
            assert reader.ask(book, QUESTION)["answer"]
        assert list(reader.tune(book, values=FEW_STEPS))[-1]["stage"] == "done"
        assert reader.ask(book, QUESTION)["arm"] == "LIFT+ICL"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_too_little_memory_is_told_and_the_next_work_is_done(
    tiny_settings: Settings,
    short_story: Path,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with Reader(tiny_settings) as reader:
        book = reader.add(short_story)["id"]
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", fail)
            patch.setattr(Answerer, "answer", fail)
            with pytest.raises(LiftError, match="not enough memory") as caught:
                list(reader.tune(book, values=FEW_STEPS))
            assert caught.value.code == "out_of_memory"
            with pytest.raises(LiftError, match="not enough memory"):
                reader.ask(book, QUESTION)
        assert reader.ask(book, QUESTION)["arm"] == "ICL"
        assert list(reader.tune(book, values=FEW_STEPS))[-1]["stage"] == "done"


def test_a_clock_that_jumps_loses_nothing(
    tiny_settings: Settings, short_story: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"shift": 0.0}
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + clock["shift"])
    dates = iter(["2040-01-01T00:00:00.000Z"] * 500)
    with Reader(tiny_settings) as reader:
        book = reader.add(short_story)["id"]
        clock["shift"] = 10 * 365 * 86400.0
        with monkeypatch.context() as patch:
            patch.setattr("lift_app.library.adapters.now", lambda: next(dates))
            first = list(reader.tune(book, values=FEW_STEPS))[-1]["adapter"]
        clock["shift"] = -10 * 365 * 86400.0
        second = list(reader.tune(book, values={**FEW_STEPS, "seed": 1}))[-1]["adapter"]
        assert first != second
        assert reader.ask(book, QUESTION)["adapter"] == second  # the newest, whatever the clock
        reader.library.sweep()
        assert len(reader.adapters()) == 2 and len(reader.books()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_sigterm_ends_a_lift_with_a_checkpoint(tiny_settings: Settings, short_story: Path) -> None:
    settings = replace(tiny_settings, checkpoint_seconds=3600)
    endless = {"segment_length": 64, "stride": 16, "epochs": 300, "rank": 1, "alpha": 2}
    child = mortal.start(mortal.lift_until_told, settings, short_story, endless)
    deadline = time.monotonic() + 100
    step = 0
    while step < 2:
        assert child.is_alive() and time.monotonic() < deadline
        time.sleep(0.1)
        if settings.database.exists():
            with Library.open(settings) as library:
                step = max([job.step for job in library.jobs.list()], default=0)
    child.terminate()
    told = time.monotonic()
    child.join(60)
    seconds = time.monotonic() - told
    assert child.exitcode == 130
    with Library.open(settings) as library:
        [job] = library.jobs.list()
        saved = load_checkpoint(settings.checkpoints / job.id)
    assert saved is not None and saved["trainer"]["step"] >= step
    tell(checkpoint_and_end_in_seconds=round(seconds, 1))
    # Five seconds are promised of a machine that does nothing else; other tests slow it down.
    assert seconds < (5 if SOAK else 30)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_many_books_come_and_go_and_nothing_grows(
    tiny_settings: Settings, tmp_path: Path, quick: None
) -> None:
    rounds = 100 if SOAK else 12

    def measure() -> tuple[int, int, int, float]:
        gc.collect()
        files = sum(1 for path in tiny_settings.home.rglob("*") if path.is_file())
        return (
            threading.active_count(),
            len(list(Path("/proc/self/fd").iterdir())),
            files,
            resident_mb(),
        )

    with Reader(tiny_settings) as reader:
        levels = []
        for number in range(rounds):
            path = tmp_path / f"{number}.txt"
            path.write_text(f"The {number}th lantern of Quell. " * 50)
            book = reader.add(path)["id"]
            if number % 4 == 0:
                reader.ask(book, QUESTION)
            reader.rm(book)
            levels.append(measure())
    warm, last = levels[rounds // 2], levels[-1]
    assert last[:3] <= (warm[0], warm[1] + 1, warm[2] + 1)
    assert last[3] - warm[3] < 40, f"{warm[3]:.0f} MB became {last[3]:.0f} MB"
    tell(
        books_added_and_deleted=rounds,
        threads=[warm[0], last[0]],
        open_files=[warm[1], last[1]],
        files_in_home=[warm[2], last[2]],
        memory_mb=[round(warm[3]), round(last[3])],
    )


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
