"""The catalogue: names, folders, hub ids, and what fits in a memory."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lift_app.errors import CallerError, NotFound
from lift_app.models.catalogue import (
    CATALOGUE,
    EMBEDDED,
    FolderSource,
    HubSource,
    WheelSource,
    find_model,
    suggest,
)
from lift_app.models.device import memory_needed_gb
from lift_app.settings import Settings


def test_the_default_of_the_settings_is_the_embedded_model() -> None:
    entry = find_model(Settings().model)
    assert entry is EMBEDDED
    assert isinstance(entry.sources[0], WheelSource)
    assert entry.window == 8192


def test_names_are_unique_and_every_entry_says_what_it_needs() -> None:
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert entry.licence
        assert entry.window
        assert entry.parameters
        precision = "nf4" if entry.parameters > 1e9 else "fp32"
        assert entry.minimum_memory_gb == math.ceil(memory_needed_gb(entry.parameters, precision))


@pytest.mark.parametrize("ref", ["qwen3-8b", "Qwen3-8B", "Qwen/Qwen3-8B", " qwen/qwen3-8b "])
def test_catalogue_entries_are_found_by_name_and_hub_id(ref: str) -> None:
    assert find_model(ref).title == "Qwen3 8B"


def test_the_papers_model_says_that_its_licence_must_be_accepted() -> None:
    entry = find_model("meta-llama/Meta-Llama-3-8B-Instruct")
    assert entry.sources == (HubSource("meta-llama/Meta-Llama-3-8B-Instruct", gated=True),)
    assert "licence" in entry.note


def test_folder_of_a_model_is_an_entry(tiny_folder: Path) -> None:
    entry = find_model(str(tiny_folder))
    assert entry.sources == (FolderSource(tiny_folder.resolve()),)


def test_folder_without_a_model_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"holds no model.*config\.json"):
        find_model(str(tmp_path))


def test_other_hub_ids_are_taken_as_they_are() -> None:
    entry = find_model("some-org/Some.Model_1")
    assert entry.sources == (HubSource("some-org/Some.Model_1"),)
    assert entry.slug == "some-org--Some.Model_1"


@pytest.mark.parametrize("ref", ["", "nothing", "/no/such/folder", "a/b/c", "../x/y", "org/.."])
def test_unknown_models_name_the_known_ones(ref: str) -> None:
    with pytest.raises(NotFound, match="smollm2-135m-instruct"):
        find_model(ref)


def test_suggest_gives_what_fits_largest_first() -> None:
    assert suggest(1) == ()
    assert suggest(3) == (EMBEDDED,)
    fitting = suggest(8)
    sizes = [entry.parameters for entry in fitting]
    assert fitting[0].title == "Qwen3 4B"
    assert sizes == sorted(sizes, reverse=True)
    assert set(suggest(80)) == set(CATALOGUE)
