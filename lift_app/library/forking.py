"""Forking: no SQLite connection is open while this process forks.

SQLite counts its locks in the memory of the process. A child that inherits the count believes that
it holds what its parent holds, and may read pages that are being overwritten. Where children are
forked to work on the library (a GPU that is lent in slices), a fork waits for the connections in
use and closes those that idle; both sides then open new ones. Elsewhere this costs a counter.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakMethod

PATIENCE_SECONDS = 10.0
"""How long a fork waits for a connection, which nobody holds for so long."""

_turn = threading.Condition()
_users: Counter[int] = Counter()
"""Thread -> connections that it has in use."""
_forking: int | None = None
"""The thread that forks just now."""
_idle: list[WeakMethod[Callable[[], None]]] = []
_watched = False


@contextmanager
def in_use() -> Iterator[None]:
    """Around every use of a connection; waits while another thread forks."""
    me = threading.get_ident()
    with _turn:
        # Who has one already must not wait for a fork that waits for them.
        _turn.wait_for(lambda: _forking in (None, me) or bool(_users[me]))
        _users[me] += 1
    try:
        yield
    finally:
        with _turn:
            _users[me] -= 1
            if not _users[me]:
                del _users[me]
            _turn.notify_all()


def close_before_fork(close: Callable[[], None]) -> None:
    """Have a method called before each fork, when nothing is in use; it is not kept alive."""
    _idle.append(WeakMethod(close))


def watch_forks() -> None:
    """From now on, let every fork of this process wait as described. Calling it again is fine."""
    global _watched
    if not _watched:
        _watched = True
        os.register_at_fork(
            before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
        )


def _before() -> None:
    global _forking
    me = threading.get_ident()
    deadline = time.monotonic() + PATIENCE_SECONDS
    _turn.acquire()
    _turn.wait_for(lambda: _forking is None, deadline - time.monotonic())
    _forking = me
    _turn.wait_for(lambda: not set(_users) - {me}, max(0.0, deadline - time.monotonic()))
    if not _users:
        for reference in list(_idle):
            close = reference()
            if close is None:
                _idle.remove(reference)
            else:
                close()


def _after_in_parent() -> None:
    global _forking
    _forking = None
    _turn.notify_all()
    _turn.release()


def _after_in_child() -> None:
    """The other threads are gone, and what they had in use with them."""
    global _turn, _forking
    _turn, _forking = threading.Condition(), None
    _users.clear()
