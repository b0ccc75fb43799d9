"""A worker: lifts one book on a machine that has a model and no library.

It runs the job that the engine would run, so the adapter is the same. Knows nothing of Ray.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from lift_app.cluster.assignment import Assignment
from lift_app.cluster.desk import TravelDesk
from lift_app.errors import Busy, LiftError
from lift_app.library import effects
from lift_app.models.device import Choice, choose_device
from lift_app.models.identity import ModelFolder
from lift_app.settings import Settings

if TYPE_CHECKING:
    from lift_app.models.lora import AdapterHost

Event = dict[str, Any]

log = logging.getLogger(__name__)


def lift(assignment: Assignment) -> Iterator[Event]:
    """Lift a book; go on from the checkpoint that an earlier try left in the `scratch` folder.

    Yields:
        Events as of a lift. The last one has stage `made` with `crate` and `summary`, or `failed`
        with `error` (`code`, `message`).
    """
    try:
        yield from _lift(assignment)
    except LiftError as error:
        yield {"stage": "failed", **error.as_json()}
    except Exception as error:
        from lift_app.engine.engine import unexpected

        log.exception("a lift failed")
        yield {"stage": "failed", **unexpected("The lift stopped", error).as_json()}


def _lift(assignment: Assignment) -> Iterator[Event]:
    from lift_app.engine.lift_job import LiftJob

    node = Settings.from_environment()
    settings = replace(node, home=node.scratch)  # for its checkpoint; models stay where they are
    yield {"stage": "loading", "step": 0, "steps": 0}
    host = _host(assignment.model, assignment.quantisation, settings)
    job = assignment.job()
    folder = settings.checkpoints / job.id
    effects.make_folder(folder)
    lock = FileLock(folder / "lock")  # goes with the folder when the lift is done
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Busy("Another worker is learning this book. Wait until it has.") from None
    try:
        desk = TravelDesk(assignment.book, folder)
        for _ in LiftJob(desk, settings, host, job).turns():
            for event in desk.events():  # not `yield from`: Ray sends to what it is given
                yield event
        # That it is done is for the driver to say, once the adapter is on the shelf.
        for event in desk.events():
            if event["stage"] != "done":
                yield event
        yield {"stage": "made", "crate": desk.crate, "summary": desk.summary}
    finally:
        lock.release()


@lru_cache(maxsize=1)
def _host(model: str, quantisation: str | None, settings: Settings) -> AdapterHost:
    """The base model, kept for the next book of this process."""
    from lift_app.models.base_model import BaseModel
    from lift_app.models.lora import AdapterHost
    from lift_app.models.provision import ensure_model

    folder = ensure_model(model, settings)
    return AdapterHost(BaseModel.load(folder, _choice(settings, folder, quantisation), settings))


def _choice(settings: Settings, folder: ModelFolder, quantisation: str | None) -> Choice:
    """What suits this machine among what the key allows: weights stored as the driver has them."""
    choice = choose_device(settings, folder.parameters)
    if choice.quantisation == quantisation:
        return choice
    precision = quantisation or choice.precision
    return choose_device(replace(settings, precision=precision), folder.parameters)
