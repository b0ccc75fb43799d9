"""Recipe, schedule and key: what a lift is, as numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_app.errors import CallerError
from lift_app.lifting.key import adapter_key
from lift_app.lifting.recipe import RECIPES, Recipe, resolve_recipe
from lift_app.lifting.schedule import Schedule
from lift_app.lifting.segments import segment_bounds
from lift_app.template import TEMPLATE_VERSION


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


def test_another_template_is_another_key() -> None:
    assert key_of(template=TEMPLATE_VERSION) == key_of()
    assert key_of(template=TEMPLATE_VERSION + 1) != key_of()


def test_the_name_of_a_recipe_does_not_change_the_key() -> None:
    assert key_of(recipe=Recipe(name="mine")) == key_of(recipe=Recipe(name="standard"))


def test_fields_that_came_later_leave_old_keys_alone() -> None:
    assert Recipe().sha256 == "3620f5dcca53eb5fa426ed43df8df0092f334bfbbc2418104912f179985612de"
    later = (
        {"general_every": 2},
        {"fresh_cuts": True},
        {"carried_tokens": 8},
        {"upper_layers": 0.5},
    )
    hashes = {Recipe().sha256, *(Recipe(**one).sha256 for one in later)}  # type: ignore[arg-type]
    assert len(hashes) == 1 + len(later)
    kept = {k: v for k, v in Recipe().to_json().items() if k not in ("fresh_cuts", "upper_layers")}
    assert Recipe.from_json(kept) == Recipe()  # as a library of an earlier version has it


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
    carried = resolve_recipe("paper", window=512, values={"carried_tokens": 112})
    assert (carried.segment_length, carried.stride) == (400, 150)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"epochs": 0}, "epochs"),
        ({"stride": 999}, "stride"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"warmup": 2}, "warmup"),
        ({"carried_tokens": -1}, "carried_tokens"),
        ({"upper_layers": 0}, "upper_layers"),
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


@settings(deadline=None)
@given(
    tokens=st.integers(1, 200),
    epochs=st.integers(1, 4),
    batch=st.integers(1, 7),
    seed=st.integers(0, 5),
    fresh=st.booleans(),
    stride=st.integers(1, 30),
)
def test_every_epoch_sees_every_token(
    tokens: int, epochs: int, batch: int, seed: int, fresh: bool, stride: int
) -> None:
    recipe = Recipe(
        segment_length=30,
        stride=stride,
        epochs=epochs,
        batch_segments=batch,
        seed=seed,
        fresh_cuts=fresh,
    )
    schedule = Schedule(recipe, tokens)
    order = [window for step in range(schedule.steps) for window in schedule.batch(step)]
    bounds = segment_bounds(tokens, 30, stride)
    if not fresh:
        for epoch in range(epochs):
            assert sorted(order[epoch * len(bounds) : (epoch + 1) * len(bounds)]) == bounds
    assert all(0 <= start < end <= tokens and end - start <= 30 for start, end in order)
    assert {schedule.segment(window) for window in order} <= set(range(len(bounds)))
    seen = [sum(start <= token < end for start, end in order) for token in range(tokens)]
    assert min(seen) >= epochs
    if stride == 30:
        assert max(seen) == epochs  # each exactly once an epoch
    assert schedule.batch(schedule.steps) == []


def test_fresh_cuts_are_others_in_every_epoch() -> None:
    recipe = Recipe(segment_length=64, stride=64, epochs=6, fresh_cuts=True)
    schedule = Schedule(recipe, 640)
    windows = [window for step in range(schedule.steps) for window in schedule.batch(step)]
    assert len({start % 64 for start, _ in windows if start}) >= 4
    inner = [end - start for start, end in windows if end < 640]
    assert min(inner) >= 32  # two share what would be too little for one
    again = Schedule(recipe, 640)
    assert [again.batch(step) for step in range(again.steps)] == [
        schedule.batch(step) for step in range(schedule.steps)
    ]


def test_the_rate_warms_up_and_decays() -> None:
    recipe = Recipe(segment_length=9, stride=9, batch_segments=1, warmup=0.1, final_rate=0.1)
    schedule = Schedule(recipe, 900)
    rates = [schedule.learning_rate(step) for step in range(100)]
    assert rates[0] < rates[5] < rates[9] == max(rates) == recipe.learning_rate
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert recipe.learning_rate * 0.1 <= rates[-1] < recipe.learning_rate * 0.11
