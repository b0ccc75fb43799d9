"""A GPU lent as ZeroGPU lends it, without the GPU: a decorator in the place of `spaces.GPU`.

Each call is a forked child in which the task runs on a thread of its own. Arguments and results
are pickled, of an exception only the name of its class comes back, and nothing in memory does.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

FORK = multiprocessing.get_context("fork")


class Aborted(Exception):
    """The child is gone."""

    message = "GPU task aborted"


class Refused(Exception):
    """No GPU is lent, as when the quota is used up."""

    message = "You have exceeded your GPU quota"


class Zero:
    """Lends a GPU that is none.

    Attributes:
        calls: what each call yielded.
        kills: number of a call -> after how many of its results it is killed.
        refusing: no GPU is lent.
    """

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.kills: dict[int, int] = {}
        self.refusing = False

    def __call__(self, *, duration: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorate(task: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
            return lambda *args: self._call(task, pickle.dumps(args))

        return decorate

    def _call(self, task: Callable[..., Iterator[Any]], args: bytes) -> Iterator[Any]:
        if self.refusing:
            raise Refused
        number = len(self.calls)
        results: list[Any] = []
        self.calls.append(results)
        here, there = FORK.Pipe(duplex=False)
        stop = FORK.Event()
        child = FORK.Process(target=_child, args=(task, args, there, stop), daemon=True)
        child.start()
        there.close()
        try:
            while True:
                if self.kills.get(number) == len(results):
                    os.kill(child.pid or 0, signal.SIGKILL)
                try:
                    kind, value = pickle.loads(here.recv_bytes())
                except EOFError:
                    raise Aborted from None
                if kind == "end":
                    return
                if kind == "error":
                    raise RuntimeError(value)
                results.append(value)
                yield value
        except GeneratorExit:
            stop.set()
            raise
        finally:
            here.close() if not stop.is_set() else None
            child.join(60)


def _child(task: Callable[..., Iterator[Any]], args: bytes, out: Connection, stop: Any) -> None:
    def work() -> None:
        try:
            values = task(*pickle.loads(args))
            for value in values:
                if stop.is_set():
                    values.close()  # type: ignore[attr-defined]
                    break
                out.send_bytes(pickle.dumps(("value", value)))
            out.send_bytes(pickle.dumps(("end", None)))
        except Exception as error:
            out.send_bytes(pickle.dumps(("error", type(error).__name__)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    os._exit(0)
