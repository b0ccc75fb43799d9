"""The page on a Space: a button to duplicate it, the limits, and no more ways in than elsewhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "ui"))
from fake_reader import FakeReader

from lift_app.settings import Settings
from lift_app.ui.api import VERBS
from lift_app.ui.app import build
from lift_app.ui.door import Door
from lift_app.visitors import House


@pytest.fixture
def on_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "reader/lift")


def shared(tmp_path: Path, **changes: Any) -> Door:
    reader = FakeReader(tmp_path)
    reader.settings = replace(Settings(home=tmp_path), **changes)
    return Door(reader, House(reader))  # type: ignore[arg-type]


def test_a_space_can_be_duplicated(tmp_path: Path, on_space: None) -> None:
    demo = build(FakeReader(tmp_path))  # type: ignore[arg-type]
    config = demo.get_config_file()
    [button] = [c for c in config["components"] if c["props"].get("elem_id") == "duplicate"]
    clicks = [fn for fn in config["dependencies"] if (button["id"], "click") in fn["targets"]]
    assert "spaces/reader/lift?duplicate=true" in clicks[0]["js"]
    assert {name.lstrip("/") for name in demo.get_api_info()["named_endpoints"]} == set(VERBS)


def test_elsewhere_there_is_no_such_button(tmp_path: Path) -> None:
    config = build(FakeReader(tmp_path)).get_config_file()  # type: ignore[arg-type]
    assert not [c for c in config["components"] if c["props"].get("elem_id") == "duplicate"]


def test_the_limits_are_stated(tmp_path: Path) -> None:
    door = shared(tmp_path, visitor_books=3, visitor_questions=7, visitor_minutes=11)
    limits = door.limits()
    assert "up to 3 books" in limits
    assert "7 questions a minute" in limits
    assert "up to 11 minutes" in limits
    assert "GPU" not in limits


def test_gpu_minutes_are_stated_where_they_are_the_visitors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeReader, "in_slices", True)
    door = shared(tmp_path, slice_seconds=45)
    assert "your own GPU minutes of the hub, up to 45 seconds at a time" in door.limits()
