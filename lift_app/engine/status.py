"""Status: everything a face shows about one lift, read from the library alone."""

from __future__ import annotations

from typing import Any

from lift_app.library import Job, Library

MOST_POINTS = 400
"""Points of the loss curve that a face gets; a long lift is thinned to them."""

AFTER_TRAINING = ("checking", "saving", "done")


def job_line(job: Job) -> dict[str, Any]:
    """Where a lift stands, from its row alone: cheap enough for every book of a shelf.

    Returns:
        `job`, `book`, `recipe`, `model`, `state`, `wanted`, `stage`, `step`, `steps` (of the
        training), `error`, `adapter` (its key once it is done).
    """
    stage = job.stage or job.state
    return {
        "job": job.id,
        "book": job.book_id,
        "recipe": job.recipe["name"],
        "model": job.model,
        "state": job.state,
        "wanted": job.wanted,
        "stage": stage,
        "step": job.steps if stage in AFTER_TRAINING else job.step,
        "steps": job.steps,
        "error": {"code": job.error_code, "message": job.error_message}
        if job.error_message
        else None,
        "adapter": job.key if job.state == "done" else None,
    }


def job_status(library: Library, job: Job) -> dict[str, Any]:
    """Where a lift stands, the same for every window and process.

    Returns:
        What `job_line` gives, and `loss`, `tokens_per_second`, `eta_seconds`, `note` (a word about
        how it goes, or None); `segments` (last loss of each segment in nats, None where it was not
        trained on yet), `losses` ([step, loss], thinned to `MOST_POINTS`), `last_event` (its
        sequence number).
    """
    events = library.jobs.events(job.id)
    training = [event for _, event in events if event["stage"] == "training"]
    last = training[-1] if training else {}
    # Once it is loaded anew or checked, the word and the time beside its last step are over.
    now = last if events and events[-1][1] is last else {}
    # After a kill the steps since the last checkpoint are done again: the last time counts.
    by_step = {event["step"]: event["loss"] for event in training if "loss" in event}
    losses = [[step, by_step[step]] for step in sorted(by_step)]
    known = library.jobs.segment_losses(job.id)
    count = next((e["segment_count"] for e in reversed(training) if "segment_count" in e), 0)
    return {
        **job_line(job),
        "step": last.get("step", 0),
        "steps": last.get("steps", 0),
        "loss": by_step[max(by_step)] if by_step else None,
        "tokens_per_second": last.get("tokens_per_second"),
        "note": now.get("note"),
        "eta_seconds": now.get("eta_seconds") if job.state == "running" else None,
        "segments": [known[i]["last"] if i in known else None for i in range(count)],
        "losses": losses[:: len(losses) // MOST_POINTS + 1],
        "last_event": events[-1][0] if events else 0,
    }
