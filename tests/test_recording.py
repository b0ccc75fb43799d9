"""The recording of the sample book: current or not there at all, and whole or not installed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lift_app import recording as module
from lift_app.library import BookRow
from lift_app.models.catalogue import EMBEDDED
from lift_app.reader import Reader
from lift_app.recorder import record
from lift_app.recording import ANYBODY, FOLDER, HOW_TO_MAKE, Recording, key_for
from lift_app.settings import Settings


def test_the_shipped_recording_is_current(embedded_settings: Settings) -> None:
    with Reader(embedded_settings) as reader:
        row = reader.library.books.get(reader.add(reader.sample_book())["id"])
        recording = Recording.read()
        remedy = f"run `{HOW_TO_MAKE}` and commit {FOLDER.name}"
        assert recording is not None, f"there is no recording: {remedy}"
        model = reader.present_model()
        assert model.name == EMBEDDED.name
        current = recording.is_current(row, reader.settings, model)
        assert current, f"text, model, template or recipe have changed since: {remedy}"
        assert reader.add_sample()["id"] == row.id
        assert reader.books()[0]["learned"]
        assert recording.events()[-1]["stage"] == "done"


def test_it_is_small_enough_to_travel() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 12e6


STORY = """# The Lanterns of Quell

Orla Venn kept seven lanterns in the tower of Quell, and lit them every evening at six.

In the year 1910 a storm broke the bell, and Orla Venn mended it with copper before dawn.
"""


@pytest.fixture(scope="module")
def made(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a short story, its recording with the tiny model)."""
    place = tmp_path_factory.mktemp("recording")
    (place / "story.md").write_text(STORY)
    settings = Settings(home=place / "home", model=str(tiny_model))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "sample_book", lambda self: place / "story.md")
        *_, last = record(settings, place / "demo")
    assert last["stage"] == "recorded" and last["bytes"] > 1000
    assert not settings.database.exists(), "it is made in a home of its own"
    return place / "story.md", place / "demo"


@pytest.fixture
def story(made: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(made[0], tmp_path))


@pytest.fixture
def folder(
    made: tuple[Path, Path], story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A recording of the short story, in place of the shipped one."""
    folder = tmp_path / "demo"
    shutil.copytree(made[1], folder)
    monkeypatch.setattr(Reader, "sample_book", lambda self: story)
    read = Recording.read
    monkeypatch.setattr(Recording, "read", lambda: read(folder))
    return folder


def sample(reader: Reader) -> BookRow:
    return reader.library.books.get(reader.add_sample()["id"])


def test_what_was_recorded_stands_on_the_shelf_at_once(
    tiny_settings: Settings, folder: Path
) -> None:
    with Reader(tiny_settings) as reader:
        row = sample(reader)
        [adapter] = reader.library.adapters.for_book(row.id)
        assert adapter.key == key_for("local", row, reader.settings, reader.present_model())
        assert reader.start_tune(row.id)["cached"] is True
        reader.library.adapters.verify(adapter.key)
        recording = reader.recording(row.id)
        assert recording is not None and recording.folder == folder
        answer = reader.ask(row.id, "Who kept lanterns?")
        assert answer["adapter"] == adapter.key
        assert sample(reader).id == row.id, "twice is as good as once"

        before = adapter.summary["before"]
        assert len(before) == len(adapter.summary["segments"]) and None not in before
        reader.forget(row.id)
        assert reader.recording(row.id) is None and not reader.books()[0]["learned"]


def test_events_are_in_order_and_end_with_the_lift(folder: Path) -> None:
    recording = Recording.read()
    assert recording is not None
    events = recording.events()
    times = [event["seconds"] for event in events]
    assert times == sorted(times) and times[-1] == recording.seconds
    assert [e["stage"] for e in events][-1] == "done"
    assert sum("loss" in event for event in events) == events[-1]["step"]


def test_an_outdated_recording_is_as_if_it_were_not_there(
    tiny_settings: Settings, folder: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.write_text(story.read_text() + "\n\nOne more sentence at the end of the book.")
    with Reader(tiny_settings) as reader:
        assert reader.library.adapters.for_book(sample(reader).id) == []
        monkeypatch.setattr(module, "RECIPE", "quick")
        row = sample(reader)
        assert (
            key_for(ANYBODY, row, reader.settings, reader.present_model())
            != (json.loads((folder / "card.json").read_text())["key"])
        )
        assert reader.recording(row.id) is None


def test_a_damaged_or_missing_recording_is_not_installed(
    tiny_settings: Settings, folder: Path
) -> None:
    weights = folder / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with Reader(tiny_settings) as reader:
        assert reader.library.adapters.for_book(sample(reader).id) == []
        (folder / "card.json").write_text("{")
        assert Recording.read() is None
        assert reader.library.adapters.for_book(sample(reader).id) == []
