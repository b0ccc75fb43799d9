"""The waits bench: everything a reader waits for that is neither learning nor an answer.

The command line and the app's first page from a cold start, a file until it is on the shelf,
passages found in a very long book, and the change from one learned book to another. Medians, and
the slowest, in one run.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from lift_app.bench.arms import add_document
from lift_app.bench.documents import BenchDocument, sample_documents
from lift_app.bench.machine import describe_machine
from lift_app.bench.sample import text_of_length
from lift_app.errors import LiftError
from lift_app.reader import Reader
from lift_app.settings import Settings

ROUNDS = 5
SHORT = 400
"""Tokens of the books whose adapters take turns: how much was learned does not matter."""
QUICK = {"stride": 256}
"""A lift of few steps."""
LIFT = [sys.executable, "-m", "lift_app.cli"]
START_SECONDS = 120
Home = dict[str, str]
"""An environment that names a library."""


def run(
    settings: Settings,
    *,
    tokens: int,
    file: Path | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Time them all, in a home that is gone afterwards.

    Args:
        settings: name the model.
        tokens: of the long book.
        file: that is added, a PDF say; without one this is left out.
        progress: told what is being done.

    Returns:
        `rows` ({"what", "median", "slowest"} in seconds), `run`.
    """
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, Reader(replace(settings, home=Path(folder))) as r:
        for event in r.fetch_model():
            progress(str(event.get("message", "the model is here")))
        progress(f"a book of {tokens:,} tokens")
        rows[f"passages found in {tokens:,} tokens"] = _looking_up(r, tokens)
        progress("from one book to another")
        rows["from one learned book to another"] = _switching(r)
        commands: dict[str, Callable[[Home], float]] = {
            "lift --help": lambda home: _command(home, "--help"),
            "lift books": lambda home: _command(home, "books"),
            "lift serve, to the first page": _in_new_home(_first_page),
        }
        if file is not None:
            add = _in_new_home(lambda home: _command(home, "add", str(file)))
            commands[f"lift add {file.name}"] = add
        home = {
            **os.environ,
            "LIFT_HOME": folder,
            "LIFT_MODELS": str(r.settings.models),
            "LIFT_STARTS": str(r.settings.starts),
            "LIFT_MODEL": r.settings.model,
            "LIFT_START": r.settings.start,
        }
        for what, command in commands.items():
            progress(what)
            rows[what] = [command(home) for _ in range(ROUNDS)]
        machine = describe_machine(r)
    return {
        "suite": "waits",
        "rows": [
            {"what": what, "median": round(median(found), 4), "slowest": round(max(found), 4)}
            for what, found in rows.items()
        ],
        "run": machine,
    }


def _looking_up(reader: Reader, tokens: int) -> list[float]:
    """Seconds to find the passages for each question of the sample book, in one that is longer."""
    from lift_app.answering.lookup import look_up

    text = text_of_length(reader, tokens)
    book = add_document(reader, BenchDocument("long", "A Long Book", text, ()))
    questions = sample_documents(reader.sample_book().parent)[0].questions
    passages = reader.library.passages
    return [_timed(lambda: look_up(passages, book, asked.question)) for asked in questions]  # noqa: B023


def _switching(reader: Reader) -> list[float]:
    """Seconds until another book's adapter answers: its files checked, loaded and switched on."""
    keys = []
    for name in ("one", "two"):
        text = text_of_length(reader, SHORT) + name
        book = add_document(reader, BenchDocument(name, name, text, ()))
        keys.append([*reader.tune(book, recipe="quick", values=QUICK)][-1]["adapter"])
    engine = reader.engine()

    def turn(host: Any) -> list[float]:
        return [
            _timed(lambda: engine.slot_for(host, key))  # noqa: B023
            for _ in range(ROUNDS)
            for key in keys
        ]

    return engine.submit(turn, model=reader.settings.model).result()


def _command(home: Home, *arguments: str) -> float:
    whole = [*LIFT, *arguments]
    return _timed(lambda: subprocess.run(whole, check=True, capture_output=True, env=home))


def _in_new_home(command: Callable[[Home], float]) -> Callable[[Home], float]:
    """A command in an empty library, each time: there a file is new, and the model is nobody's."""

    def timed(home: Home) -> float:
        with tempfile.TemporaryDirectory() as folder:
            return command({**home, "LIFT_HOME": folder})

    return timed


def _first_page(home: Home) -> float:
    """Seconds until the app's page answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    began = time.perf_counter()
    with subprocess.Popen(
        [*LIFT, "serve", "--port", str(port), "--one-shelf"],
        env=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as app:
        try:
            while time.perf_counter() - began < START_SECONDS and app.poll() is None:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).raise_for_status()
                    return time.perf_counter() - began
                except httpx.TransportError:
                    time.sleep(0.02)
            raise LiftError("lift serve has shown no page. Start it by itself to see why.")
        finally:
            app.kill()  # nothing in this home is worth an orderly end


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    lines = ["| | seconds | slowest |", "|---|---|---|"]
    lines += [
        f"| {row['what']} | {row['median']:.3f} | {row['slowest']:.3f} |" for row in result["rows"]
    ]
    return "\n".join([*lines, "", result["run"]["sentence"]])
