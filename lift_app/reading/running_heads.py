"""Running heads, page numbers and line numbers: what is printed on pages but is not the text.

Finds them by what repeats at the top and bottom of pages, removes them, reads the printed page
numbers from them, and says what was removed. Knows nothing about PDF libraries.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from lift_app.reading.chapters import chapter_line, roman_numeral, roman_value
from lift_app.reading.layout import Line

_EDGE_LINES = 3
"""How many lines at the top and at the bottom may be running heads."""
_NUMBER = re.compile(r"^\W{0,3}(\d{1,5}|[ivxlc]{1,8})\b|\b(\d{1,5}|[ivxlc]{1,8})\W{0,3}$")
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")
_ORNAMENT = re.compile(r"^(?:[\u2500-\u27bf\u2b00-\u2bff]\s*){4,}$")
_LEAST_LINE_NUMBERS = 10


@dataclass
class Heads:
    """What was found on the pages of one document."""

    pages: list[list[Line]]
    """The lines of each page without running heads."""
    labels: dict[int, str] = field(default_factory=dict)
    """0-based index of a page -> the number printed on it."""
    dropped: list[str] = field(default_factory=list)
    """Sentences for the report."""


def remove_running_heads(pages: Sequence[Sequence[Line]]) -> Heads:
    """Remove what repeats at the edges of the pages.

    A line goes if the same text, numbers aside, stands at the edge of at least three pages that
    lie near each other, or if it carries the page's number and little else.
    """
    found = Heads([list(lines) for lines in pages])
    _remove_ornaments(found)
    _remove_line_numbers(found)
    edges = [_edges(lines) for lines in found.pages]
    found.labels = _printed_numbers(edges)
    repeated = _repeated(edges, found.labels)
    examples: Counter[str] = Counter()
    numbers = 0
    for index, lines in enumerate(found.pages):
        label = found.labels.get(index)
        removed: set[int] = set()
        for position, line in edges[index]:
            carries = label is not None and label in _numbers_of(line.text)
            rest = _DIGITS.sub("", line.text).strip(" .-–—|[]()")
            if carries and not rest:
                numbers += 1
            elif (_key(line, label), index) in repeated or (
                carries and len(rest) <= 60 and rest == rest.upper() and len(rest.split()) <= 8
            ):
                examples[rest] += 1
                numbers += carries
            else:
                continue
            removed.add(position)
        found.pages[index] = [line for at, line in enumerate(lines) if at not in removed]
    if examples:
        shown = ", ".join(f"“{text[:50]}”" for text, _ in examples.most_common(3))
        found.dropped.append(
            f"Running heads and feet were left out on {sum(examples.values())} lines, such as "
            f"{shown}."
        )
    if numbers:
        found.dropped.append(
            f"Page numbers printed on {numbers} pages were left out of the text; citations use "
            "them."
        )
    return found


def _edges(lines: Sequence[Line]) -> list[tuple[int, Line]]:
    """The lines at the top and the bottom, with their place in the reading order."""
    order = sorted(enumerate(lines), key=lambda pair: -pair[1].middle)
    # A page of a few lines is all edge; its middle is text.
    count = min(_EDGE_LINES, (len(order) + 1) // 2)
    return order[:count] + order[max(count, len(order) - count) :]


def _key(line: Line, label: str | None) -> tuple[str, int]:
    """What two running heads have in common: the text, the page's number aside, and the height.

    Other numbers count: "Chapter 3" and "Chapter 4" at the top of their first pages are text.
    """
    words = ["#" if word == label else word for word in line.text.casefold().split()]
    return " ".join(words), round(line.middle / 12)


def _repeated(
    edges: Sequence[Sequence[tuple[int, Line]]], labels: dict[int, str]
) -> set[tuple[tuple[str, int], int]]:
    """(key, page) of lines that repeat on at least three pages not far from each other."""
    places: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, lines in enumerate(edges):
        for _, line in lines:
            text, height = _key(line, labels.get(index))
            if len(text) > 100 or not text:
                continue
            # Neighbouring heights count too: rounding must not part what is one row.
            for near in (height - 1, height, height + 1):
                places[(text, near)].append(index)
    repeated = set()
    for index, lines in enumerate(edges):
        for _, line in lines:
            key = _key(line, labels.get(index))
            where = places.get(key, [])
            close = where[bisect_left(where, index - 8) : bisect_right(where, index + 8)]
            if len(set(close)) >= 3:
                repeated.add((key, index))
    return repeated


def _numbers_of(text: str) -> list[str]:
    """Numbers at the beginning and the end of a line, arabic or small roman."""
    return [first or last for first, last in _NUMBER.findall(text.strip())]


def _printed_numbers(edges: Sequence[Sequence[tuple[int, Line]]]) -> dict[int, str]:
    """Page numbers that go on from page to page: with their neighbours they make a series."""
    offsets: list[dict[tuple[bool, int], str]] = []
    for index, lines in enumerate(edges):
        candidates = {}
        for _, line in lines:
            if len(line.text) > 90 or (len(line.text.split()) == 2 and chapter_line(line.text)):
                continue  # the number of "Chapter 3" is not the page's
            for text in _numbers_of(line.text):
                value = int(text) if text.isdigit() else roman_value(text)
                if value is not None:
                    candidates[(text.isdigit(), value - index)] = text
        offsets.append(candidates)
    labels: dict[int, str] = {}
    for index, candidates in enumerate(offsets):
        near = Counter(
            offset
            for other in range(max(0, index - 4), min(len(offsets), index + 5))
            for offset in offsets[other]
        )
        best = max(candidates, key=lambda offset: near[offset], default=None)
        if best is not None and near[best] >= 3:
            labels[index] = candidates[best]
    return _filled(labels, len(edges))


def _filled(labels: dict[int, str], count: int) -> dict[int, str]:
    """Give pages without a printed number (chapter openings) the one that they would have."""
    if not labels:
        return {}
    filled = dict(labels)
    seen = sorted(labels)
    used = set(labels.values())
    for index in range(count):
        if index in filled:
            continue
        place = bisect_left(seen, index)
        for anchor in (*seen[place : place + 1], *seen[max(place - 1, 0) : place]):
            text = labels[anchor]
            value = int(text) if text.isdigit() else roman_value(text) or 0
            value += index - anchor
            label = str(value) if text.isdigit() else roman_numeral(value)
            if value > 0 and label not in used:
                filled[index] = label
                used.add(label)
                break
    return filled


def _remove_ornaments(found: Heads) -> None:
    count = 0
    for index, lines in enumerate(found.pages):
        kept = [line for line in lines if not _ORNAMENT.match(line.text.strip())]
        count += len(lines) - len(kept)
        found.pages[index] = kept
    if count:
        found.dropped.append(
            "One ornament was left out." if count == 1 else f"{count} ornaments were left out."
        )


def _remove_line_numbers(found: Heads) -> None:
    """Numbers 1, 2, 3 ... in the margin, as transcripts and bills have them."""
    pages = 0
    for index, lines in enumerate(found.pages):
        run: list[int] = []
        for position, line in enumerate(lines):
            if line.text.strip() == str(len(run) + 1):
                run.append(position)
        column = {round(lines[at].right / 6) for at in run}
        if len(run) >= _LEAST_LINE_NUMBERS and len(column) <= 2:
            pages += 1
            found.pages[index] = [line for at, line in enumerate(lines) if at not in run]
    if pages:
        where = "one page" if pages == 1 else f"{pages} pages"
        found.dropped.append(f"Line numbers in the margin were left out on {where}.")
