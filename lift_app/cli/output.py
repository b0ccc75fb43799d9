"""What the command prints: one JSON document or plain text on stdout, the rest on stderr."""

from __future__ import annotations

import functools
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TextIO

import click

from lift_app.errors import LiftError

# What moves a terminal's cursor or changes its colours: errors name files, and files name things.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

P = ParamSpec("P")


def print_json(value: Any, stream: TextIO | None = None) -> None:
    """One JSON document on a line of its own, at once; on stdout unless another is named."""
    stream = stream or sys.stdout
    click.echo(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")), file=stream)
    stream.flush()


def note(text: str) -> None:
    """A word to the person at the terminal; never part of the output."""
    click.echo(_CONTROLS.sub("\ufffd", text), err=True)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Turn a LiftError into one line (or one JSON object) and its exit status."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        with errors_reported(as_json=bool(kwargs.get("as_json"))):
            command(*args, **kwargs)

    return wrapped


@contextmanager
def errors_reported(*, as_json: bool) -> Iterator[None]:
    """As `reports_errors`, for a block."""
    try:
        yield
    except LiftError as error:
        if as_json:
            print_json(error.as_json())
        else:
            note(f"lift: {error}")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        note("\nlift: stopped.")
        sys.exit(130)


class StatusLine:
    """A line on stderr that changes in place; where there is no terminal, a line a tenth."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._last: tuple[str, int] | None = None

    def show(self, message: str, share: float | None = None) -> None:
        """Show a message, with a share between 0 and 1 where it is known."""
        tenth = -1 if share is None else int(share * (100 if self._in_place else 10))
        if self._last == (message, tenth):
            return
        text = message if share is None else f"{message} {share:.0%}"
        if self._in_place:
            click.echo(f"\r\033[K{text}", nl=False, err=True)
        else:
            click.echo(text, err=True)
        self._last = (message, tenth)

    def end(self) -> None:
        """Leave the line as it is and go to the next one."""
        if self._in_place and self._last is not None:
            click.echo(err=True)


def table(rows: list[list[str]], header: list[str]) -> str:
    """Rows as aligned columns; empty when there are none."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]
    return "\n".join(lines)


def duration(seconds: float | None) -> str:
    """Seconds as people say them: "40 s", "7 min", "1 h 20 min"."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def close_on_sigterm() -> None:
    """Let SIGTERM end the command as Ctrl-C does: with a checkpoint."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
