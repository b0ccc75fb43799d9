"""Durable jobs: what a lift was asked to do, how far it is, and what it said on the way.

The rows are all that a window needs to show a lift, whichever process runs it. `create`, `get`,
`find`, `list` and `request` are for readers and see one owner's jobs; the others are for the
engine, which runs the jobs of every owner. How a lift is done is not known here.
"""

from __future__ import annotations

import json
import math
import secrets
import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lift_app.errors import CallerError, LiftError, NotFound
from lift_app.library import effects, folders
from lift_app.library.database import Database, now
from lift_app.library.recipes import keep_recipe
from lift_app.settings import Settings

if TYPE_CHECKING:
    import sqlite_utils

UNFINISHED = ("queued", "running", "paused")
"""States of a job that may still become an adapter. An owner has at most one of these a key."""
STATES = (*UNFINISHED, "done", "failed", "cancelled")
WANTED = ("run", "pause", "cancel")
SHORTEST_PREFIX = 4
"""Fewest characters of an id that name a job."""

_SELECT = "SELECT jobs.*, recipes.json FROM jobs JOIN recipes ON hash = recipe"
_NO_ERROR: dict[str, Any] = {"error_code": None, "error_message": None}
_IN_UNFINISHED = "state IN ('queued', 'running', 'paused')"


@dataclass(frozen=True)
class Job:
    """One lift that was asked for."""

    id: str
    owner: str
    book_id: str
    key: str
    """Key of the adapter that it makes."""
    model: str
    recipe: dict[str, Any]
    state: str
    """One of `STATES`: what is."""
    wanted: str
    """One of `WANTED`: what the reader asked for; a running job follows it soon."""
    stage: str | None
    step: int
    steps: int
    progress: dict[str, Any]
    """The last event; empty before the first."""
    error_code: str | None
    error_message: str | None
    created: str
    updated: str

    @property
    def unfinished(self) -> bool:
        """Whether it may still become an adapter."""
        return self.state in UNFINISHED

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)


class Jobs:
    """The jobs of one owner, and the queue of all owners."""

    def __init__(self, db: Database, settings: Settings, owner: str) -> None:
        self._db = db
        self._settings = settings
        self._owner = owner

    def create(self, book_id: str, key: str, model: str, recipe: dict[str, Any]) -> Job:
        """Queue a lift. An unfinished job of the same key is returned instead, as it is; one that
        failed is queued again, and goes on from its checkpoint.

        Raises:
            NotFound: the owner has no such book.
        """
        with self._db.write() as database:
            unfinished = _one(
                database.conn,
                f"{_SELECT} WHERE owner = ? AND key = ? AND {_IN_UNFINISHED}",
                [self._owner, key],
            )
            if unfinished is not None:
                return unfinished
            failed = _one(
                database.conn,
                f"{_SELECT} WHERE owner = ? AND key = ? AND state = 'failed'"
                " ORDER BY number DESC LIMIT 1",
                [self._owner, key],
            )
            if failed is not None:  # it keeps its checkpoint, so it goes on instead of anew
                changes = {"state": "queued", "wanted": "run"}
                _update(database, failed.id, {**changes, **_NO_ERROR})
                return _require(database.conn, failed.id)
            book = database.execute(
                "SELECT 1 FROM books WHERE owner = ? AND id = ?", [self._owner, book_id]
            )
            if book.fetchone() is None:
                raise NotFound(f"No book on the shelf has the id {book_id!r}.")
            job_id, time = secrets.token_hex(8), now()
            database.table("jobs").insert(
                {
                    "id": job_id,
                    "owner": self._owner,
                    "book_id": book_id,
                    "key": key,
                    "model": model,
                    "recipe": keep_recipe(database, recipe),
                    "state": "queued",
                    "wanted": "run",
                    "step": 0,
                    "steps": 0,
                    "progress": "{}",
                    "created": time,
                    "updated": time,
                }
            )
            return _require(database.conn, job_id)

    def get(self, job_id: str) -> Job:
        """The owner's job of this id. Raises NotFound."""
        with self._db.read() as connection:
            return _require(connection, job_id, self._owner)

    def find(self, ref: str) -> Job:
        """The job that an id or a unique prefix of one means.

        Raises:
            NotFound: none is meant.
            CallerError: several are (code `ambiguous`).
        """
        wanted = ref.strip().lower()
        with self._db.read() as connection:
            rows = connection.execute(f"{_SELECT} WHERE owner = ?", [self._owner])
            found = [
                row
                for row in rows
                if row["id"] == wanted
                or (len(wanted) >= SHORTEST_PREFIX and row["id"].startswith(wanted))
            ]
        if len(found) > 1:
            names = ", ".join(row["id"] for row in found)
            raise CallerError(
                f"{ref!r} may mean {len(found)} jobs: {names}. Give more of the id.",
                code="ambiguous",
            )
        if not found:
            raise NotFound(f"No job is called {ref!r}. `lift jobs` lists what is there.")
        return _job(found[0])

    def request(self, job_id: str, wanted: str) -> Job:
        """Ask for a job to run, pause or be cancelled; return it as it is now.

        A running job goes on until the engine follows; a waiting one changes at once. Running a
        paused or failed job queues it again. Asking a finished job for what it cannot do is an
        error, except that cancelling a cancelled one, or running a done one, changes nothing.

        Raises:
            NotFound: the owner has no such job.
            CallerError: the job is finished.
        """
        if wanted not in WANTED:
            raise ValueError(f"{wanted!r} is none of {WANTED}")
        with self._db.write() as database:
            job = _require(database.conn, job_id, self._owner)
            if (job.state, wanted) in {("done", "run"), ("cancelled", "cancel")}:
                return job
            if job.state in ("done", "cancelled") or (job.state == "failed" and wanted == "pause"):
                raise CallerError(
                    f"Job {job.id} is {job.state} already, so it cannot {wanted}.", code="finished"
                )
            state = job.state
            if state != "running":
                state = {"run": "queued", "pause": "paused", "cancel": "cancelled"}[wanted]
            _update(
                database,
                job_id,
                {"state": state, "wanted": wanted, **_NO_ERROR},
            )
            return _require(database.conn, job_id)

    def next_queued(self) -> Job | None:
        """The job that has waited longest, of any owner."""
        with self._db.read() as connection:
            return _one(connection, f"{_SELECT} WHERE state = 'queued' ORDER BY number LIMIT 1", [])

    def waiting(self) -> int:
        """How many jobs of all owners wait for the engine, or have it."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
            )
            return int(rows.fetchone()[0])

    def requeue_interrupted(self) -> list[Job]:
        """Take up what a dead process left running; return those jobs as they are now.

        What its reader had asked for meanwhile is followed: a job to be paused is paused. Only
        for the process that owns the model: no job can be running elsewhere then.
        """
        with self._db.write() as database:
            ids = database.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall()
            database.execute(
                "UPDATE jobs SET updated = ?, state = CASE wanted WHEN 'pause' THEN 'paused'"
                " WHEN 'cancel' THEN 'cancelled' ELSE 'queued' END WHERE state = 'running'",
                [now()],
            )
            return [_require(database.conn, job_id) for (job_id,) in ids]

    def rest(self) -> None:
        """Pause what waits or was running, of all owners: nobody goes on with it unasked here."""
        with self._db.write() as database:
            database.execute(
                "UPDATE jobs SET updated = ?, wanted = 'pause', state = CASE wanted"
                " WHEN 'cancel' THEN 'cancelled' ELSE 'paused' END"
                " WHERE state IN ('queued', 'running')",
                [now()],
            )

    def settle(self, job_id: str) -> Job:
        """Let a running job become what is wanted of it, in one step; return it as it is then.

        Raises NotFound.
        """
        with self._db.write() as database:
            database.execute(
                "UPDATE jobs SET updated = ?, state = CASE wanted WHEN 'pause' THEN 'paused'"
                " WHEN 'cancel' THEN 'cancelled' ELSE state END WHERE id = ? AND state = 'running'",
                [now(), job_id],
            )
            return _require(database.conn, job_id)

    def set_state(self, job_id: str, state: str, error: LiftError | None = None) -> Job:
        """Note what a job of any owner has become. Raises NotFound, as when its book was deleted.

        Without an error, an older one is cleared.
        """
        if state not in STATES:
            raise ValueError(f"{state!r} is none of {STATES}")
        with self._db.write() as database:
            _update(
                database,
                job_id,
                {
                    "state": state,
                    "error_code": None if error is None else error.code,
                    "error_message": None if error is None else str(error),
                },
            )
            return _require(database.conn, job_id)

    def event(self, job_id: str, event: dict[str, Any]) -> int:
        """Append an event to a job of any owner and update its progress; return its number.

        `stage`, `step` and `steps` go to the row; `segments` ({index: loss}) to the losses, of
        which the first and the last are kept. A loss that is no number is left out. Raises
        NotFound.
        """
        with self._db.write() as database:
            row = database.execute(
                "SELECT number, coalesce((SELECT max(seq) FROM job_events WHERE job = number), 0)"
                " FROM jobs WHERE id = ?",
                [job_id],
            ).fetchone()
            if row is None:
                raise _missing(job_id)
            number, last = row
            text = json.dumps(_finite(event), ensure_ascii=False)
            database.execute("INSERT INTO job_events VALUES (?, ?, ?)", [number, last + 1, text])
            changes = {name: event[name] for name in ("stage", "step", "steps") if name in event}
            _update(database, job_id, changes | {"progress": text})
            database.conn.executemany(
                "INSERT INTO segment_losses VALUES (?, ?, ?, ?)"
                " ON CONFLICT (job, segment) DO UPDATE SET last = excluded.last",
                [
                    (number, int(segment), loss, loss)
                    for segment, loss in (event.get("segments") or {}).items()
                    if loss is not None and math.isfinite(loss)
                ],
            )
            return int(last + 1)

    def events(self, job_id: str, after: int = 0) -> list[tuple[int, dict[str, Any]]]:
        """(number, event) of a job's events that are newer than number `after`, in order."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT seq, event FROM job_events JOIN jobs ON job = number"
                " WHERE id = ? AND seq > ? ORDER BY seq",
                [job_id, after],
            )
            return [(seq, json.loads(event)) for seq, event in rows]

    def segment_losses(self, job_id: str) -> dict[int, dict[str, float]]:
        """Segment index -> its `first` and `last` loss, for the segments seen so far."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT segment, first, last FROM segment_losses JOIN jobs ON job = number"
                " WHERE id = ? ORDER BY segment",
                [job_id],
            )
            return {segment: {"first": first, "last": last} for segment, first, last in rows}

    def sweep(self) -> list[str]:
        """Remove checkpoints that no job can go on from; return the names of the folders.

        Those of unfinished and failed jobs, of any owner, stay.
        """
        removed = []
        with self._db.write() as database:
            rows = database.execute(
                f"SELECT id FROM jobs WHERE {_IN_UNFINISHED} OR state = 'failed'"
            )
            kept = {row[0] for row in rows}
            for folder in folders.subfolders(self._settings.checkpoints):
                if folder.name not in kept:
                    effects.remove(folder)
                    removed.append(folder.name)
        return removed

    # Last, because `list` in an annotation below it would mean this method.
    def list(self, unfinished: bool = False, book_id: str | None = None) -> list[Job]:
        """The owner's jobs, the newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE owner = ? ORDER BY number DESC", [self._owner]
            )
            jobs = [_job(row) for row in rows]
        return [
            job
            for job in jobs
            if (job.unfinished or not unfinished) and book_id in (None, job.book_id)
        ]


def _update(database: sqlite_utils.Database, job_id: str, values: dict[str, Any]) -> None:
    """Change columns of a job. Raises NotFound."""
    values = values | {"updated": now()}
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    changed = database.execute(
        f"UPDATE jobs SET {assignments} WHERE id = :id", values | {"id": job_id}
    )
    if changed.rowcount == 0:
        raise _missing(job_id)


def _one(connection: sqlite3.Connection, sql: str, parameters: list[Any]) -> Job | None:
    cursor = connection.execute(sql, parameters)
    cursor.row_factory = sqlite3.Row
    row = cursor.fetchone()
    return None if row is None else _job(row)


def _require(connection: sqlite3.Connection, job_id: str, owner: str | None = None) -> Job:
    job = _one(connection, f"{_SELECT} WHERE id = ?", [job_id])
    if job is None or owner not in (None, job.owner):
        raise _missing(job_id)
    return job


def _missing(job_id: str) -> NotFound:
    return NotFound(f"No job has the id {job_id!r}. `lift jobs` lists what is there.")


def _finite(value: Any) -> Any:
    """A copy in which numbers that JSON cannot write (not a number, infinite) are None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates its values)
    del values["number"]
    values["recipe"] = json.loads(values.pop("json"))
    values["progress"] = json.loads(values["progress"])
    return Job(**values)
