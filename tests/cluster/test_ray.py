"""Two workers of Ray on this machine: one dies, and every book is learned once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from six_books import VALUES

from lift_app.cluster import ray_pool
from lift_app.cluster.assignment import Assignment
from lift_app.cluster.ray_pool import TRIES, RayPool
from lift_app.errors import CallerError, LiftError
from lift_app.reader import Reader

pytestmark = pytest.mark.skipif(
    not os.environ.get("LIFT_CLUSTER"), reason="starts a Ray cluster: `make test-cluster`"
)

PROGRAM = """
import multiprocessing
multiprocessing.cpu_count = lambda: 2
from lift_app.cli import main
main()
"""
"""The command, on two workers wherever it runs."""
KILL_AT = 3
"""Step at which the worker of the first lift that comes so far is killed."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_dies_and_every_book_is_learned_once(
    reader: Reader, scratch: Path, tmp_path: Path
) -> None:
    values = {**VALUES, "epochs": 20}
    command = ["tune", "--all", "--ray", "local", "--json"]
    command += [f"--set={name}={value}" for name, value in values.items()]
    environment = {
        "LIFT_HOME": str(reader.settings.home),
        "LIFT_MODEL": reader.settings.model,
        "LIFT_SCRATCH": str(scratch),
        "LIFT_CHECKPOINT_SECONDS": "0",
        "LIFT_THREADS": "1",
        "RAY_USE_MULTIPROCESSING_CPU_COUNT": "1",
        "RAY_worker_niceness": "0",
    }
    killed, again, done = "", dict[str, Any](), Counter[str]()
    with (
        (tmp_path / "stderr").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *command],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **environment},
        ) as driver,
    ):
        assert driver.stdout is not None
        for line in driver.stdout:
            event = json.loads(line)
            book = event.get("book")
            done[book] += book is not None and event["stage"] == "done"
            if not killed and event.get("step", 0) >= KILL_AT and "loss" in event:
                key = next(job.key for job in reader.library.jobs.list() if job.book_id == book)
                worker = _holder(driver.pid, scratch / "checkpoints" / key / "lock")
                if worker is not None:  # it may be done by the time that this is heard
                    worker.kill()
                    killed = book
            if book == killed and "died" in event.get("note", ""):
                again = {"note": event["note"]}
            elif book == killed and again and event["stage"] == "training":
                again.setdefault("step", event["step"])
    assert driver.returncode == 0, (tmp_path / "stderr").read_text()
    assert again["note"].endswith(f"try 2 of {TRIES}") and again["step"] >= KILL_AT
    books = {row.id for row in reader.library.books.list()}
    assert event["learned"].keys() == books and not event["cached"] and not event["failed"]
    assert +done == Counter(books)
    adapters = reader.library.adapters.list()
    assert sorted(row.book_id for row in adapters) == sorted(books)
    for row in adapters:
        reader.library.adapters.verify(row.key)
    assert not [path for path in scratch.rglob("*") if path.is_file()]


def _holder(driver: int, lock: Path) -> psutil.Process | None:
    """The process below the driver that holds the lock of a lift, if any still does."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if str(lock) in [file.path for file in process.open_files()]:
                return process
        except psutil.Error:
            continue  # it has just ended, or shows nothing of itself
    return None


class Stream:
    """Ray's generator of a task, which says one thing."""

    def __init__(self, says: Any) -> None:
        self._says = says

    def __next__(self) -> Any:
        if isinstance(self._says, Exception):
            raise self._says
        return self._says


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> RayPool:
    """A pool whose tasks die, one after the other."""
    monkeypatch.setattr(ray_pool, "_connect", lambda address: None)
    monkeypatch.setattr(ray_pool, "_stream", lambda lift: Stream(died))
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 2.0, "GPU": 1.0})
    monkeypatch.setattr("ray.get", lambda said: said)
    monkeypatch.setattr("ray.wait", lambda streams, **_: (streams, []))
    died = ray.exceptions.WorkerCrashedError()
    pool = RayPool("10.0.0.1:1")
    pool.start(Assignment("key", "local", None, "model", {}, None))  # type: ignore[arg-type]
    return pool


def test_a_task_that_dies_too_often_fails(pool: RayPool) -> None:
    assert pool.is_full  # one lift a GPU, not one a core
    said = [event for _ in range(TRIES) for _, event in pool.events(0.1)]
    assert [event["stage"] for event in said] == ["loading"] * (TRIES - 1) + ["failed"]
    assert said[-1]["error"]["code"] == "worker_lost" and pool.is_idle


def test_a_machine_that_cannot_do_it_says_why(pool: RayPool) -> None:
    stranger = ray.exceptions.RayTaskError("lift", "", ModuleNotFoundError("No module lift_app"))
    pool._lifts["key"].stream = Stream(stranger)
    [(key, event)] = pool.events(0.1)
    assert (key, event["stage"]) == ("key", "failed") and pool.is_idle
    assert "No module lift_app" in event["error"]["message"]
    assert "same version" in event["error"]["message"]


def test_a_cluster_that_goes_away(pool: RayPool, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: Any, **options: Any) -> None:
        raise ray.exceptions.RaySystemError("The head is gone.")

    monkeypatch.setattr("ray.wait", gone)
    with pytest.raises(LiftError, match="does not answer any more"):
        list(pool.events(0.1))


def test_without_ray_or_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**arguments: Any) -> None:
        raise ConnectionError("first\nNobody answers.")

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(CallerError, match=r"'10.0.0.1:1' \(Nobody answers\)"):
        RayPool("10.0.0.1:1")
    with pytest.raises(CallerError, match="--ray auto"):
        RayPool("ray://10.0.0.1:1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CallerError, match=r'pip install "lift-reader\[cluster\]"'):
        RayPool("local")


def test_a_local_cluster_is_for_its_owner_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.init", lambda **arguments: None)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    pool = RayPool("local")
    assert os.environ["RAY_AUTH_MODE"] == "token" and len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert not pool.is_full and pool.is_idle
