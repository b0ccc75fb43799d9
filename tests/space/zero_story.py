"""A process that is lent a GPU in slices: `python zero_story.py HOME MODEL STORY [wrapped]`.

A process of its own, because torch cannot train in the fork of a process that has trained. Prints
what happened as one line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from tiny_model import BARE
from zero import Lender, Wrapped, Zero

from lift_app.engine.sliced_access import SlicedAccess
from lift_app.errors import LiftError
from lift_app.reader import Reader
from lift_app.settings import Settings

VALUES = {"segment_length": 64, "stride": 64, "epochs": 2, "rank": 1, "alpha": 2, **BARE}
VALUES |= {"general_weight": 0.5, "general_every": 5}  # what stands beside a step, in a slice, too
BY_STEP, LONG = 0, 600
"""Seconds of a slice: one step, or as many as there are."""


def fingerprint(adapter: Path) -> str:
    """Of every bit of the weights; the head of the file names them in any order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(load_file(adapter / "adapter_model.safetensors").items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


class Story:
    """One reader with a book, whose lifts run in slices.

    Attributes:
        told: what happened, for the test.
    """

    def __init__(self, home: Path, model: str, story: Path, zero: Lender) -> None:
        self.settings = Settings(
            home=home, model=model, answer_tokens=16, checkpoint_seconds=0, slice_seconds=BY_STEP
        )
        self.zero = zero
        self.story = story
        self.told: dict[str, Any] = {}

    def run(self) -> None:
        with self.open() as reader:
            self.book = reader.add(self.story)["id"]
            self.in_slices(reader)
            self.killed(reader)
            self.closed(reader)
            self.refused(reader)
            self.paused(reader)
            self.asked(reader)
        self.restarted()
        print(json.dumps(self.told), flush=True)

    def open(self, seconds: int = BY_STEP) -> Reader:
        return Reader(replace(self.settings, slice_seconds=seconds), preload=True, gpu=self.zero)

    def begin(self, reader: Reader) -> str:
        """Learn the book anew; gives the job."""
        for adapter in reader.library.adapters.for_book(self.book):
            reader.library.adapters.delete(adapter.key)
        self.zero.calls.clear()
        self.zero.kills.clear()
        return reader.start_tune(self.book, values=VALUES)["job"]

    def weights(self, reader: Reader) -> str:
        [adapter] = reader.library.adapters.for_book(self.book)
        return fingerprint(reader.library.adapters.folder(adapter.key))

    def state(self, reader: Reader) -> str:
        return str(reader.status(self.book)["state"])

    def in_slices(self, reader: Reader) -> None:
        job = self.begin(reader)
        for _ in reader.learn(job):
            pass
        status = reader.status(job)
        self.first_step = len(self.zero.calls[0]) - 1
        self.told["whole"] = {
            "state": status["state"],
            "steps": status["steps"],
            "slices": len(self.zero.calls),
            "weights": self.weights(reader),
            "checkpoints": [bool(call and "checkpoint" in call[-1]) for call in self.zero.calls],
            "left": [path.name for path in self.settings.checkpoints.iterdir()],
        }

    def killed(self, reader: Reader) -> None:
        """One slice dies before it has got on, and one, among many steps, after it has."""
        job = self.begin(reader)
        self.zero.kills = {2: 1}
        error = _error_of(reader, job)
        first = {"error": error, "state": self.state(reader)}
        with self.longer(reader, LONG):
            for _ in reader.learn(job):
                pass
        first["weights"] = self.weights(reader)
        job = self.begin(reader)
        self.zero.kills = {0: self.first_step + 1}
        with self.longer(reader, LONG):
            for _ in reader.learn(job):
                pass
        self.told["killed"] = first
        self.told["killed later"] = {
            "state": self.state(reader),
            "slices": len(self.zero.calls),
            "weights": self.weights(reader),
        }

    def closed(self, reader: Reader) -> None:
        """The page is closed in the middle of a slice; then somebody says: go on."""
        job = self.begin(reader)
        with self.longer(reader, LONG):
            with closing(reader.learn(job)) as learning:
                for _ in learning:
                    if (self.zero.calls[0][-1]["step"] or 0) >= 2:
                        with closing(reader.learn(job)) as other:
                            try:
                                next(other)
                            except LiftError as error:
                                self.told["other window"] = str(error)
                        break
            status = reader.status(job)
            found = {
                "state": status["state"],
                "step": status["step"],
                "checkpoint": (self.settings.checkpoints / job / "state.bin").exists(),
            }
            reader.resume(job)
            for _ in reader.learn(job):
                pass
        first = next(v["step"] for v in self.zero.calls[1] if v["step"] is not None)
        self.told["closed"] = {**found, "from": first, "weights": self.weights(reader)}

    def refused(self, reader: Reader) -> None:
        job = self.begin(reader)
        self.zero.refusing = True
        self.told["refused"] = {"error": _error_of(reader, job), "state": self.state(reader)}
        question = _answer_error(reader, self.book)
        self.told["refused"]["question"] = question
        self.zero.refusing = False
        reader.cancel(job)

    def paused(self, reader: Reader) -> None:
        """The reader says pause, from another window, while a slice is at work."""
        job = self.begin(reader)
        with self.longer(reader, LONG), closing(reader.learn(job)) as learning:
            next(learning)
            reader.pause(job)
            for _ in learning:
                pass
        self.told["paused"] = self.state(reader)
        reader.cancel(job)
        self.told["cancelled"] = [path.name for path in self.settings.checkpoints.iterdir()]

    def asked(self, reader: Reader) -> None:
        """Questions, beside readers of the library on other threads."""
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                reader.books()
                reader.new_chat(self.book)

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        chat = reader.new_chat(self.book)["id"]
        question = "Who mended the bell with copper?"
        plain = reader.ask(self.book, question, arm="ICL")
        job = self.begin(reader)
        with self.longer(reader, LONG):
            for _ in reader.learn(job):
                pass
        over.set()
        for thread in threads:
            thread.join()
        pieces = list(reader.ask_stream(self.book, question, chat=chat))
        learned = pieces[-1]["answer"]
        self.told["asked"] = {
            "plain": [plain["arm"], plain["adapter"]],
            "learned": [learned["arm"], learned["adapter"] == reader.adapters()[0]["key"]],
            "streamed": len(pieces) > 1 and all("text" in piece for piece in pieces[:-1]),
            "kept": len(reader.messages(chat)),
        }
        stream = reader.ask_stream(self.book, question)
        next(stream)
        reader.stop_answer()
        rest = list(stream)
        self.told["stopped"] = rest[-1]["answer"]["stopped"]
        stops = self.settings.home / "stops"
        self.told["stops"] = [path.name for path in stops.glob("*")]
        key = reader.adapters()[0]["key"]
        file = reader.library.adapters.folder(key) / "adapter_model.safetensors"
        file.write_bytes(b"damaged")
        self.told["damaged"] = _answer_error(reader, self.book)

    def restarted(self) -> None:
        """The process dies in a slice; what was running is paused, for nobody pays for it."""
        with self.open() as reader:
            job = self.begin(reader)
            reader.library.jobs.set_state(job, "running")
        with self.open() as reader:
            self.told["restarted"] = self.state(reader)

    def longer(self, reader: Reader, seconds: int) -> _Seconds:
        assert isinstance(reader._access, SlicedAccess)
        return _Seconds(reader._access, seconds)


class _Seconds:
    """Slices of another length for a while."""

    def __init__(self, access: SlicedAccess, seconds: int) -> None:
        self.access, self.seconds = access, seconds

    def __enter__(self) -> None:
        self.before = self.access._settings
        self.access._settings = replace(self.before, slice_seconds=self.seconds)

    def __exit__(self, *error: object) -> None:
        self.access._settings = self.before


def _error_of(reader: Reader, job: str) -> str:
    try:
        for _ in reader.learn(job):
            pass
    except LiftError as error:
        return f"{error.code}: {error}"
    return ""


def _answer_error(reader: Reader, book: str) -> str:
    try:
        reader.ask(book, "Who mended the bell?")
    except LiftError as error:
        return f"{error.code}: {error}"
    return ""


if __name__ == "__main__":
    lender = Wrapped() if sys.argv[4:] == ["wrapped"] else Zero()
    Story(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), lender).run()
    lender.kill()  # a child that waits for another task would be waited for
