"""A killed run resumes: kill -9 at effects and at moments, and the lift ends as if nothing was."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import mortal
import pytest
import torch
from figures import SEED, SOAK, tell
from safetensors.torch import load_file
from whole_reading import assert_sound

from lift_app.library import Library, sources
from lift_app.settings import Settings

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL and no fork"),
]

KILLS = 100 if SOAK else 6
STEPS = {"segment_length": 64, "stride": 64, "epochs": 2, "rank": 1, "alpha": 2}


def weights(settings: Settings) -> dict[str, torch.Tensor]:
    with Library.open(settings) as library:
        [row] = library.adapters.list()
        library.adapters.verify(row.key)
        return load_file(library.adapters.folder(row.key) / "adapter_model.safetensors")


@pytest.mark.slow
def test_a_lift_killed_again_and_again_ends_with_the_same_weights(
    tiny_settings: Settings, short_story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_ABANDONED_SECONDS", -1.0)  # nobody else is adding a book
    settings = replace(tiny_settings, checkpoint_seconds=0)
    calm = replace(settings, home=tmp_path / "calm")
    child = mortal.start(mortal.lift, calm, short_story, STEPS, None)
    child.join(120)
    assert child.exitcode == 0
    expected = weights(calm)

    chance = random.Random(SEED)
    kills, runs = 0, 0
    while kills < KILLS:
        runs += 1
        # Half of the deaths at an effect, half at any moment of the lift.
        die_at = chance.randrange(5, 160) if runs % 2 else None
        child = mortal.start(mortal.lift, settings, short_story, STEPS, die_at)
        child.join(120 if die_at is not None else chance.uniform(0.5, 2.5))
        if child.is_alive():
            child.kill()
            child.join(20)
        if child.exitcode == 0:  # it was done before it could die: begin anew
            assert all(torch.equal(weights(settings)[name], t) for name, t in expected.items())
            with Library.open(settings) as library:
                library.books.delete(library.books.list()[0].id)
            continue
        assert child.exitcode == -9
        kills += 1
        assert_sound(settings)
    child = mortal.start(mortal.lift, settings, short_story, STEPS, None)
    child.join(120)
    assert child.exitcode == 0
    found = weights(settings)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert_sound(settings)
    tell(kills=kills, runs=runs, losses=0)
