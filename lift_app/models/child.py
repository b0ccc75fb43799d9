"""Runs one helper process and tells how far it is while it runs.

Downloads and the conversion run in processes of their own: they can be cancelled at any moment,
and neither their memory nor their imports stay in the app.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

POLL_SECONDS = 0.25


class ChildError(Exception):
    """The helper process ended with an error.

    Attributes:
        reply: the last JSON object that it printed, or an empty dict.
        output: the end of what it wrote to stderr.
    """

    def __init__(self, status: int, reply: dict[str, Any], output: str) -> None:
        super().__init__(f"exit status {status}: {last_line(output)}")
        self.status = status
        self.reply = reply
        self.output = output


def run_child(
    arguments: Sequence[str],
    *,
    on_tick: Callable[[dict[str, Any]], None],
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run this Python with `arguments`; return the last JSON object that it printed.

    Args:
        arguments: what follows `python`, for example `["-m", "pip", ...]`.
        on_tick: called a few times a second in this thread with the last JSON object printed so
            far; an exception from it kills the process and goes on to the caller.
        cwd: working directory of the process.
        environment: variables on top of this process's.

    Raises:
        ChildError: the exit status was not 0.
    """
    with _started(arguments, cwd, environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        replies = _JsonLines(process.stdout)
        errors = _Tail(process.stderr)
        while True:
            on_tick(replies.last)
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(POLL_SECONDS)
                break
        replies.thread.join()
        errors.thread.join()
    if status != 0:
        raise ChildError(status, replies.last, errors.text)
    return replies.last


def last_line(output: str) -> str:
    """The last line that says something, shortened."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


def folder_bytes(folder: Path) -> int:
    """Bytes of the files in a folder and below; files may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
    return total


@contextmanager
def _started(
    arguments: Sequence[str], cwd: Path | None, environment: Mapping[str, str] | None
) -> Iterator[subprocess.Popen[str]]:
    package_root = str(Path(__file__).resolve().parents[2])
    variables = dict(os.environ)
    known = variables.get("PYTHONPATH")
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (package_root, known)))
    variables["PYTHONUTF8"] = "1"
    variables.update(environment or {})
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        cwd=cwd,
        env=variables,
    )
    try:
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        process.wait()


class _JsonLines:
    """Reads a pipe in a thread and remembers the last line that was a JSON object."""

    def __init__(self, pipe: IO[str]) -> None:
        self.last: dict[str, Any] = {}
        self._pipe = pipe
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with suppress(ValueError, OSError):
            for line in self._pipe:
                with suppress(json.JSONDecodeError):
                    value = json.loads(line)
                    if isinstance(value, dict):
                        self.last = value


class _Tail:
    """Reads a pipe in a thread and remembers its last lines."""

    def __init__(self, pipe: IO[str]) -> None:
        self._lines: list[str] = []
        self._pipe = pipe
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def _read(self) -> None:
        with suppress(ValueError, OSError):
            for line in self._pipe:
                self._lines = [*self._lines[-60:], line]
