"""A reader whose base stands on a start, or does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from learned_shelf import learned, make_start

from lift_app.models.starts import NONE
from lift_app.reader import Reader
from lift_app.settings import Settings


@pytest.fixture(params=[NONE, "mine"])
def reader(request: Any, tiny_settings: Settings) -> Iterator[Reader]:
    if request.param != NONE:
        make_start(tiny_settings)
    with Reader(replace(tiny_settings, start=request.param)) as opened:
        yield opened


@pytest.fixture
def exported(reader: Reader, story: Path, tmp_path: Path) -> tuple[str, Path]:
    """(key, folder of the parcel with its book) of the learned story."""
    book = reader.add(story)["id"]
    key = learned(reader, book)
    written = reader.parcels.export(book, tmp_path / "out", with_book=True)
    return key, Path(written["path"])


@pytest.fixture
def other(reader: Reader, tmp_path: Path) -> Iterator[Reader]:
    """Another reader's shelf on the same machine, empty."""
    settings = replace(reader.settings, home=tmp_path / "other", owner="ada")
    with Reader(settings) as opened:
        yield opened
