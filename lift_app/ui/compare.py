"""The comparison: one question, answered by every arm, side by side with the same citations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lift_app.ui import chat, words
from lift_app.ui.security import escape

ORDER = ("ICL", "LIFT_only", "LIFT+ICL")
"""Arms from left to right: the excerpt, the memory, both."""


@dataclass
class Column:
    """One arm's answer, as far as it has come."""

    arm: str
    evidence: bool
    text: str = ""
    answer: dict[str, Any] | None = None
    error: str = ""
    state: str = "waiting"
    """`waiting`, `writing` or `done`."""


def columns_of(arms: list[str], *, evidence: bool) -> list[Column]:
    """The columns of a comparison, row by row: without passages, then with them.

    Args:
        arms: those that can be asked now.
        evidence: a second row, with passages.
    """
    rows = (False, True) if evidence else (False,)
    return [Column(arm, row) for row in rows for arm in ORDER if arm in arms]


def compare_html(question: str, columns: list[Column], book: dict[str, Any]) -> str:
    """The comparison.

    Args:
        question: what was asked.
        columns: the answers.
        book: what `Reader.show` gives, for the share of it that an answer saw.
    """
    rows = [
        "".join(_column(column, book) for column in columns if column.evidence is evidence)
        for evidence in (False, True)
    ]
    note = "" if any(c.arm != "ICL" for c in columns) else words.COMPARE_UNLEARNED
    parts = [
        f"<h3>{escape(title)}</h3><div class='row'>{row}</div>"
        for title, row in zip((words.WITHOUT_PASSAGES, words.WITH_PASSAGES), rows, strict=True)
        if row
    ]
    done = sum(column.state == "done" for column in columns)
    said = words.COMPARE_PROGRESS.format(done=done, total=len(columns))
    hint = f'<p class="quiet">{escape(note)}</p>' if note else ""
    return (
        f'<section class="compare" aria-label="{escape(words.COMPARE)}">'
        f'<header><h2>{escape(words.COMPARE)}</h2><button type="button" class="link" '
        f'data-act="close">{escape(words.CLOSE)}</button></header>'
        f'<p class="asked" dir="auto">{escape(question)}</p>'
        f'<p class="sr-only" role="status">{escape(said)}</p>{hint}{"".join(parts)}</section>'
    )


def _column(column: Column, book: dict[str, Any]) -> str:
    name = words.ARMS.get(column.arm, column.arm)
    if column.error:
        body = f'<p class="trouble">{escape(column.error)}</p>'
    elif column.text:
        body = f'<p class="said" dir="auto">{escape(column.text)}</p>'
    elif column.state == "done":
        body = f'<p class="quiet">{escape(words.COMPARE_STOPPED)}</p>'
    else:
        hint = words.THINKING if column.state == "writing" else words.COMPARE_WAITING
        body = f'<p class="waiting">{escape(hint)}</p>'
    if column.answer is not None:
        body += chat.citations_html(column.answer) + _foot(column.answer, book)
    busy = ' aria-busy="true"' if column.state == "writing" else ""
    return f"<article{busy}><h4>{escape(name)}</h4>{body}</article>"


def _foot(answer: dict[str, Any], book: dict[str, Any]) -> str:
    """How much of the book it saw, whether it has learned it, and how long it took."""
    context, timing = answer.get("context") or {}, answer.get("timing") or {}
    saw = sum(int(context.get(part) or 0) for part in ("head", "tail", "evidence"))
    total = max(1, int(book.get("tokens") or 0))
    parts = [
        words.COMPARE_SAW.format(percent=words.percent(min(1.0, saw / total)))
        if saw
        else words.SAW_NOTHING
    ]
    if answer.get("adapter"):
        parts.append(words.COMPARE_LEARNED)
    if timing.get("seconds"):
        parts.append(words.short_seconds(float(timing["seconds"])))
    return f'<p class="figures">{escape(" · ".join(parts))}</p>'
