"""Shared fixtures: every test has a home of its own, and no test reaches a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Tiny models are slower on several threads than on one, much slower beside other work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from tiny_model import make_tiny_model

from lift_app.models.catalogue import EMBEDDED
from lift_app.settings import Settings

READER_HOME = Settings.from_environment().home
"""Where `make model` put the embedded model: looked up before the tests move LIFT_HOME."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Move LIFT_HOME into the test's own folder."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LIFT_HOME", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("LIFT_MODEL", raising=False)
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    """Default settings in the test's own home."""
    return Settings(home=home)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama and a byte-level tokenizer."""
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def tiny_settings(home: Path, tiny_model: Path) -> Settings:
    """Settings that use the tiny model."""
    return Settings(
        home=home, model=str(tiny_model), context_tokens=128, evidence_tokens=96, answer_tokens=16
    )


@pytest.fixture
def embedded_settings(home: Path) -> Iterator[Settings]:
    """Settings whose home borrows the embedded model that `make model` fetched."""
    source = READER_HOME / "models" / EMBEDDED.slug
    if not source.is_dir():
        pytest.skip("the embedded model is not here: run `make model`")
    (home / "models").mkdir(parents=True)
    (home / "models" / EMBEDDED.slug).symlink_to(source)
    yield Settings(home=home)


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A short text in three chapters, with facts that can be asked for."""
    names = ("Orla Venn", "Tobias Rook", "Mirem Daal")
    parts = []
    for number, name in enumerate(names, start=1):
        lines = [
            f"{name} kept {number * 7} lanterns in the tower of Quell.",
            f"Each evening {name} walked down to the harbour and counted the boats.",
            f"In the year 19{number}0 a storm broke the bell, and {name} mended it with copper.",
        ]
        filler = [
            f"The {word} of the town was quiet in chapter {number}, and nobody hurried."
            for word in ("market", "school", "mill", "bridge", "garden", "chapel")
        ]
        parts.append(f"## Chapter {number}: {name}\n\n" + " ".join(lines + filler * 4))
    path = tmp_path / "lanterns.md"
    path.write_text("\n\n".join(["# The Lanterns of Quell", *parts]), encoding="utf-8")
    return path
