"""Faults: a listener of effects that lets one of them fail, or every one from then on."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading


class FaultAt:
    """Lets effect number `nth` (from 0) fail; with `lasting` all later ones, too.

    Attributes:
        seen: (kind, target) of every effect, in order.
        failed: the effects that were refused.
    """

    def __init__(self, nth: int, *, lasting: bool = False) -> None:
        self.nth, self.lasting = nth, lasting
        self.seen: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def __call__(self, kind: str, target: str) -> None:
        with self._lock:
            number = len(self.seen)
            self.seen.append((kind, target))
            if number != self.nth and not (self.lasting and number > self.nth):
                return
            self.failed.append((kind, target))
        raise _sql_fault(number) if kind == "sql" else _file_fault(number, target)


def _file_fault(number: int, target: str) -> OSError:
    code = (errno.ENOSPC, errno.EIO, errno.EROFS)[number % 3]
    return OSError(code, os.strerror(code), target)


def _sql_fault(number: int) -> sqlite3.OperationalError:
    name, text = (
        ("SQLITE_FULL", "database or disk is full"),
        ("SQLITE_IOERR_WRITE", "disk I/O error"),
    )[number % 2]
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error
