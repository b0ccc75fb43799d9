"""The settings page: which model answers and why so, what is stored, and how to be rid of it."""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.security import escape


def preferences_html(
    model: dict[str, Any] | None, state: dict[str, Any], storage: dict[str, Any]
) -> str:
    """The page.

    Args:
        model: the chosen entry of `Reader.models`.
        state: what `Reader.model_state` gives.
        storage: what `Reader.storage` gives.
    """
    return (
        f'<section class="preferences" aria-label="{escape(words.SETTINGS)}">'
        f'<header class="title"><h2>{escape(words.SETTINGS)}</h2>'
        f'<button type="button" class="link" data-act="settings">{escape(words.CLOSE)}</button>'
        f"</header>{_model(model, state)}{_storage(storage)}{_privacy(storage)}</section>"
    )


def _model(model: dict[str, Any] | None, state: dict[str, Any]) -> str:
    rows = []
    if model is not None:
        facts = [
            words.weights(model["parameters"]) if model.get("parameters") else "",
            words.WINDOW.format(tokens=words.whole(model["window"])) if model.get("window") else "",
            model.get("licence") or "",
        ]
        rows.append((words.MODEL, str(model.get("title") or model["name"])))
        rows.append((words.MODEL_SIZE, " · ".join(fact for fact in facts if fact)))
    if state.get("device"):
        where = f"{words.DEVICES.get(state['device'], state['device'])}, {state['precision']}"
        rows.append((words.RUNS_ON, where))
        rows.append((words.WHY, str(state.get("reason") or "")))
    if state.get("state") != "ready" and state.get("message"):
        rows.append((words.MODEL_NOW, str(state["message"])))
    body = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows if value
    )
    note = f'<p class="quiet">{escape(words.MODEL_CHANGE)}</p>'
    return f"<h3>{escape(words.MODEL_HEADING)}</h3><dl>{body}</dl>{note}"


def _storage(storage: dict[str, Any]) -> str:
    books = storage["books"]
    rows = "".join(_book(book) for book in books)
    models = (
        words.STORAGE_MODELS.format(size=words.size(storage["models"])) if storage["models"] else ""
    )
    total = words.STORAGE_TOTAL.format(size=words.size(storage["total"]))
    listed = f'<ul class="stored">{rows}</ul>' if books else ""
    everything = (
        _sure(words.REMOVE_ALL, words.REMOVE_ALL_NOTE, "remove-all", words.REMOVE_ALL_YES, "")
        if len(books) > 1
        else ""
    )
    return (
        f"<h3>{escape(words.STORAGE)}</h3><p>{escape(total)}</p>{listed}"
        f'<p class="quiet">{escape(models)}</p>{everything}'
    )


def _book(book: dict[str, Any]) -> str:
    sizes = [words.STORED_FILE.format(size=words.size(book["file"]))]
    forget = ""
    if book["learned"]:
        sizes.append(words.STORED_LEARNED.format(size=words.size(book["learned"])))
        forget = _sure(words.FORGET, words.FORGET_NOTE, "forget", words.FORGET_YES, book["id"])
    remove = _sure(words.REMOVE, words.REMOVE_NOTE, "remove", words.REMOVE_YES, book["id"])
    return (
        f'<li><span class="name" dir="auto">{escape(book["title"])}</span>'
        f'<span class="quiet">{escape(" · ".join(sizes))}</span>{forget}{remove}</li>'
    )


def _sure(label: str, note: str, act: str, yes: str, book: str) -> str:
    """A button behind a second look: what it does is said before it can be done."""
    return (
        f'<details class="sure"><summary>{escape(label)}</summary><p class="quiet">{escape(note)}'
        f'</p><button type="button" class="stop" data-act="{act}" data-book="{escape(book)}">'
        f"{escape(yes)}</button></details>"
    )


def _privacy(storage: dict[str, Any]) -> str:
    home = str(storage["home"])
    place = f"{escape(words.STORED_IN)} <code>{escape(home)}</code>"
    return f"<h3>{escape(words.PRIVACY)}</h3><p>{escape(words.PRIVACY_NOTE)}</p>" + (
        f'<p class="quiet">{place}</p>' if home else ""
    )
