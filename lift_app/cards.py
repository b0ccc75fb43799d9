"""Cards: what a face is told about books and models, as plain dicts; reads rows only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lift_app.engine.lifts import key_of
from lift_app.engine.status import job_line
from lift_app.library import BookRow, Job, Library
from lift_app.lifting.estimate import Estimate, estimate
from lift_app.lifting.recipe import RECIPES, resolve_recipe
from lift_app.models.catalogue import CATALOGUE, find_model
from lift_app.models.device import choose_device
from lift_app.models.provision import find_local, find_present
from lift_app.models.starts import starts
from lift_app.settings import Settings

BY_LENGTH = ("deep", "standard", "quick")
"""Recipes that a book's length decides between, the most thorough first."""
SMALLEST_WINDOW = 2048
"""Window that is assumed for a model whose configuration is not here yet."""


def spine(row: BookRow, job: Job | None, adapter: str | None) -> dict[str, Any]:
    """A book as it stands on the shelf: title, sizes, newest adapter, unfinished or failed lift.

    Args:
        row: the book.
        job: its newest lift.
        adapter: key of its newest adapter for the chosen model.
    """
    shown = job is not None and job.state not in ("done", "cancelled")
    return {
        "id": row.id,
        "title": row.title,
        "author": row.author,
        "format": row.format,
        "pages": row.pages,
        "words": row.words,
        "tokens": row.tokens,
        "tokens_exact": row.tokens_exact,
        "added": row.added,
        "learned": adapter is not None,
        "adapter": adapter,
        "job": job_line(job) if job is not None and shown else None,
    }


def description(library: Library, settings: Settings, row: BookRow) -> dict[str, Any]:
    """A book with its chapters and its report, the minutes of a lift among them."""
    data = row.to_json()
    del data["new"]
    chapters = library.books.chapters(row.id)
    data["chapters"] = [{"title": c.title, "page": c.page} for c in chapters]
    data["report"] = {**row.report, **_estimate(library, settings, row)}
    return data


def recipes() -> list[dict[str, Any]]:
    """Recipes by name, with their numbers and the reason for them."""
    return [
        {"name": name, "reason": reason, **recipe.to_json()}
        for name, (recipe, reason) in RECIPES.items()
    ]


def models(settings: Settings) -> list[dict[str, Any]]:
    """Base models of the catalogue, which are on this machine, and what they can stand on."""
    chosen = find_model(settings.model)
    entries = CATALOGUE if chosen in CATALOGUE else (chosen, *CATALOGUE)
    known = starts(settings)
    return [
        {
            "name": entry.name,
            "title": entry.title,
            "parameters": entry.parameters,
            "window": entry.window,
            "licence": entry.licence,
            "minimum_memory_gb": entry.minimum_memory_gb,
            "note": entry.note,
            "present": here is not None,
            "chosen": entry == chosen,
            "starts": [s.name for s in known if here and s.base_sha256 == here.weights_sha256],
        }
        for entry in entries
        for here in [find_present(entry, settings)]
    ]


def history(library: Library, chat: str | None) -> list[list[str]]:
    """The [question, answer] pairs of a conversation so far, as an answer reads them."""
    if chat is None:
        return []
    texts = [message.content for message in library.chats.messages(chat)]
    return [[asked, said] for asked, said in zip(texts[::2], texts[1::2], strict=False)]


def model_elsewhere(settings: Settings, *, wanted: bool) -> dict[str, Any]:
    """State of a model that this process has not loaded.

    Args:
        settings: device and precision.
        wanted: this process would have it, so another one has it.
    """
    choice = choose_device(settings)
    return {
        "state": "ready" if wanted else "absent",
        "message": "Another LIFT Reader on this machine has the model and answers here too."
        if wanted
        else "The model is loaded when it is first needed.",
        "progress": None,
        "device": choice.device,
        "precision": choice.label,
        "reason": choice.reason,
    }


def suggested_recipe(
    library: Library, settings: Settings, row: BookRow, values: Mapping[str, Any] | None = None
) -> str:
    """The recipe for a lift when none is named: the setting, or a quicker one for a long book.

    A book that stands on the shelf, or is being learned, by one of them is not learned by another.

    Args:
        library: what is there, and what was measured.
        settings: `recipe` and `recipe_minutes`, and the model.
        row: the book.
        values: fields of the recipe that the lift changes.
    """
    if settings.recipe == Settings.recipe and (folder := find_local(settings.model, settings)):
        jobs = library.jobs.list(unfinished=True, book_id=row.id)
        known = {*(job.key for job in jobs), *(a.key for a in library.adapters.for_book(row.id))}
        for name in BY_LENGTH[BY_LENGTH.index(settings.recipe) :]:
            recipe = resolve_recipe(name, window=folder.window, values=values)
            if key_of(row, recipe, folder, settings) in known:
                return name
    return _suggested(_estimates(library, settings, row, values), settings)


def _suggested(found: Mapping[str, Estimate], settings: Settings) -> str:
    longest = found[settings.recipe].minutes
    if longest <= settings.recipe_minutes:
        return settings.recipe
    quicker = [name for name in BY_LENGTH if found[name].minutes < longest]
    short = [name for name in quicker if found[name].minutes <= settings.recipe_minutes]
    return [*short, *quicker[-1:], settings.recipe][0]


def _estimate(library: Library, settings: Settings, row: BookRow) -> dict[str, Any]:
    """What a lift would take: minutes by recipe, why, and memory; and which to take."""
    found = _estimates(library, settings, row)
    suggested = _suggested(found, settings)
    return {
        "estimated_minutes": round(found[suggested].minutes, 2),
        "estimate_reason": found[suggested].reason,
        "minutes_by_recipe": {name: round(one.minutes, 2) for name, one in found.items()},
        "memory_gb": round(found[suggested].memory_gb, 1),
        "suggested_recipe": suggested,
    }


def _estimates(
    library: Library, settings: Settings, row: BookRow, values: Mapping[str, Any] | None = None
) -> dict[str, Estimate]:
    """What a lift would take, by recipe."""
    folder = find_local(settings.model, settings)
    entry = find_model(settings.model)
    parameters = (folder.parameters if folder else entry.parameters) or 10**9
    window = folder.window if folder else entry.window or SMALLEST_WINDOW
    choice = choose_device(settings, parameters)
    return {
        name: estimate(
            library.calibration,
            weights_sha256=folder.weights_sha256 if folder else "",
            parameters=parameters,
            choice=choice,
            recipe=resolve_recipe(name, window=window, values=values),
            tokens=row.tokens,
        )
        for name in {*RECIPES, settings.recipe}
    }
