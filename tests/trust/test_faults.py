"""Nothing is half-saved: every effect of a reading fails once, and the library is sound after it.

As SQLite tests itself: count the effects of add, lift, publish, ask and delete; then let the first
one fail, then the second, and so on until the reading passes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from faults import FaultAt
from figures import SOAK, tell
from whole_reading import assert_sound, read_through

from lift_app.errors import LiftError
from lift_app.library import effects
from lift_app.settings import Settings

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parent.parent.parent

STRIDE = 1 if SOAK else 11
"""Of this many effects one fails; the long run lets every one fail."""


def count_effects(settings: Settings, story: Path) -> list[tuple[str, str]]:
    listener = FaultAt(-1)
    with effects.announced_to(listener):
        read_through(settings, story)
    return listener.seen


def test_every_kind_of_effect_goes_through_the_door(
    tiny_settings: Settings, short_story: Path, quick: None
) -> None:
    seen = count_effects(tiny_settings, short_story)
    tell(effects=len(seen))
    assert {kind for kind, _ in seen} == set(effects.KINDS)
    for part in ('INSERT INTO "books"', "COMMIT", "source.md", "state.bin", "manifest.json"):
        assert any(part in target for _, target in seen), part
    for part in ("adapter_model.safetensors", "engine.json"):
        assert any(part in target for _, target in seen), part


def test_nothing_of_the_library_changes_a_disk_by_another_door() -> None:
    """Markers aside, whose loss loses nothing: a damaged index is found damaged again."""
    direct = re.compile(
        r"\.write_(text|bytes)\(|open\([^)]*[\"'][wax]b?\+?[\"']|\.(unlink|touch|rmdir|mkdir)\("
        r"|shutil\.(move|copy\w*|rmtree)|os\.(replace|rename|remove|unlink)\("
    )
    around = re.compile(r"(mark_of|snapshot_of)\([^)]*\)\.(touch|unlink)\(|snapshot\.unlink\(")
    parts = ("library", "engine", "lifting", "answering", "visitors", "reading")
    files = [path for part in parts for path in (ROOT / "lift_app" / part).glob("*.py")]
    files += (ROOT / "lift_app").glob("*.py")
    found = [
        f"{path.name}: {line.strip()}"
        for path in files
        if path.name != "effects.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if direct.search(line) and not around.search(line)
    ]
    assert len(files) > 50 and found == []


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_every_failing_effect_leaves_a_sound_library(
    tiny_settings: Settings, short_story: Path, quick: None, lasting: bool
) -> None:
    read_through(tiny_settings, short_story)  # the model is loaded, the tables are made
    nth, told, survived = int(lasting), 0, 0
    while True:
        fault = FaultAt(nth, lasting=lasting)
        try:
            with effects.announced_to(fault):
                read_through(tiny_settings, short_story)
            survived += bool(fault.failed)
        except LiftError as error:
            assert "unexpected" not in str(error), (fault.failed[0], str(error))
            told += 1
        assert_sound(tiny_settings)
        if not fault.failed:
            break
        read_through(tiny_settings, short_story)
        nth += STRIDE
    tell(faults=told + survived, told=told, survived_without_a_word=survived, unsound=0)
    assert told + survived > 120 / STRIDE
