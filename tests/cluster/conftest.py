"""A shelf of six books, and how they are lifted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from six_books import VALUES, add_books

from lift_app.cluster.assignment import Plan
from lift_app.lifting.recipe import resolve_recipe
from lift_app.reader import Reader
from lift_app.settings import Settings


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers of this process keep their checkpoints."""
    monkeypatch.setenv("LIFT_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.fixture
def reader(tiny_settings: Settings, tmp_path: Path) -> Iterator[Reader]:
    with Reader(tiny_settings) as reader:
        add_books(reader, tmp_path)
        yield reader


@pytest.fixture
def plan(reader: Reader) -> Callable[..., Plan]:
    def make(**values: Any) -> Plan:
        folder = reader.present_model()
        recipe = resolve_recipe("standard", window=folder.window, values={**VALUES, **values})
        return Plan(reader.settings.model, folder, recipe)

    return make
