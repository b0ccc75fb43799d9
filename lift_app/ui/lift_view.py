"""The lift: progress in plain words, the stages, the ribbon of segments, and the loss.

Draws what `Reader.status` gives. The lift itself is a job of the engine; nothing here runs it.
"""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.security import escape
from lift_app.ui.shelf import percent_of

CELLS = 160
"""Most cells of a ribbon; beyond that, several segments share one."""
POINTS = 120
"""Most points of the loss line."""
WELL_KNOWN = 0.35
"""Share of the first loss at which a segment's cell is as dark as it gets."""
ACTIVE = ("queued", "running", "paused")


def lift_html(status: dict[str, Any]) -> str:
    """The whole view; empty for a book that was never lifted."""
    state = status.get("state")
    if state not in (*ACTIVE, "failed", "cancelled", "done"):
        return ""
    if state == "done":
        return _ribbon(status, "lift") if _losses(status) else ""
    if state == "cancelled":
        return (
            f'<section class="lift"><p class="quiet">{escape(words.CANCELLED_NOTE)}</p></section>'
        )
    if state == "failed":
        error = status.get("error") or {}
        text = error.get("message") or words.UNEXPECTED
        return f'<section class="lift"><p class="trouble" role="alert">{escape(text)}</p></section>'
    percent = percent_of(status)
    note = {"paused": words.PAUSED_NOTE, "queued": words.QUEUED_NOTE}.get(
        str(state), words.KEEPS_GOING
    )
    return (
        f'<section class="lift {escape(state)}" aria-label="{escape(words.LIFT)}">'
        f'<p class="progress-line">{escape(progress_line(status))}</p>'
        f'<p class="sr-only" aria-live="polite">{escape(_spoken(status))}</p>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}" aria-label="{escape(words.LIFT)}">'
        f'<i style="width:{percent}%"></i></div>'
        f"{_track(status)}{_ribbon(status, '')}{_loss(status)}"
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


def _losses(status: dict[str, Any]) -> list[float | None]:
    losses: list[float | None] = list(status.get("segments") or [])
    return losses if any(loss is not None for loss in losses) else []


def _ribbon(status: dict[str, Any], wrapper: str) -> str:
    """One cell a segment, the darker the better it is known."""
    losses = _losses(status)
    if not losses:
        return ""
    seen = [loss for loss in losses if loss is not None]
    curve = status.get("losses") or []
    worst = max([float(curve[0][1])] if curve else seen)
    group = -(-len(losses) // CELLS)
    cells = []
    for start in range(0, len(losses), group):
        values = [loss for loss in losses[start : start + group] if loss is not None]
        number, total = start + 1, len(losses)
        if not values:
            cells.append(
                f'<i title="{escape(words.CELL_UNSEEN.format(number=number, total=total))}"></i>'
            )
            continue
        loss = sum(values) / len(values)
        title = words.CELL.format(number=number, total=total, loss=f"{loss:.2f}")
        cells.append(
            f'<i class="k" style="--k:{knownness(loss, worst):.2f}" title="{escape(title)}"></i>'
        )
    note = words.RIBBON_NOTE if group == 1 else words.RIBBON_GROUPED.format(parts=group)
    label = words.RIBBON_LABEL.format(known=len(seen), total=len(losses))
    return (
        f'<figure class="ribbon {wrapper}"><figcaption>{escape(words.RIBBON)} '
        f'<span class="quiet">{escape(note)}</span></figcaption>'
        f'<div class="cells" role="img" aria-label="{escape(label)}">{"".join(cells)}</div>'
        "</figure>"
    )


def knownness(loss: float, worst: float) -> float:
    """0 for a segment as surprising as at the start, 1 from `WELL_KNOWN` of that downwards."""
    if worst <= 0:
        return 1.0
    return min(1.0, max(0.0, (1 - loss / worst) / (1 - WELL_KNOWN)))


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
