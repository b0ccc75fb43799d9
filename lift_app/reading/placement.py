"""Placement: where the text of a book's page stands on the printed page of its PDF.

The text of a page was put together from printed lines: words were joined, running heads and line
numbers left out. So a range of it is looked for among the printed characters by its letters and
digits alone, with what stands around it to tell repetitions apart. A range that cannot be told for
certain is placed nowhere. Runs in the child process, because pdfium may abort.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from lift_app.reading.book import BROKEN

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in points from the top left corner of the page as it is shown."""
Span = tuple[int, int]
"""Half-open range of code points of a page's text."""

CONTEXT = 80
"""Letters on either side of a range that tell it from a repetition."""
LEAST_SHARE = 0.9
"""Share of a range's letters that must be found where it is not printed in one piece."""
_UNITS = 20
"""Device units in a point: pdfium maps to whole units."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Glyph:
    """A printed character: its code and its loose box (as high as the type, not the letter)."""

    character: str
    box: Box

    @property
    def visible(self) -> bool:
        """False for spaces, whose boxes pdfium makes up."""
        return not self.character.isspace() and self.character != BROKEN


class PrintedPage:
    """The printed characters of one page, in pdfium's order, in lines.

    Args:
        page: an open page.
    """

    def __init__(self, page: pdfium.PdfPage) -> None:
        self.width, self.height = page.get_size()
        textpage = page.get_textpage()
        try:
            self.lines = _lines(_glyphs(page, textpage, self.width, self.height))
        finally:
            textpage.close()

    def to_json(self, text: str, spans: Sequence[Span]) -> dict[str, Any]:
        """Where everything stands.

        Args:
            text: the text of the book's page.
            spans: ranges of it.

        Returns:
            `width`, `height` in points; `lines`: [left, top, right, bottom, text] of each printed
            line; `marks`: for each span its boxes, one a line, none if its place is not certain.
        """
        return {
            "width": self.width,
            "height": self.height,
            "lines": [[*map(_short, _around(line)), _text(line)] for line in self.lines],
            "marks": [
                [list(map(_short, box)) for box in boxes] for boxes in self.boxes(text, spans)
            ],
        }

    def boxes(self, text: str, spans: Sequence[Span]) -> list[list[Box]]:
        """For each range of the book's page its boxes on the printed page, one a line."""
        if not spans:
            return []
        printed = _Letters("\n".join(_text(line) for line in self.lines))
        written = _Letters(text)
        return [self._boxes(printed.glyphs_of(written, span)) for span in spans]

    def _boxes(self, chosen: set[int]) -> list[Box]:
        boxes: list[Box] = []
        first = 0
        for line in self.lines:
            here = [at for at in range(first, first + len(line)) if at in chosen]
            # One box from the first to the last: spaces and commas between are part of it.
            if here:
                run = line[here[0] - first : here[-1] - first + 1]
                _, top, _, bottom = _around(line)
                left, _, right, _ = _around(run)
                boxes.append((left, top, right, bottom))
            first += len(line) + 1
        return boxes


class _Letters:
    """The letters and digits of a text, each with the place it came from."""

    def __init__(self, text: str) -> None:
        letters, places = [], []
        for place, character in enumerate(text):
            for letter in _folded(character):
                letters.append(letter)
                places.append(place)
        self.text, self.places = "".join(letters), places
        self.source = text

    def range_of(self, span: Span) -> Span:
        """The half-open range of letters that come from a range of the source."""
        inside = [at for at, place in enumerate(self.places) if span[0] <= place < span[1]]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)

    def glyphs_of(self, written: _Letters, span: Span) -> set[int]:
        """Places here of a range of another text; empty where they are not certain."""
        start, end = written.range_of(span)
        quote = written.text[start:end]
        if not quote:
            return set()
        found = list(_occurrences(self.text, quote))
        if not found:
            return self._by_words(written, (start, end))
        if len(found) > 1 or sum(1 for _ in _occurrences(written.text, quote)) > 1:
            scores = [_shared(self.text, at, written.text, start, len(quote)) for at in found]
            best = max(scores)
            if best == 0 or scores.count(best) > 1:
                return set()
            found = [found[scores.index(best)]]
        first, last = self.places[found[0]], self.places[found[0] + len(quote) - 1]
        # Quotation marks and the full stop have no letters, but belong to the passage.
        before = written.places[start] - span[0]
        after = span[1] - 1 - written.places[end - 1]
        first -= self._same(reversed(range(first)), reversed(written.source[span[0] :][:before]))
        rest = written.source[span[1] - after : span[1]]
        last += self._same(range(last + 1, len(self.source)), iter(rest))
        return set(range(first, last + 1))

    def _same(self, places: Iterable[int], wanted: Iterable[str]) -> int:
        """For how many places the source goes on with the wanted characters."""
        count = 0
        for place, character in zip(places, wanted, strict=False):
            if self.source[place] != character or character.isspace():
                break
            count += 1
        return count

    def _by_words(self, written: _Letters, letters: Span) -> set[int]:
        """Places of a range that something was left out of, or that is printed in two pieces."""
        ours, theirs = list(self._words()), list(written._words())
        matcher = SequenceMatcher(
            None, [word for word, *_ in theirs], [word for word, *_ in ours], autojunk=False
        )
        found: set[int] = set()
        for theirs_at, ours_at, size in matcher.get_matching_blocks():
            for step in range(size):
                _, start, end = theirs[theirs_at + step]
                if start >= letters[0] and end <= letters[1]:
                    _, first, last = ours[ours_at + step]
                    found.update(range(first, last))
        if len(found) < LEAST_SHARE * (letters[1] - letters[0]):
            return set()
        return {self.places[at] for at in found}

    def _words(self) -> Iterator[tuple[str, int, int]]:
        """(word, first letter, end) of the source's words."""
        at = 0
        for match in _WORD.finditer(self.source):
            while at < len(self.places) and self.places[at] < match.start():
                at += 1
            end = at
            while end < len(self.places) and self.places[end] < match.end():
                end += 1
            if end > at:
                yield self.text[at:end], at, end
            at = end


def _folded(character: str) -> str:
    """Letters and digits of a character as they are compared: no case, accents or ligatures."""
    if character.isascii():
        return character.lower() if character.isalnum() else ""
    parts = unicodedata.normalize("NFKD", character).casefold()
    return "".join(part for part in parts if part.isalnum())


def _occurrences(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _shared(one: str, at: int, other: str, start: int, size: int) -> int:
    """How many letters around two equal ranges are equal too, at most `CONTEXT` on each side."""
    before = 0
    while before < min(CONTEXT, at, start) and one[at - before - 1] == other[start - before - 1]:
        before += 1
    after, end, stop = 0, at + size, start + size
    most = min(CONTEXT, len(one) - end, len(other) - stop)
    while after < most and one[end + after] == other[stop + after]:
        after += 1
    return before + after


def _glyphs(
    page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, width: float, height: float
) -> Iterator[Glyph | None]:
    """The characters with their boxes; None where a line ends."""
    across, down = round(width * _UNITS), round(height * _UNITS)
    rectangle = pdfium_c.FS_RECTF()
    x, y = ctypes.c_int(), ctypes.c_int()

    def shown(left: float, top: float) -> tuple[float, float]:
        pdfium_c.FPDF_PageToDevice(page, 0, 0, across, down, 0, left, top, x, y)
        return x.value / _UNITS, y.value / _UNITS

    for index in range(textpage.count_chars()):
        code = pdfium_c.FPDFText_GetUnicode(textpage, index)
        if code in (10, 13):
            yield None
            continue
        if code in (2, 0xFFFE):
            yield Glyph(BROKEN, (0.0, 0.0, 0.0, 0.0))
            continue
        if code < 32 or code == 0xFFFF or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            continue
        if not pdfium_c.FPDFText_GetLooseCharBox(textpage, index, rectangle):
            continue
        one = shown(rectangle.left, rectangle.top)
        two = shown(rectangle.right, rectangle.bottom)
        left, right = sorted((one[0], two[0]))
        top, bottom = sorted((one[1], two[1]))
        yield Glyph(chr(code), (left, top, right, bottom))


def _lines(glyphs: Iterable[Glyph | None]) -> list[list[Glyph]]:
    """Printed lines: pdfium's own, cut where the type moves to another height."""
    lines: list[list[Glyph]] = [[]]
    for glyph in glyphs:
        line = lines[-1]
        if glyph is None:
            if line:
                lines.append([])
            continue
        last = next((one for one in reversed(line) if one.visible), None)
        if last is not None and glyph.visible:
            _, top, _, bottom = glyph.box
            _, above, _, below = last.box
            if (top + bottom) / 2 > max(below, above + 1) or (top + bottom) / 2 < above:
                lines.append([])
        lines[-1].append(glyph)
    kept = []
    for line in lines:
        while line and line[-1].character.isspace():
            line.pop()
        while line and line[0].character.isspace():
            line.pop(0)
        if any(glyph.visible for glyph in line):
            kept.append(line)
    return kept


def _text(glyphs: Sequence[Glyph]) -> str:
    return "".join(glyph.character for glyph in glyphs)


def _around(glyphs: Sequence[Glyph]) -> Box:
    boxes = [glyph.box for glyph in glyphs if glyph.visible]
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )


def _short(points: float) -> float:
    return round(points, 1)
