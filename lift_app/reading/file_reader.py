"""FileReader: reads files in a child process that can be lost without harm.

Owns the child: starting it, the deadline of each request, killing and replacing it, and telling in
a reader's words why it died. Knows nothing about formats.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from lift_app.errors import CallerError, LiftError, Stopped, UnreadableFile
from lift_app.reading.book import Book
from lift_app.reading.characters import one_line
from lift_app.reading.child import TOO_MUCH_MEMORY
from lift_app.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
# Nothing else of the environment: a parser of untrusted files needs no tokens or proxies.
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TZ")
_MOST_REPLY_BYTES = 512 * 1024 * 1024
_MOST_HEADER_BYTES = 64 * 1024
_RETIRE_BYTES = 20 * 1024 * 1024
"""After reading a file larger than this the child is replaced, to give its memory back."""


class FileReader:
    """Reads files and draws PDF pages in one long-lived child process.

    Safe to use from several threads; requests are done one after the other. The child starts with
    the first request and again after each that killed it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._closing = False

    def __enter__(self) -> FileReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_child", None) is not None:
            self._stop()

    def read(self, path: Path, *, encoding: str | None = None, title: str | None = None) -> Book:
        """Read a file into a Book.

        Args:
            path: the file; its format is told by its bytes.
            encoding: of a text, Markdown or HTML file; None finds it out.
            title: wanted title; None takes the file's own.

        Raises:
            UnreadableFile: the file cannot become a book. `code` is one of `missing`, `empty`,
                `scanned`, `garbled`, `encrypted`, `drm`, `damaged`, `unsafe`, `unsupported`,
                `too_large`, `too_many_pages`, `too_slow`, `too_much_memory`.
            CallerError: there is no encoding of that name.
            Stopped: the reader was closed meanwhile.
        """
        path = self._check(path)
        body = self._ask(
            path,
            {
                "action": "read",
                "encoding": encoding,
                "title": title,
                "max_pages": self._settings.max_pages,
            },
        )
        return Book.from_json(json.loads(body))

    def render(self, path: Path, page_number: int, width_px: int) -> bytes:
        """Draw a page of a PDF as JPEG.

        Args:
            path: the PDF.
            page_number: 1-based.
            width_px: width of the picture, 16 to 4000 pixels.

        Raises:
            CallerError: there is no such page.
            UnreadableFile: as for `read`.
        """
        path = self._check(path)
        width = min(max(int(width_px), 16), 4000)
        return self._ask(path, {"action": "render", "page": int(page_number), "width": width})

    def place(
        self, path: Path, page_number: int, text: str, spans: Sequence[tuple[int, int]] = ()
    ) -> dict[str, Any]:
        """Find where the text of a PDF's page is printed.

        Args:
            path: the PDF.
            page_number: 1-based.
            text: the text of that page of the book.
            spans: half-open ranges of it, in code points.

        Returns:
            What `placement.PrintedPage.to_json` gives: `width`, `height`, `lines`, `marks`.

        Raises:
            CallerError: there is no such page.
            UnreadableFile: as for `read`.
        """
        request = {
            "action": "place",
            "page": int(page_number),
            "text": text,
            "spans": [list(span) for span in spans],
        }
        placed: dict[str, Any] = json.loads(self._ask(self._check(path), request))
        return placed

    def close(self) -> None:
        """End the child, also in the middle of a request, which then raises Stopped.

        A later request starts a new child.
        """
        self._closing = True
        if (child := self._child) is not None:
            child.kill()
        with self._lock:
            self._stop()
            self._closing = False

    def let_go(self) -> None:
        """End the child once it has done its request: it holds no file open from then on."""
        with self._lock:
            self._stop()

    def _check(self, path: Path) -> Path:
        path = Path(path).absolute()
        name = one_line(path.name, 80)
        try:
            size = path.stat().st_size
            if not path.is_file():
                raise UnreadableFile(f"{name} is not a file.", code="missing")
            with path.open("rb"):
                pass
        except (OSError, ValueError) as error:  # the second where a name holds a zero byte
            reason = getattr(error, "strerror", None) or error
            raise UnreadableFile(
                f"{name} cannot be opened: {reason}. Check its name and whether you may read it.",
                code="missing",
            ) from None
        if not size:
            raise UnreadableFile(
                f"{name} is empty: it has 0 bytes. Download or export it again.", code="empty"
            )
        if size > self._settings.max_file_mb * 1024 * 1024:
            raise UnreadableFile(
                f"{name} is {size / 2**20:,.0f} MB; files up to "
                f"{self._settings.max_file_mb:,} MB are read. Split it, or raise LIFT_MAX_FILE_MB.",
                code="too_large",
            )
        return path

    def _ask(self, path: Path, request: dict[str, Any]) -> bytes:
        """Send a request and wait for its reply until the deadline."""
        seconds = self._settings.read_seconds
        line = json.dumps({**request, "path": str(path), "seconds": seconds}).encode() + b"\n"
        with self._lock:
            child = self._running()
            late = threading.Event()

            def overrun() -> None:
                late.set()
                child.kill()

            timer = threading.Timer(seconds, overrun)
            timer.daemon = True
            timer.start()
            try:
                reply = self._exchange(child, line)
            except BaseException:
                # Whatever interrupts the exchange leaves the pipe in the middle of a reply.
                child.kill()
                self._stop()
                raise
            finally:
                timer.cancel()
            if reply is None:
                self._tell_death(child, late.is_set())
            header, body = reply
            large = request["action"] == "read" and path.stat().st_size > _RETIRE_BYTES
            if header.get("code") == "too_much_memory" or large:
                self._stop()
        if "error" in header:
            kind = UnreadableFile if header["error"] == "unreadable" else CallerError
            raise kind(str(header["message"]), code=str(header["code"]))
        return body

    def _exchange(
        self, child: subprocess.Popen[bytes], line: bytes
    ) -> tuple[dict[str, Any], bytes] | None:
        """Header and body of the reply, or None where the child died."""
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(line)
            child.stdin.flush()
            first = child.stdout.readline(_MOST_HEADER_BYTES)
            if not first.endswith(b"\n"):
                return None
            header = json.loads(first)
            size = int(header.get("bytes", 0))
            if not 0 <= size <= _MOST_REPLY_BYTES:
                raise UnreadableFile(
                    "The text of this file is too large for one book. Split it and add the parts.",
                    code="too_large",
                )
            body = child.stdout.read(size)
        except (OSError, ValueError):
            return None
        return (header, body) if len(body) == size else None

    def _running(self) -> subprocess.Popen[bytes]:
        """The child, started if there is none or the last one died in between."""
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._stop()
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # The same modules as here, whether installed or run from a source folder.
        environment["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *filter(None, sys.path)])
        environment["PYTHONUTF8"] = "1"
        try:
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-B",
                    "-P",
                    "-m",
                    "lift_app.reading.child",
                    str(self._settings.read_memory_mb),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=_ROOT,
            )
        except OSError as error:
            raise LiftError(f"The process that reads files cannot be started: {error}.") from error
        return self._child

    def _tell_death(self, child: subprocess.Popen[bytes], late: bool) -> NoReturn:
        """Raise what the death of the child means for the reader."""
        status, peak = _wait(child)
        self._stop()
        limit = self._settings.read_memory_mb * 1024 * 1024
        killed_by = -status if status < 0 else None
        if self._closing and not late:
            raise Stopped("Reading was stopped before the file was read.")
        if late or killed_by == getattr(signal, "SIGXCPU", -1):
            raise UnreadableFile(
                f"Reading this file took longer than {self._settings.read_seconds} seconds, so it "
                "was stopped. Save it anew in another program (print it to PDF), split it, or "
                "raise LIFT_READ_SECONDS.",
                code="too_slow",
            )
        if peak > 0.6 * limit or killed_by == getattr(signal, "SIGKILL", -1):
            raise UnreadableFile(TOO_MUCH_MEMORY, code="too_much_memory")
        raise UnreadableFile(
            "This file is damaged in a way that made the program that reads it fail. Open it in "
            "the program that made it, save it anew, and add that.",
            code="damaged",
        )

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # a request that the dead child never took


def _wait(child: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Exit status of the child and the most memory it used, in bytes (0 where not known)."""
    if not hasattr(os, "wait4"):
        return child.wait(), 0
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except ChildProcessError:
        return child.wait(), 0
    child.returncode = os.waitstatus_to_exitcode(status)
    scale = 1 if sys.platform == "darwin" else 1024
    return child.returncode, usage.ru_maxrss * scale
