"""Segments: everything is covered, nothing is redundant, offsets map back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_app.errors import CallerError
from lift_app.lifting.segments import cut_segments, segment_bounds, trained_tokens

LENGTHS = st.tuples(st.integers(2, 60), st.integers(1, 60)).filter(lambda pair: pair[1] <= pair[0])


@given(tokens=st.integers(1, 2000), shape=LENGTHS)
def test_windows_follow_the_definition(tokens: int, shape: tuple[int, int]) -> None:
    length, stride = shape
    bounds = segment_bounds(tokens, length, stride)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == tokens
    assert {position for start, end in bounds for position in range(start, end)} == set(
        range(tokens)
    )
    for k, (start, end) in enumerate(bounds):
        assert start == k * stride
        assert end - start == length or k == len(bounds) - 1
    if len(bounds) > 1:  # without the last one, something would be missing
        assert bounds[-2][1] < tokens


def test_a_short_text_is_one_segment() -> None:
    assert segment_bounds(5, 2048, 768) == [(0, 5)]
    assert segment_bounds(2048, 2048, 768) == [(0, 2048)]


def test_the_papers_numbers() -> None:
    assert segment_bounds(3000, 2048, 768) == [(0, 2048), (768, 2816), (1536, 3000)]
    # 100k tokens cost about 265k trained tokens an epoch at stride 3/8.
    assert 262_000 < trained_tokens(100_000, 2048, 768) < 268_000


@pytest.mark.parametrize("shape", [(0, 8, 4), (10, 1, 1), (10, 8, 0), (10, 8, 9)])
def test_impossible_shapes_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(CallerError):
        segment_bounds(*shape)


@given(text=st.text(min_size=1, max_size=300), shape=LENGTHS)
def test_offsets_map_back_to_the_text(text: str, shape: tuple[int, int]) -> None:
    offsets = [(i, i + 1) for i in range(len(text))]
    segments = cut_segments(offsets, *shape)
    for segment in segments:
        assert segment.char_end - segment.char_start == len(segment)
    rebuilt = segments[0].char_end
    for previous, segment in itertools.pairwise(segments):
        assert segment.char_start <= previous.char_end
        rebuilt = max(rebuilt, segment.char_end)
    assert rebuilt == len(text)
