"""A long text in pieces is the same tokens as at once, in a few bytes each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_model import make_tiny_model

from lift_app.models import tokens
from lift_app.models.tokens import encode, load_tokenizer

WORDS = ["lantern", "the", "Quell", "1984", "naïve", "光", "—", "don't", "\n\n", "  ", "\t", "é́"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer with merges, so that a cut in the wrong place would show."""
    merged = [" ".join(WORDS) * 9]
    return make_tiny_model(tmp_path_factory.mktemp("merged"), merged)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(st.sampled_from(WORDS), max_size=300), space=st.sampled_from(["", " "]))
def test_pieces_are_encoded_as_the_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, parts: list[str], space: str
) -> None:
    monkeypatch.setattr(tokens, "PIECE", 200)
    monkeypatch.setattr(tokens, "LEAD", 80)
    text = space.join(parts)
    whole = load_tokenizer(folder).encode(text, add_special_tokens=False)
    found = encode(load_tokenizer(folder), text)
    assert found.ids.tolist() == whole.ids
    assert list(found.offsets) == whole.offsets
    assert found.offsets[2:5] == whole.offsets[2:5] and len(found.offsets) == len(whole.ids)


def test_pieces_that_never_agree_are_encoded_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "PIECE", 200)
    monkeypatch.setattr(tokens, "LEAD", 80)
    monkeypatch.setattr(tokens, "ALIKE", 10**6)
    text = "The lanterns of Quell. " * 60
    whole = load_tokenizer(folder).encode(text, add_special_tokens=False)
    assert encode(load_tokenizer(folder), text).ids.tolist() == whole.ids
