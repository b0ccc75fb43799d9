"""Recipe, schedule and key: what a lift is, as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_app.errors import CallerError
from lift_app.lifting.key import adapter_key
from lift_app.lifting.recipe import RECIPES, Recipe, resolve_recipe
from lift_app.lifting.schedule import Schedule


def key_of(**changes: object) -> str:
    parts: dict[str, object] = {
        "owner": "local",
        "text_sha256": "t",
        "title": "T",
        "weights_sha256": "w",
        "quantisation": None,
        "recipe": Recipe(),
    }
    return adapter_key(**{**parts, **changes})  # type: ignore[arg-type]


def test_every_part_changes_the_key() -> None:
    changed = [
        {"owner": "ada"},
        {"text_sha256": "x"},
        {"title": "U"},
        {"weights_sha256": "x"},
        {"quantisation": "nf4"},
        {"start": "s"},
        {"recipe": Recipe(seed=1)},
    ]
    keys = {key_of(), *(key_of(**change) for change in changed)}
    assert len(keys) == len(changed) + 1


def test_another_template_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of()
    monkeypatch.setattr("lift_app.lifting.key.TEMPLATE_VERSION", 999)
    assert key_of() != before


def test_the_name_of_a_recipe_does_not_change_the_key() -> None:
    assert key_of(recipe=Recipe(name="mine")) == key_of(recipe=Recipe(name="standard"))


def test_a_recipe_survives_json() -> None:
    for recipe, reason in RECIPES.values():
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert reason


def test_the_papers_recipe_is_the_papers() -> None:
    paper = RECIPES["paper"][0]
    assert (paper.segment_length, paper.stride) == (2048, 768)


def test_segments_are_fitted_to_the_window() -> None:
    fitted = resolve_recipe("paper", window=512)
    assert (fitted.segment_length, fitted.stride) == (512, 192)
    framed = resolve_recipe("standard", window=128)
    assert framed.segment_length < 128 and framed.stride == 42


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"epochs": 0}, "epochs"),
        ({"stride": 999}, "stride"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"warmup": 2}, "warmup"),
        ({"rank": "many"}, "rank"),
        ({"colour": 1}, "colour"),
    ],
)
def test_wrong_values_are_named(values: dict[str, object], word: str) -> None:
    with pytest.raises(CallerError, match=word):
        resolve_recipe("standard", window=8192, values=values)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(CallerError, match="quick, standard, deep, paper"):
        resolve_recipe("slow", window=8192)


@given(
    segments=st.integers(1, 80),
    epochs=st.integers(1, 4),
    batch=st.integers(1, 7),
    seed=st.integers(0, 5),
)
def test_every_epoch_sees_every_segment_once(
    segments: int, epochs: int, batch: int, seed: int
) -> None:
    recipe = Recipe(epochs=epochs, batch_segments=batch, seed=seed)
    schedule = Schedule(recipe, segments)
    order = [index for step in range(schedule.steps) for index in schedule.batch(step)]
    for epoch in range(epochs):
        assert sorted(order[epoch * segments : (epoch + 1) * segments]) == list(range(segments))
    assert schedule.batch(schedule.steps) == ()


def test_the_rate_warms_up_and_decays() -> None:
    recipe = Recipe(epochs=1, batch_segments=1, warmup=0.1, final_rate=0.1)
    schedule = Schedule(recipe, 100)
    rates = [schedule.learning_rate(step) for step in range(100)]
    assert rates[0] < rates[5] < rates[9] == max(rates) == recipe.learning_rate
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert recipe.learning_rate * 0.1 <= rates[-1] < recipe.learning_rate * 0.11
