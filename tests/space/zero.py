"""A GPU lent as ZeroGPU lends it, without the GPU: decorators in the place of `spaces.GPU`.

Each call is a forked child in which the task runs on a thread of its own. Arguments and results
are pickled, of an exception only the name of its class comes back, and nothing in memory does.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from multiprocessing.connection import Connection
from types import ModuleType, SimpleNamespace
from typing import Any

Task = Callable[..., Any]
FORK = multiprocessing.get_context("fork")


class Aborted(Exception):
    """The child is gone."""

    message = "GPU task aborted"


class Refused(Exception):
    """No GPU is lent, as when the quota is used up."""

    message = "You have exceeded your GPU quota"


class Lender:
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

    def __call__(self, *, duration: float) -> Callable[[Task], Task]:
        return lambda task: partial(self._lend, self.lent(_held(task), duration))

    def lent(self, task: Task, duration: float) -> Task:
        """The task where the GPU is."""
        raise NotImplementedError

    def kill(self) -> None:
        """Take away what was lent."""
        for child in multiprocessing.active_children():
            child.kill()

    def _lend(self, task: Task, *args: Any) -> Iterator[Any]:
        if self.refusing:
            raise Refused
        limit = self.kills.get(len(self.calls), -1)
        results: list[Any] = []
        self.calls.append(results)
        with closing(task(limit, *args)) as values:
            for value in values:
                results.append(value)
                if len(results) == limit:
                    self.kill()
                yield value


class Zero(Lender):
    """By a fork of its own for each call."""

    def lent(self, task: Task, duration: float) -> Task:
        """The task in a child."""
        return partial(_in_child, task)


class Wrapped(Lender):
    """By the `spaces` package itself; only its scheduler and its torch, for want of a GPU, are not.

    A child may be used again, as on ZeroGPU.
    """

    def __init__(self) -> None:
        super().__init__()
        import spaces.zero
        from spaces.config import Config

        Config.zero_gpu = True
        torch = ModuleType("spaces.zero.torch")
        torch.enter_mode = lambda: None  # type: ignore[attr-defined]
        sys.modules[torch.__name__] = spaces.zero.torch = torch
        from spaces.zero import client, wrappers

        ticket = SimpleNamespace(allowToken="", nvidiaIndex=0, nvidiaUUID="", idle=True)
        client.schedule = lambda **_: ticket
        client.release = lambda *_, **__: None
        wrappers.worker_init = lambda **_: None

    def lent(self, task: Task, duration: float) -> Task:
        """The task as the package runs it."""
        import spaces

        found: Task = spaces.GPU(duration=duration)(task)
        return found


def _held(task: Task) -> Task:
    """The task, waiting to be killed after so many results as its first argument says."""

    def held(limit: int, *args: Any) -> Iterator[Any]:
        with closing(task(*args)) as values:
            for number, value in enumerate(values, start=1):
                yield value
                if number == limit:
                    time.sleep(600)

    return held


def _in_child(task: Task, *args: Any) -> Iterator[Any]:
    here, there = FORK.Pipe(duplex=False)
    stop = FORK.Event()
    sent = pickle.dumps(args)
    child = FORK.Process(target=_child, args=(task, sent, there, stop), daemon=True)
    child.start()
    there.close()
    try:
        while True:
            try:
                kind, value = pickle.loads(here.recv_bytes())
            except EOFError:
                raise Aborted from None
            if kind == "end":
                return
            if kind == "error":
                raise RuntimeError(value)
            yield value
    finally:
        stop.set()
        child.join(60)
        here.close()


def _child(task: Task, args: bytes, out: Connection, stop: Any) -> None:
    def work() -> None:
        try:
            values = task(*pickle.loads(args))
            for value in values:
                if stop.is_set():
                    values.close()
                    break
                out.send_bytes(pickle.dumps(("value", value)))
            out.send_bytes(pickle.dumps(("end", None)))
        except Exception as error:
            out.send_bytes(pickle.dumps(("error", type(error).__name__)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    os._exit(0)
