"""Starts: results of pre-LIFT SFT that lifts can stand on (arXiv 2502.14644).

A start is a folder with a plain PEFT LoRA and a `start.json`. Those that come with the project
lie in its `starts` folder, a reader's own in the one that the settings name. Once a model is loaded
with a start, the start belongs to it: it is frozen and always on. Torch-free, because a start is
part of a key.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_app.errors import CallerError, LiftError
from lift_app.models.catalogue import canonical_name, find_model, split_start
from lift_app.settings import Settings

SHIPPED = Path(__file__).parent.parent / "starts"
CARD = "start.json"
WEIGHTS = "adapter_model.safetensors"
AUTO = "auto"
"""The start that comes with the model, if there is one."""
NONE = "none"
"""No start."""


@dataclass(frozen=True)
class Start:
    """A start on disk."""

    name: str
    path: Path
    base_sha256: str
    """Identity of the weights it was trained on."""
    weights_sha256: str
    """Of its own file: part of an adapter's key."""
    card: dict[str, Any]
    """How it was made: recipe, documents, what was measured."""


def reference(ref: str, start: str) -> str:
    """The one spelling of a model and its start: adapters and lifts are filed under it.

    Args:
        ref: a model, perhaps with its start (`MODEL+START`), which then decides.
        start: `auto`, `none` or the name of a start.

    Returns:
        `MODEL+START`, or the name of the model alone.
    """
    model, named = split_start(ref)
    wanted = named or start
    if wanted == AUTO:
        try:
            wanted = find_model(model).start or NONE
        except LiftError:  # whoever needs the model will be told
            wanted = NONE
    name = canonical_name(model)
    return name if wanted == NONE else f"{name}+{wanted}"


def folder_of(name: str, settings: Settings) -> Path:
    """Where a reader's own start of this name is, or will be.

    Raises:
        CallerError: a name that no folder should have.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name) or name in (AUTO, NONE):
        raise CallerError(
            f"A start cannot be called {name!r}: use small letters, figures, - _ and full stops."
        )
    return settings.starts / name


def starts(settings: Settings) -> list[Start]:
    """All starts that can be read; a reader's own hides a shipped one of the same name."""
    found: dict[str, Start] = {}
    for root in (SHIPPED, settings.starts):
        for card in sorted(root.glob(f"*/{CARD}")):
            if not card.parent.name.startswith("."):
                with suppress(LiftError):  # whoever names it is told
                    found[card.parent.name] = _read(card)
    return list(found.values())


def find_start(name: str, settings: Settings) -> Start:
    """The start of this name.

    Raises:
        CallerError: there is none.
        LiftError: its card is damaged.
    """
    for card in (folder_of(name, settings) / CARD, SHIPPED / name / CARD):
        if card.is_file():
            return _read(card)
    raise CallerError(f"There is no start {name!r}. `lift sft` trains one.")


def verify_start(start: Start) -> None:
    """Check the weights against their card.

    Raises:
        LiftError: they are missing or another file than was written.
    """
    try:
        found = hashlib.sha256((start.path / WEIGHTS).read_bytes()).hexdigest()
    except OSError as error:
        raise LiftError(
            f"The start {start.name} cannot be read: {error}.", code="damaged"
        ) from None
    if found != start.weights_sha256:
        raise LiftError(
            f"The start {start.name} is damaged: {start.path / WEIGHTS} is not the file that was "
            "written. Train it again with `lift sft`, or install the program again.",
            code="damaged",
        )


def _read(card: Path) -> Start:
    try:
        data = json.loads(card.read_text(encoding="utf-8"))
        return Start(
            name=card.parent.name,
            path=card.parent,
            base_sha256=data["base_sha256"],
            weights_sha256=data["weights_sha256"],
            card=data,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LiftError(
            f"{card} is damaged: {error!r}. Delete its folder.", code="damaged"
        ) from None
