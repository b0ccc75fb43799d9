"""The first steps: add, learn, ask. What is done is ticked; what comes next is a click away."""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.security import escape


def steps_html(book: dict[str, Any] | None, *, asked: bool, recorded: bool, replayed: bool) -> str:
    """The steps of a reader with a first book, until a question was asked.

    Args:
        book: the open book's spine.
        asked: a question was asked about it.
        recorded: it came learned, and how can be replayed.
        replayed: the replay was seen in this window.
    """
    if book is None or asked:
        return ""
    learning = (book.get("job") or {}).get("state") in ("queued", "running", "paused")
    learned = bool(book.get("learned"))
    if recorded:
        learn = words.STEP_RECORDED
        do = "" if replayed else _button("replay", words.REPLAY_BEGIN, "begin")
    elif learned or learning:
        learn, do = words.STEP_LEARNED if learned else words.STEP_LEARNING, ""
    else:
        learn, do = words.STEP_LEARN, _button("desk", words.STEP_LEARN_DO, "open")
    steps = [
        (words.WELCOME_STEPS[0][0], words.STEP_ADDED, True, ""),
        (words.WELCOME_STEPS[1][0], learn, learned, do),
        (words.WELCOME_STEPS[2][0], words.STEP_ASK, False, _button("focus", words.STEP_ASK_DO)),
    ]
    items = "".join(_step(*step) for step in steps)
    return (
        f'<section class="steps" aria-label="{escape(words.STEPS)}"><ol>{items}</ol>'
        f'<button type="button" class="dismiss" data-act="steps" '
        f'aria-label="{escape(words.STEPS_CLOSE)}">×</button></section>'
    )


def _step(name: str, text: str, done: bool, button: str) -> str:
    css, said = (
        (' class="done"', f'<span class="sr-only"> ({escape(words.STEP_DONE)})</span>')
        if done
        else ("", "")
    )
    return f"<li{css}><b>{escape(name)}{said}</b><span>{escape(text)}</span>{button}</li>"


def _button(act: str, label: str, value: str = "") -> str:
    return (
        f'<button type="button" class="link" data-act="{act}" data-value="{value}">'
        f"{escape(label)}</button>"
    )
