"""The PDF whose pages are being looked at, kept open from one page to the next.

Runs in the child process only. Opened by its path, so that a large file is not held in memory.
"""

from __future__ import annotations

from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from lift_app.errors import UnreadableFile
from lift_app.reading.pdf_facts import refuse_locked

_Key = tuple[str, int, int]
_open: dict[_Key, pdfium.PdfDocument] = {}
"""The one open document, by path, size and time of the last change."""


def open_document(path: str) -> pdfium.PdfDocument:
    """The open PDF of a path; the one before it is closed.

    Raises:
        UnreadableFile: `damaged` or `encrypted`.
    """
    found = Path(path).stat()
    key = (path, found.st_size, found.st_mtime_ns)
    if key not in _open:
        for document in _open.values():
            document.close()
        _open.clear()
        try:
            _open[key] = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
                refuse_locked()
            raise UnreadableFile(
                "This PDF is damaged; its pages cannot be drawn.", code="damaged"
            ) from None
    return _open[key]
