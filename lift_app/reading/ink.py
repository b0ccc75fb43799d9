"""Ink: which letters of a PDF's page leave no trace on white paper.

White, transparent, or told to be neither filled nor outlined. The layer of words over a scanned
picture is of the last kind and honest, so on a page with a picture that kind does not count. Runs
in the child process, because pdfium may abort.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from lift_app.reading.hidden import is_white

_TURNED = re.compile(
    "[\u200f\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""Letters that run to the left: pdfium turns their lines around, with all that is in them."""
_CLEAR = 16
"""Opacity, 0 to 255, under which letters cannot be seen."""


class Ink:
    """The colours of one page. Each letter is looked at only where some letters may not be seen.

    Args:
        page: an open page.
        textpage: its text.
    """

    def __init__(self, page: pdfium.PdfPage, textpage: pdfium.PdfTextPage) -> None:
        self._textpage = textpage
        self._colour = tuple(ctypes.c_uint() for _ in range(4))
        objects = [
            pdfium_c.FPDFPage_GetObject(page, at)
            for at in range(pdfium_c.FPDFPage_CountObjects(page))
        ]
        kinds = [pdfium_c.FPDFPageObj_GetType(found) for found in objects]
        # What a form holds is not looked into: its letters are looked at one by one.
        form = pdfium_c.FPDF_PAGEOBJ_FORM in kinds
        self._picture = form or pdfium_c.FPDF_PAGEOBJ_IMAGE in kinds
        self._doubtful = form or any(
            kind == pdfium_c.FPDF_PAGEOBJ_TEXT and self._leaves_none(found)
            for found, kind in zip(objects, kinds, strict=True)
        )

    def unseen(self, text: str, where: range, places: Callable[[int], int]) -> str:
        """The characters of a range of the page's text that cannot be seen.

        Args:
            text: the page's.
            where: indices of it, one after the other.
            places: gives pdfium's place of such an index.
        """
        if not self._doubtful or not where:
            return ""
        if _TURNED.search(text, where[0], where[-1] + 1):
            return "".join(
                self._unseen(text, where[at : at + 1], places) for at in range(len(where))
            )
        return self._unseen(text, where, places)

    def _unseen(self, text: str, where: range, places: Callable[[int], int]) -> str:
        """By halves: what one command draws stands together, and looks alike."""
        first, last = self._object(places(where[0])), self._object(places(where[-1]))
        if len(where) == 1 or (first and _address(first) == _address(last)):
            unseen = bool(first) and self._leaves_none(first)
            return text[where[0] : where[-1] + 1] if unseen else ""
        half = len(where) // 2
        return self._unseen(text, where[:half], places) + self._unseen(text, where[half:], places)

    def _object(self, place: int) -> Any:
        """What draws the character at a place; nothing for one that pdfium adds, as a space."""
        index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(self._textpage, place)
        return pdfium_c.FPDFText_GetTextObject(self._textpage, index) if index >= 0 else None

    def _leaves_none(self, found: Any) -> bool:
        mode = pdfium_c.FPDFTextObj_GetTextRenderMode(found)
        if mode in (pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium_c.FPDF_TEXTRENDERMODE_CLIP):
            return not self._picture
        if not pdfium_c.FPDFPageObj_GetFillColor(found, *self._colour):
            return False
        red, green, blue, alpha = (part.value for part in self._colour)
        filled = mode != pdfium_c.FPDF_TEXTRENDERMODE_STROKE
        return filled and (alpha < _CLEAR or is_white(red, green, blue))


def _address(found: Any) -> int | None:
    return ctypes.cast(found, ctypes.c_void_p).value
