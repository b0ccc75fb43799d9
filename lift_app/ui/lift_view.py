"""The lift: progress in plain words, the stages and the loss.

Draws what `Reader.status` gives. The lift itself is a job of the engine; nothing here runs it.
"""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.security import escape
from lift_app.ui.shelf import percent_of

POINTS = 120
"""Most points of the loss line."""
ACTIVE = ("queued", "running", "paused")


def lift_html(status: dict[str, Any], *, note: str = "") -> str:
    """The whole view; empty where no lift goes on or has ended badly.

    Args:
        status: what `Reader.status` gives.
        note: the sentence below; what a reader can do meanwhile where none is given.
    """
    state = status.get("state")
    if state not in (*ACTIVE, "failed", "cancelled"):
        return ""
    if state == "cancelled":
        return (
            f'<section class="lift"><p class="quiet">{escape(words.CANCELLED_NOTE)}</p></section>'
        )
    if state == "failed":
        error = status.get("error") or {}
        text = error.get("message") or words.UNEXPECTED
        return f'<section class="lift"><p class="trouble" role="alert">{escape(text)}</p></section>'
    percent = percent_of(status)
    notes = {"paused": words.PAUSED_NOTE, "queued": words.QUEUED_NOTE}
    note = note or notes.get(str(state), status.get("note") or words.KEEPS_GOING)
    return (
        f'<section class="lift {escape(state)}" aria-label="{escape(words.LIFT)}">'
        f'<p class="progress-line">{escape(progress_line(status))}</p>'
        f'<p class="sr-only" aria-live="polite">{escape(_spoken(status))}</p>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}" aria-label="{escape(words.LIFT)}">'
        f'<i style="width:{percent}%"></i></div>'
        f"{_track(status)}{_loss(status)}"
        f'<p class="quiet">{escape(note)}</p></section>'
    )


def line_html(status: dict[str, Any]) -> str:
    """A lift in one line, while its page is being read; empty if there is nothing to follow."""
    if status.get("state") not in ACTIVE:
        return ""
    percent = percent_of(status)
    return (
        f'<section class="lift line {escape(status["state"])}" aria-label="{escape(words.LIFT)}">'
        f'<p class="progress-line">{escape(progress_line(status))}</p>'
        f'<p class="sr-only" aria-live="polite">{escape(_spoken(status))}</p>'
        f'<span class="thin"><i style="width:{percent}%"></i></span></section>'
    )


def progress_line(status: dict[str, Any]) -> str:
    """`learning · 37 % · step 212 of 573 · 1,930 tokens/s · 11 min left`."""
    state, step, steps = status.get("state"), status.get("step") or 0, status.get("steps") or 0
    parts = [_stage_words(status)]
    if steps:
        parts.append(words.PERCENT.format(percent=percent_of(status)))
        parts.append(words.STEP_OF.format(step=words.whole(step), steps=words.whole(steps)))
    if state == "running":
        if status.get("tokens_per_second"):
            parts.append(words.SPEED.format(speed=words.whole(status["tokens_per_second"])))
        if status.get("eta_seconds"):
            parts.append(words.TIME_LEFT.format(time=words.duration(status["eta_seconds"])))
    return " · ".join(parts)


def _stage_words(status: dict[str, Any]) -> str:
    state, stage = str(status.get("state")), str(status.get("stage") or "")
    if state != "running":
        return words.STATES.get(state, state)
    if status.get("wanted") in words.WANTED:
        return words.WANTED[status["wanted"]]
    return words.STAGES.get(stage, stage or words.STAGES["training"])


def _spoken(status: dict[str, Any]) -> str:
    """What a screen reader hears: a change of stage and every tenth part, not every second."""
    tenth = 10 * (percent_of(status) // 10)
    return f"{_stage_words(status)}, {words.PERCENT.format(percent=tenth)}"


def _track(status: dict[str, Any]) -> str:
    names = [name for name, _ in words.TRACK]
    stage = status.get("stage")
    now = names.index(stage) if stage in names else -1
    items = []
    for index, (_, label) in enumerate(words.TRACK):
        css = "past" if index < now else "now" if index == now else "ahead"
        current = ' aria-current="step"' if css == "now" else ""
        items.append(f'<li class="{css}"{current}>{escape(label)}</li>')
    return f'<ol class="track">{"".join(items)}</ol>'


def _loss(status: dict[str, Any]) -> str:
    curve = [(float(step), float(loss)) for step, loss in status.get("losses") or []]
    if len(curve) < 2:
        return ""
    stride = -(-len(curve) // POINTS)
    points = curve[::stride]
    if points[-1] != curve[-1]:
        points.append(curve[-1])
    top, low = max(loss for _, loss in points), min(loss for _, loss in points)
    span = max(top - low, 0.1 * top, 0.01)
    begin, width = points[0][0], max(points[-1][0] - points[0][0], 1)
    path = " ".join(
        f"{300 * (step - begin) / width:.1f},{4 + 40 * (top - loss) / span:.1f}"
        for step, loss in points
    )
    first, last = f"{curve[0][1]:.2f}", f"{curve[-1][1]:.2f}"
    label = words.LOSS_LABEL.format(first=first, last=last)
    return (
        f'<figure class="loss"><figcaption>{escape(words.LOSS)} '
        f'<span class="quiet">{escape(words.LOSS_TERM)} {first} → {last}</span></figcaption>'
        f'<svg viewBox="0 0 300 48" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}"><polyline points="{path}"/></svg></figure>'
    )
