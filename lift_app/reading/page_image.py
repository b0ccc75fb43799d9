"""A page of a PDF becomes a picture.

Runs in the child process only, because pdfium may abort. Knows nothing about text.
"""

from __future__ import annotations

import io

from lift_app.errors import CallerError, UnreadableFile
from lift_app.reading.pdf import open_pdf

_MOST_PIXELS = 40_000_000


def render_page(data: bytes, number: int, width: int) -> bytes:
    """Draw a page as PNG.

    Args:
        data: the PDF.
        number: 1-based page number.
        width: width of the picture in pixels.

    Raises:
        CallerError: there is no such page.
        UnreadableFile: the PDF cannot be opened.
    """
    document = open_pdf(data)
    if document is None:
        raise UnreadableFile("This PDF is damaged; its pages cannot be drawn.", code="damaged")
    try:
        if not 1 <= number <= len(document):
            raise CallerError(f"There is no page {number}: the PDF has {len(document)} pages.")
        page = document[number - 1]
        page_width, page_height = page.get_size()
        scale = min(max(width, 16) / max(page_width, 1.0), 20.0)
        area = page_width * page_height * scale * scale
        if area > _MOST_PIXELS:
            scale *= (_MOST_PIXELS / area) ** 0.5
        picture = page.render(scale=scale).to_pil()
        stream = io.BytesIO()
        picture.save(stream, "PNG")
        return stream.getvalue()
    finally:
        document.close()
