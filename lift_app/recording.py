"""The recording: the sample book's adapter that comes with the project, and how it was trained.

A folder with the adapter in half precision, a card, and the events of its lift with their times,
so that a stage without a GPU has a learned book within seconds and can see how it was learned. It
counts only while its key is the one that a lift would have now: a changed book, model, template or
recipe makes it worthless, and then it is as if it were not there. Torch-free.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_app.library import BookRow, Library, effects, folders
from lift_app.lifting.key import adapter_key
from lift_app.lifting.recipe import Recipe, resolve_recipe
from lift_app.models.device import choose_device
from lift_app.models.identity import ModelFolder, read_json
from lift_app.models.provision import find_local
from lift_app.settings import Settings

FOLDER = Path(__file__).resolve().parent.parent / "data" / "demo"
CARD, EVENTS = "card.json", "events.jsonl"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
RECIPE = "standard"
"""The recipe that the sample book is learned with."""
ANYBODY = "anybody"
"""Whose key stands on the card; on a shelf the adapter gets the key of that shelf's owner."""
HOW_TO_MAKE = "lift demo --record"


@dataclass(frozen=True)
class Recording:
    """What a folder of a recording holds."""

    folder: Path
    key: str
    """Key of the adapter, were it `ANYBODY`'s."""
    machine: str
    """Where it was trained, in a sentence."""
    seconds: float
    """How long the lift took."""
    summary: dict[str, Any]
    """What the lift said of itself, with the losses of the segments before and after."""
    files: dict[str, str]
    """Name -> sha256 of the adapter's files."""

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Recording | None:
        """The recording in a folder; None where there is none."""
        card = read_json(folder / CARD)
        names = ("key", "machine", "seconds", "summary", "files")
        if not all(name in card for name in names):
            return None
        return cls(folder, **{name: card[name] for name in names})

    def events(self) -> list[dict[str, Any]]:
        """The events of the lift in order, each with `seconds` since it was begun."""
        lines = (self.folder / EVENTS).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def is_current(self, row: BookRow, settings: Settings, model: ModelFolder) -> bool:
        """Whether a lift of the sample book would make this adapter now.

        Args:
            row: the sample book as it was read now.
            settings: device and precision.
            model: the base model with its start.
        """
        return self.key == key_for(ANYBODY, row, settings, model)

    def install(
        self, library: Library, row: BookRow, settings: Settings, model: ModelFolder
    ) -> str | None:
        """Put the adapter on the shelf; gives its key, or None where it is not current.

        Raises:
            LiftError: it cannot be written, or its files are not those of the card.
        """
        if not self.is_current(row, settings, model):
            return None
        key = key_for(library.owner, row, settings, model)
        if library.adapters.find(key) is not None:
            return key
        staged = library.adapters.staging_folder(key)
        try:
            with folders.explained("The sample book's adapter could not be put on the shelf"):
                for name in ADAPTER_FILES:
                    if folders.copy_file(self.folder / name, staged / name) != self.files[name]:
                        return None  # damaged: the book can still be learned
            library.adapters.publish(
                key,
                staged,
                book_id=row.id,
                model=settings.model,
                recipe=recipe_for(model).to_json(),
                summary={**self.summary, "recorded": self.key},
            )
        finally:
            effects.remove(staged)
        return key


def install_recording(library: Library, settings: Settings, book_id: str) -> str | None:
    """Put the shipped adapter on the shelf, where there is one for this book and model.

    Returns its key, or None where the book is to be learned as any other.
    """
    recording, model = Recording.read(), find_local(settings.model, settings)
    if recording is None or model is None:
        return None
    return recording.install(library, library.books.get(book_id), settings, model)


def recording_of(library: Library, key: str) -> Recording | None:
    """The recording that an adapter on the shelf came from; None for one that was learned here."""
    adapter, recording = library.adapters.find(key), Recording.read()
    if adapter is None or recording is None or adapter.summary.get("recorded") != recording.key:
        return None
    return recording


def recipe_for(model: ModelFolder) -> Recipe:
    """The resolved recipe of the recording."""
    return resolve_recipe(RECIPE, window=model.window)


def key_for(owner: str, row: BookRow, settings: Settings, model: ModelFolder) -> str:
    """The key that a lift of the sample book has now, on a shelf of `owner`."""
    return adapter_key(
        owner=owner,
        text_sha256=row.text_sha256,
        title=row.title,
        weights_sha256=model.weights_sha256,
        quantisation=choose_device(settings, model.parameters).quantisation,
        recipe=recipe_for(model),
        start=model.start_sha256 or None,
    )
