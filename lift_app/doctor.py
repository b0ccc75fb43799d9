"""Doctor: looks at the library, the shelf, the model and the machine, and says what it finds.

It only reads, except that a damaged adapter is taken off the shelf into quarantine. Mending a
damaged index is the work of `engine.recovery`, before a Reader is opened.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import time
from dataclasses import dataclass

from lift_app.errors import LiftError
from lift_app.library import BookRow
from lift_app.library.folders import hash_file
from lift_app.library.snapshots import is_sound, mark_of, restorations, snapshot_of
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
        _words(reader),
        _snapshot(reader),
        *_restorations(reader),
        *_books(reader),
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
    index = reader.settings.database
    if index.exists() and not is_sound(index):
        mark_of(index).touch()
        return Finding("index", False, f"{index} is damaged; mend it: lift doctor --repair")
    books, jobs = len(reader.library.books.list()), len(reader.library.jobs.list(unfinished=True))
    return Finding("index", True, f"{books} books, {jobs} unfinished lifts, integrity ok")


def _words(reader: Reader) -> Finding:
    """The word indexes, by which passages are found."""
    if reader.library.passages.index_is_sound():
        return Finding("word index", True, "it holds the words of every passage")
    return Finding("word index", False, "it is damaged; make it anew: lift doctor --repair")


def _snapshot(reader: Reader) -> Finding:
    snapshot = snapshot_of(reader.settings.database)
    if not snapshot.exists():
        return Finding("snapshot", True, "none yet; the first change of the library makes one")
    age = max(0.0, time.time() - snapshot.stat().st_mtime)
    if not is_sound(snapshot):
        snapshot.unlink()
        return Finding(
            "snapshot", False, "it was damaged and is removed; the next change makes one"
        )
    return Finding("snapshot", True, f"sound, {age / 3600:.1f} hours old")


def _restorations(reader: Reader) -> list[Finding]:
    """Earlier accidents: a word until their folder is removed."""
    return [
        Finding("restored", True, restored.message()) for restored in restorations(reader.settings)
    ]


def _books(reader: Reader) -> list[Finding]:
    findings = []
    rows = reader.library.books.list()
    for row in rows:
        try:
            text_kept = _is_kept(reader, row)
            file_kept = hash_file(reader.library.books.source(row.id)) == row.id
        except (LiftError, OSError) as error:
            findings.append(Finding(f"book {row.title}", False, str(error)))
            continue
        if not (text_kept and file_kept):
            what = "file" if text_kept else "text"
            says = f"its {what} is not what was kept; remove the book and add it again"
            findings.append(Finding(f"book {row.title}", False, says))
    whole = len(rows) - len(findings)
    return [*findings, Finding("books", True, f"{whole} with text and file as they were read")]


def _is_kept(reader: Reader, row: BookRow) -> bool:
    """Whether pages, and the passages cut from them, are what was kept."""
    book, passages = reader.library.books.load(row.id), reader.library.passages
    return book.text_sha256 == row.text_sha256 and all(
        page.text[passage.start : passage.end] == passage.text
        for page in book.pages
        for passage in passages.on_page(row.id, page.number)
    )


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
