"""A page of a PDF becomes a picture.

Runs in the child process only, because pdfium may abort. Knows nothing about text.
"""

from __future__ import annotations

import io

import pypdfium2 as pdfium

from lift_app.errors import CallerError

QUALITY = 90
"""Of the JPEG, with full colour resolution: small type stays sharp. PNG takes ten times as long."""
_MOST_PIXELS = 40_000_000
_LONGEST_SIDE = 32_000
"""Pixels: a JPEG has a few more at most, and a page may be a mile long."""


def render_page(document: pdfium.PdfDocument, number: int, width: int) -> bytes:
    """Draw a page as JPEG.

    Args:
        document: an open PDF.
        number: 1-based page number.
        width: width of the picture in pixels.

    Raises:
        CallerError: there is no such page.
    """
    page = page_of(document, number)
    page_width, page_height = page.get_size()
    scale = min(max(width, 16) / max(page_width, 1.0), 20.0)
    area = page_width * page_height * scale * scale
    if area > _MOST_PIXELS:
        scale *= (_MOST_PIXELS / area) ** 0.5
    scale = min(scale, _LONGEST_SIDE / max(page_width, page_height, 1.0))
    picture = page.render(scale=scale).to_pil().convert("RGB")
    page.close()
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()


def page_of(document: pdfium.PdfDocument, number: int) -> pdfium.PdfPage:
    """The page of a 1-based number. Raises CallerError where there is none."""
    if not 1 <= number <= len(document):
        raise CallerError(f"There is no page {number}: the PDF has {len(document)} pages.")
    return document[number - 1]
