"""The ribbon: segments where the lift cuts them, on their pages, with what is known of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lift_app.lifting.segments import cut_segments
from lift_app.models.tokens import load_tokenizer
from lift_app.reader import Reader
from lift_app.settings import Settings


@pytest.fixture
def reader(tiny_settings: Settings) -> Iterator[Reader]:
    with Reader(tiny_settings) as opened:
        yield opened


@pytest.fixture
def book(reader: Reader, story: Path) -> str:
    return str(reader.add(story)["id"])


def ribbon(reader: Reader, book: str) -> dict[str, Any]:
    """The ribbon once its segments are found."""
    deadline = time.monotonic() + 20
    while not (found := reader.ribbon(book))["exact"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def recipe(length: int = 100, stride: int = 40) -> dict[str, Any]:
    return {"name": "test", "segment_length": length, "stride": stride}


def test_pages_stand_in_for_segments_until_those_are_found(reader: Reader, book: str) -> None:
    first = reader.ribbon(book)
    assert not first["exact"]
    assert len(first["cells"]) == reader.show(book)["pages"]
    assert [cell["loss"] for cell in first["cells"]] == [None] * len(first["cells"])
    assert first["worst"] is None and not first["learned"]


def test_cells_are_the_segments_of_the_lift(reader: Reader, book: str, tiny_model: Path) -> None:
    job = reader.library.jobs.create(book, "k" * 64, str(tiny_model), recipe())
    text = reader.library.books.load(book).text
    offsets = load_tokenizer(tiny_model).encode(text, add_special_tokens=False).offsets
    segments = cut_segments(offsets, 100, 40)
    event = {"stage": "training", "step": 1, "steps": 9, "segments": {0: 3.0, 2: 2.0}}
    reader.library.jobs.event(job.id, event)
    reader.library.jobs.event(job.id, {**event, "step": 2, "segments": {0: 1.0}})
    found = ribbon(reader, book)
    cells = found["cells"]
    starts = [segment.char_start / len(text) for segment in segments]
    assert [cell["start"] for cell in cells] == pytest.approx(starts)
    for cell, segment in zip(cells, segments, strict=True):
        assert cell["page"] == reader.library.books.load(book).locate(segment.char_start)[0]
        assert cell["page"] <= cell["last_page"] <= len(found["pages"])
    assert [cell["loss"] for cell in cells[:4]] == [1.0, None, 2.0, None]
    assert cells[0]["before"] == 3.0
    assert found["worst"] == 3.0 and not found["learned"]


def test_a_finished_adapter_shows_what_was_measured_at_the_end(
    reader: Reader, book: str, tiny_model: Path
) -> None:
    library = reader.library
    staged = library.adapters.staging_folder("k" * 64)
    (staged / "adapter_model.safetensors").write_bytes(b"weights")
    (staged / "adapter_config.json").write_text("{}")
    library.adapters.publish(
        "k" * 64,
        staged,
        book_id=book,
        model=reader.settings.model,
        recipe=recipe(),
        summary={"segments": [0.5, None, 0.7]},
    )
    found = ribbon(reader, book)
    assert found["learned"]
    assert [cell["loss"] for cell in found["cells"][:4]] == [0.5, None, 0.7, None]
    assert found["worst"] == 0.7  # nobody knows what it was before: the worst of what is known


def test_the_pages_of_the_ribbon_are_those_of_the_book(reader: Reader, book: str) -> None:
    found, whole = ribbon(reader, book), reader.library.books.load(book)
    assert found["characters"] == len(whole.text)
    assert [share * found["characters"] for share in found["pages"]] == pytest.approx(
        whole.page_starts
    )
    assert list(found["labels"]) == [page.label for page in whole.pages]
    assert found["tokens"] == reader.show(book)["tokens"]


def test_the_segments_are_found_once(
    reader: Reader, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ribbon(reader, book)
    monkeypatch.setattr(reader.library.books, "load", lambda *_: pytest.fail("read again"))
    assert ribbon(reader, book)["cells"] == first["cells"]


def test_without_a_model_the_ribbon_is_the_pages(settings: Settings, story: Path) -> None:
    with Reader(settings) as reader:
        book = reader.add(story)["id"]
        for _ in range(3):
            assert not reader.ribbon(book)["exact"]
            time.sleep(0.05)
