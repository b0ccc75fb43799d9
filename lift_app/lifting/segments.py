"""Segments: the training windows of a book (arXiv 2412.13626).

Pure arithmetic on token positions and character offsets. Knows nothing about torch or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lift_app.errors import CallerError


@dataclass(frozen=True)
class Segment:
    """One window [start, end) of a book's tokens.

    `char_start` and `char_end` are the half-open range of `Book.text` that its tokens come from.
    """

    index: int
    start: int
    end: int
    char_start: int
    char_end: int

    def __len__(self) -> int:
        return self.end - self.start


def segment_bounds(tokens: int, length: int, stride: int) -> list[tuple[int, int]]:
    """Cut `tokens` tokens into windows of `length` that start every `stride` tokens.

    Window k covers [k * stride, k * stride + length). The last one ends exactly at `tokens` and
    may be shorter; there are only as many as are needed to cover everything. A text no longer
    than `length` is one window. The papers take length 2048 and stride 768 = 3/8 length.

    Raises:
        CallerError: there is nothing to cut, or the stride would leave gaps.
    """
    if tokens < 1:
        raise CallerError("There is no text to learn from.", code="nothing_to_learn")
    if length < 2:
        raise CallerError(f"A segment needs at least 2 tokens, not {length}.")
    if not 1 <= stride <= length:
        raise CallerError(f"The stride must lie between 1 and the segment length, not {stride}.")
    count = 1 if tokens <= length else -(-(tokens - length) // stride) + 1
    return [(k * stride, min(k * stride + length, tokens)) for k in range(count)]


def fresh_bounds(tokens: int, length: int, stride: int, phase: int) -> list[tuple[int, int]]:
    """Cut as `segment_bounds` does, but so that the second window starts at `phase`.

    The first window begins as far before it, and what would lie before the book is left out; with
    `phase` = `stride` the cuts are those of `segment_bounds`. Where less than half a window is left
    of the first one, it and the second share their tokens: a step over a few tokens alone would
    weigh as much as any other.

    Args:
        tokens: to be cut.
        length: tokens in a window.
        stride: tokens between two starts.
        phase: 1 to `stride`.

    Raises:
        CallerError: as `segment_bounds`.
    """
    left_out = stride - phase
    bounds = [
        (max(0, start - left_out), end - left_out)
        for start, end in segment_bounds(tokens + left_out, length, stride)
    ]
    if len(bounds) > 1 and 2 * bounds[0][1] < length:
        middle = bounds[1][1] // 2
        bounds[:2] = [(0, middle), (middle, bounds[1][1])]
    return bounds


def cut_segments(
    offsets: Sequence[tuple[int, int]], length: int, stride: int
) -> tuple[Segment, ...]:
    """Cut a tokenised book into segments.

    Args:
        offsets: for each token the half-open range of characters it stands for, in reading order.
        length: tokens in a segment (l).
        stride: tokens between two starts (s).

    Raises:
        CallerError: there is nothing to cut, or the stride would leave gaps.
    """
    return tuple(
        Segment(k, start, end, offsets[start][0], max(right for _, right in offsets[start:end]))
        for k, (start, end) in enumerate(segment_bounds(len(offsets), length, stride))
    )


def trained_tokens(tokens: int, length: int, stride: int) -> int:
    """Tokens that one epoch trains on: the sum of all segment lengths."""
    return sum(end - start for start, end in segment_bounds(tokens, length, stride))
