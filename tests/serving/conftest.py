"""Readers of one library whose base stands on a start, and a server that serves the bare base."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from learned_shelf import learned, make_start
from stand_in import Open, Serve, StandIn

from lift_app.reader import Reader
from lift_app.settings import Settings


@pytest.fixture
def standing(tiny_settings: Settings) -> Settings:
    """Settings with a start, as the embedded model has one."""
    make_start(tiny_settings)
    return replace(tiny_settings, start="mine")


@pytest.fixture
def serve(tiny_model: Path, tiny_settings: Settings) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(**options: Any) -> StandIn:
            return stack.enter_context(StandIn(tiny_model, tiny_settings, **options))

        yield start


@pytest.fixture
def open_reader(standing: Settings) -> Iterator[Open]:
    """Open a reader of the library, with or without a server."""
    with ExitStack() as stack:

        def start(server: StandIn | None = None, **changes: Any) -> Reader:
            url = server.url if server else ""
            return stack.enter_context(Reader(replace(standing, server=url, **changes)))

        yield start


@pytest.fixture
def book(open_reader: Open, story: Path) -> str:
    """The story, on the shelf and learned; gives its id."""
    reader = open_reader()
    found: str = reader.add(story)["id"]
    learned(reader, found)
    reader.close()
    return found


@pytest.fixture(autouse=True)
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model's words stand on nothing, and it finds everything likely."""
    monkeypatch.setattr("lift_app.answering.answerer.stands", lambda *_: True)
