"""Processes that die: a reading in a child that is killed with SIGKILL, at an effect or a moment.

The children are forked from a server that has imported everything and started no thread, so that
dozens of deaths take seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from lift_app.cli.output import close_on_sigterm
from lift_app.library import effects
from lift_app.reader import Reader
from lift_app.settings import Settings

PRELOADED = [
    "torch",
    "peft",
    "transformers.models.llama.modeling_llama",
    "lift_app.engine.lift_job",
    "lift_app.answering.answerer",
    "lift_app.engine.hand_off",
    "sqlite_utils",
    "mortal",
]


def start(work: Any, *arguments: Any) -> BaseProcess:
    """Run `work` in a child of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=_quiet, args=(work, *arguments))
    child.start()
    return child


def lift(settings: Settings, story: Path, values: dict[str, Any], die_at: int | None) -> None:
    """Add and lift a book; die at effect number `die_at`, if it comes to that."""
    count = 0

    def listener(kind: str, target: str) -> None:
        nonlocal count
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    with effects.announced_to(listener), Reader(settings) as reader:
        book = reader.add(story)
        list(reader.tune(book["id"], values=values))


def lift_until_told(settings: Settings, story: Path, values: dict[str, Any]) -> None:
    """Add and lift a book as the command does: SIGTERM ends it with a checkpoint."""
    close_on_sigterm()
    try:
        lift(settings, story, values, None)
    except KeyboardInterrupt:
        os._exit(130)


def _quiet(work: Any, *arguments: Any) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    work(*arguments)
