"""Doctor: looks at the library, the shelf, the model and the machine, and says what it finds.

It only reads, except that a damaged adapter is taken off the shelf into quarantine.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from dataclasses import dataclass

from lift_app.errors import LiftError
from lift_app.models.catalogue import find_model
from lift_app.models.device import choose_device
from lift_app.models.identity import verify_weights
from lift_app.models.provision import find_present
from lift_app.reader import Reader

LEAST_FREE_GB = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    says: str


def examine(reader: Reader) -> list[Finding]:
    """Look at everything; never raises for what it finds."""
    return [
        _programs(),
        _home(reader),
        _index(reader),
        *_adapters(reader),
        _model(reader),
        _device(reader),
    ]


def _programs() -> Finding:
    names = ("lift-reader", "torch", "transformers", "peft", "gradio")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    return Finding("programs", True, f"Python {platform.python_version()}, {versions}")


def _home(reader: Reader) -> Finding:
    home = reader.settings.home
    if not os.access(home, os.W_OK):
        return Finding(
            "home", False, f"{home} cannot be written; set LIFT_HOME to a folder of yours."
        )
    free = shutil.disk_usage(home).free / 1e9
    ok = free >= LEAST_FREE_GB
    advice = "" if ok else "; delete something, or set LIFT_HOME to a larger disk"
    return Finding("home", ok, f"{home}, {free:.1f} GB free{advice}")


def _index(reader: Reader) -> Finding:
    with reader.library.db.read() as connection:
        result = connection.execute("PRAGMA integrity_check").fetchone()[0]
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    if result != "ok" or broken:
        return Finding("index", False, f"{reader.settings.database} is damaged: {result}")
    books, jobs = len(reader.library.books.list()), len(reader.library.jobs.list(unfinished=True))
    return Finding("index", True, f"{books} books, {jobs} unfinished lifts, integrity ok")


def _adapters(reader: Reader) -> list[Finding]:
    findings = []
    for row in reader.library.adapters.list():
        try:
            reader.library.adapters.verify(row.key)
        except LiftError as error:
            findings.append(Finding(f"adapter {row.key[:12]}", False, str(error)))
    sound = len(reader.library.adapters.list())
    return [
        *findings,
        Finding("adapters", True, f"{sound} on the shelf, every byte as it was made"),
    ]


def _model(reader: Reader) -> Finding:
    try:
        entry = find_model(reader.settings.model)
        folder = find_present(entry, reader.settings)
        if folder is None:
            advice = f"{entry.name} is not here; fetch it: lift models --fetch"
            return Finding("model", False, advice)
        verify_weights(folder)
    except LiftError as error:
        return Finding("model", False, str(error))
    return Finding(
        "model",
        True,
        f"{folder.name}, {folder.parameters / 1e6:,.0f} M weights, window {folder.window:,} tokens",
    )


def _device(reader: Reader) -> Finding:
    try:
        choice = choose_device(reader.settings)
    except LiftError as error:
        return Finding("device", False, str(error))
    return Finding("device", True, f"{choice.device}, {choice.label}: {choice.reason}")
