"""RayPool: the workers of a Ray cluster, and what they say. The only place that knows Ray.

A lift is one task of one GPU (of one CPU where the cluster has no GPU), written as a generator: its
events come one by one, the adapter last. A task whose worker or node dies is given out again.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from lift_app.cluster.assignment import Assignment
from lift_app.cluster.worker import Event, lift
from lift_app.errors import CallerError, LiftError

TRIES = 3
"""How often a lift is given out before its workers have died too often."""
LOCAL = "local"
"""The address of a cluster that is started on this machine and ends with the command."""


@dataclass
class _Lift:
    """A lift that is out."""

    assignment: Assignment
    tries: int
    stream: Any
    """Ray's generator of references to events."""


class RayPool:
    """A connection to a Ray cluster; close it, or use it as a context manager.

    Args:
        address: `local`, `HOST:PORT`, or `auto` on a machine of the cluster.

    Raises:
        CallerError: Ray is not installed, or no cluster answers at the address.
    """

    def __init__(self, address: str) -> None:
        if importlib.util.find_spec("ray") is None:
            raise CallerError(
                "Books are lifted on a cluster by Ray, which is not installed. Install it with: "
                'pip install "lift-reader[cluster]"',
                code="no_ray",
            )
        if address.startswith("ray://"):
            raise CallerError(
                "Ray's client (ray://) hands no events on. Run the command on a machine of the "
                "cluster, with --ray auto.",
                code="no_cluster",
            )
        self._lifts: dict[str, _Lift] = {}
        _connect(address)
        self._slots = _slots()

    def __enter__(self) -> RayPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_full(self) -> bool:
        """Whether every slot has its lift."""
        return len(self._lifts) >= self._slots

    @property
    def is_idle(self) -> bool:
        """Whether nothing is out."""
        return not self._lifts

    def start(self, assignment: Assignment) -> None:
        """Give a lift out; its key must not be out already."""
        self._lifts[assignment.key] = _Lift(assignment, 1, _stream(assignment))

    def cancel(self, key: str) -> None:
        """End a lift; its last checkpoint stays where its worker keeps it."""
        import ray

        if (found := self._lifts.pop(key, None)) is not None:
            ray.cancel(found.stream)

    def events(self, seconds: float) -> Iterator[tuple[str, Event]]:
        """(key, event) of each lift that has something to say, after `seconds` at most.

        Events are those of `worker.lift`; after `made` or `failed` a lift is out no more.
        """
        import ray

        keys = {lift.stream: key for key, lift in self._lifts.items()}
        if not keys:
            return
        try:
            self._slots = _slots()  # nodes come and go
            ready, _ = ray.wait(list(keys), num_returns=1, timeout=seconds)
        except ray.exceptions.RayError as error:
            raise LiftError(
                f"The cluster does not answer any more ({_last_line(error)}). What was learned is "
                "on the shelf; the same command learns the others.",
                code="no_cluster",
            ) from error
        for stream in ready:
            key = keys[stream]
            event = self._next(self._lifts[key])
            if event["stage"] in ("made", "failed"):
                del self._lifts[key]
            yield key, event

    def close(self) -> None:
        """Cancel what is out and leave the cluster; a local one ends."""
        import ray

        for key in list(self._lifts):
            self.cancel(key)
        ray.shutdown()

    def _next(self, lift: _Lift) -> Event:
        """What a lift says, or what becomes of it where its worker says nothing any more."""
        import ray

        try:
            event: Event = ray.get(next(lift.stream))
            return event
        except (ray.exceptions.RayTaskError, StopIteration) as error:
            # The worker catches its own errors, so it could not even begin or be understood.
            return _failed(
                f"A worker could not do its task ({_last_line(error)}). Is lift-reader installed "
                "there, in the same version?"
            )
        except ray.exceptions.RayError as error:
            return self._again(lift, type(error).__name__)

    def _again(self, lift: _Lift, why: str) -> Event:
        if lift.tries >= TRIES:
            return _failed(
                f"Its workers died {lift.tries} times ({why}), perhaps for want of memory. The "
                "last checkpoint is kept where they ran; ask for the lift again."
            )
        lift.tries += 1
        lift.stream = _stream(lift.assignment)
        note = f"its worker died ({why}); try {lift.tries} of {TRIES}"
        return {"stage": "loading", "step": 0, "steps": 0, "note": note}


def _failed(message: str) -> Event:
    return {"stage": "failed", **LiftError(message, code="worker_lost").as_json()}


def _last_line(error: Exception) -> str:
    """Where Ray's long texts say what it was."""
    text = str(getattr(error, "cause", None) or error).strip()
    return text.splitlines()[-1].rstrip(".") if text else type(error).__name__


def _stream(assignment: Assignment) -> Any:
    import ray

    gpus = 1 if ray.cluster_resources().get("GPU") else 0
    # Ray's own retries would repeat events that were taken already: tries are counted here.
    task = ray.remote(num_cpus=1 - gpus, num_gpus=gpus, max_retries=0, num_returns="streaming")
    return task(lift).remote(assignment)


def _slots() -> int:
    """Lifts that can run at once."""
    import ray

    found = ray.cluster_resources()
    return max(1, int(found.get("GPU", 0) or found.get("CPU", 0)))


def _connect(address: str) -> None:
    """Join a cluster, or start one on this machine that only this process may use."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to anybody
    local: dict[str, Any] = {}
    if address == LOCAL:
        # Its ports are open to the network: only who has the token may use them.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        local = {"include_dashboard": False}
    import ray

    in_main = threading.current_thread() is threading.main_thread()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except Exception as error:  # of many kinds, a plain one among them where a start takes long
        raise CallerError(
            f"No Ray cluster could be joined at {address!r} ({_last_line(error)}). Start one with "
            "`ray start --head`, or say --ray local.",
            code="no_cluster",
        ) from error
    finally:
        if in_main:  # Ray's own handler would leave no time to note what is paused
            signal.signal(signal.SIGTERM, on_sigterm)
