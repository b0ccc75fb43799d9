"""Status: everything a face shows about one lift, read from the library alone."""

from __future__ import annotations

from typing import Any

from lift_app.library import Job, Library


def job_status(library: Library, job: Job) -> dict[str, Any]:
    """Where a lift stands, the same for every window and process.

    Returns:
        `job`, `book`, `title`, `recipe`, `state`, `stage`, `step`, `steps`, `loss`,
        `tokens_per_second`, `eta_seconds`; `segments` (last loss of each segment in nats, None
        where it was not trained on yet), `losses` ([step, loss] of every step), `error`,
        `adapter` (its key once it is done), `last_event` (sequence number).
    """
    events = library.jobs.events(job.id)
    progress = job.progress or {}
    steps = [event for _, event in events if event["stage"] == "training"]
    training = steps[-1] if steps else {}
    losses = [[e["step"], e["loss"]] for _, e in events if "loss" in e]
    return {
        "job": job.id,
        "book": job.book_id,
        "recipe": job.recipe["name"],
        "model": job.model,
        "state": job.state,
        "wanted": job.wanted,
        "stage": progress.get("stage", job.state),
        "step": training.get("step", 0),
        "steps": training.get("steps", 0),
        "loss": losses[-1][1] if losses else None,
        "tokens_per_second": training.get("tokens_per_second"),
        "eta_seconds": training.get("eta_seconds") if job.state == "running" else None,
        "segments": _segment_losses(library, job, events),
        "losses": losses,
        "error": {"code": job.error_code, "message": job.error_message}
        if job.error_message
        else None,
        "adapter": job.key if job.state == "done" else None,
        "last_event": events[-1][0] if events else 0,
    }


def _segment_losses(
    library: Library, job: Job, events: list[tuple[int, dict[str, Any]]]
) -> list[float | None]:
    known = library.jobs.segment_losses(job.id)
    count = next((e["segment_count"] for _, e in reversed(events) if "segment_count" in e), 0)
    return [known[index]["last"] if index in known else None for index in range(count)]
