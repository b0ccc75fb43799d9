"""The recorder: learns the sample book and writes the recording that comes with the project.

In a home of its own, so that nothing on a reader's shelf shortens the lift or is changed by it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lift_app.bench.machine import describe_run
from lift_app.library import effects, folders
from lift_app.reader import Reader
from lift_app.recording import (
    ADAPTER_FILES,
    ANYBODY,
    CARD,
    EVENTS,
    FOLDER,
    RECIPE,
    key_for,
)
from lift_app.settings import Settings


def record(settings: Settings, folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """Learn the sample book with the standard recipe and write its recording.

    Args:
        settings: model, start, device and precision.
        folder: where it is written; what stood there is replaced at the end.

    Yields:
        Progress as of a lift; the last one has stage `recorded`, `folder` and `bytes`.

    Raises:
        LiftError: as `Reader.tune`; the folder is then as it was.
    """
    with TemporaryDirectory(prefix="lift-demo-") as home:
        own = replace(settings, home=Path(home), owner="local")
        with Reader(own) as reader:
            book = reader.add(reader.sample_book())
            events: list[dict[str, Any]] = []
            began = time.monotonic()
            for event in reader.tune(book["id"], recipe=RECIPE):
                events.append({"seconds": round(time.monotonic() - began, 2), **event})
                yield event
            _write(reader, str(book["id"]), events, folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    yield {"stage": "recorded", "folder": str(folder), "bytes": size}


def _write(reader: Reader, book: str, events: list[dict[str, Any]], folder: Path) -> None:
    from lift_app.models.adapter_file import read_adapter, write_adapter

    row = reader.library.books.find(book)
    adapter = reader.library.adapters.for_book(row.id)[0]
    job = reader.library.jobs.list(book_id=row.id)[0]
    model = reader.present_model()
    effects.make_folder(folder)
    found = read_adapter(reader.library.adapters.folder(adapter.key))
    tensors = {name: tensor.half() for name, tensor in found.tensors.items()}
    write_adapter(folder, replace(found, tensors=tensors))
    lines = "".join(f"{json.dumps(event)}\n" for event in events)
    effects.replace_file(folder / EVENTS, [lines.encode()])
    first = reader.library.jobs.segment_losses(job.id)
    before = [
        round(first[index]["first"], 4) if index in first else None
        for index in range(len(adapter.summary["segments"]))
    ]
    card = {
        "key": key_for(ANYBODY, row, reader.settings, model),
        "machine": describe_run(reader, RECIPE, {}, adapter.key)["sentence"],
        "seconds": events[-1]["seconds"],
        "summary": {**adapter.summary, "before": before},
        "files": {name: folders.hash_file(folder / name) for name in ADAPTER_FILES},
    }
    # Last: a folder without its card is no recording.
    effects.replace_file(folder / CARD, [f"{json.dumps(card, indent=2)}\n".encode()])
