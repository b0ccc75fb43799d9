"""A reading from the first effect to the last, with the slow parts of it shared between runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lift_app.engine import engine, lifts
from lift_app.engine.engine import Engine
from lift_app.library import sources
from lift_app.reading import FileReader
from lift_app.settings import Settings


@pytest.fixture(scope="session")
def shared_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileReader]:
    """One process that reads files, for all runs."""
    with FileReader(Settings(home=tmp_path_factory.mktemp("files"))) as reader:
        yield reader


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, shared_files: FileReader) -> None:
    """Readers in a row share the loaded model and the process that reads files, and never idle."""
    hosts: dict[str, Any] = {}
    load = Engine._load

    def once(self: Engine, model: str) -> Any:
        if model not in hosts:
            hosts[model] = load(self, model)
        return hosts[model]

    monkeypatch.setattr(Engine, "_load", once)
    monkeypatch.setattr(FileReader, "close", lambda self: None)
    monkeypatch.setattr("lift_app.reader.FileReader", lambda settings: shared_files)
    monkeypatch.setattr(engine, "IDLE_SECONDS", 0.01)
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(lifts, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(sources, "_ABANDONED_SECONDS", -1.0)


@pytest.fixture
def short_story(tmp_path: Path) -> Path:
    """A book of two segments."""
    path = tmp_path / "quell.md"
    lines = [
        f"Orla Venn kept {n} lanterns in the tower of Quell in the year 19{n}." for n in range(9)
    ]
    path.write_text("# Quell\n\n" + " ".join(lines), encoding="utf-8")
    return path
