"""The process that opens files: parsers of untrusted files run here and nowhere else.

Started by FileReader with `python -m lift_app.reading.child`, it reads one JSON request a line from
stdin and answers each with a line of JSON, followed by as many bytes as the line says. Limits on
memory, processor time and files are set before a parser is imported. Knows nothing about the
library or about models.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from lift_app.errors import LiftError, UnreadableFile

TOO_MUCH_MEMORY = (
    "Reading this file needs more memory than a file may take. Split it and add the parts, or "
    "raise LIFT_READ_MEMORY_MB."
)


def main() -> None:
    """Answer requests until stdin ends."""
    memory_mb = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    set_limits(memory_mb)
    requests = sys.stdin.buffer
    # Libraries that print must not reach the pipe: from here on file descriptor 1 is stderr.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in requests:
        request = json.loads(line)
        limit_seconds(int(request["seconds"]))
        header, body, goes_on = _reply(request)
        _send(replies, header, body)
        if not goes_on:
            return


def set_limits(memory_mb: int) -> None:
    """Limit memory, core files and written files, where the system can."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the deadline still holds there
        return
    size = memory_mb * 1024 * 1024
    for kind, value in (
        (resource.RLIMIT_AS, size),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):
            continue  # macOS refuses some limits


def limit_seconds(seconds: int) -> None:
    """Let the process use at most this much more processor time.

    The parent's deadline comes first; this one holds if the parent is gone.
    """
    try:
        import resource
    except ImportError:
        return
    used = int(time.process_time()) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds + 5, hard))


def _reply(request: dict[str, Any]) -> tuple[dict[str, Any], bytes, bool]:
    """Answer one request: (header, body, whether the process can go on)."""
    try:
        body = _ACTIONS[request["action"]](request)
    except LiftError as error:
        kind = "unreadable" if isinstance(error, UnreadableFile) else "caller"
        return {"error": kind, "code": error.code, "message": str(error)}, b"", True
    except MemoryError:
        header = {"error": "unreadable", "code": "too_much_memory", "message": TOO_MUCH_MEMORY}
        return header, b"", False
    except Exception as error:
        message = (
            f"This file is damaged or unusual and could not be read ({type(error).__name__}). "
            "Open it in the program that made it, save it anew, and add that."
        )
        return {"error": "unreadable", "code": "damaged", "message": message}, b"", True
    return {"bytes": len(body)}, body, True


def _send(replies: BinaryIO, header: dict[str, Any], body: bytes) -> None:
    replies.write(json.dumps(header).encode() + b"\n")
    replies.write(body)
    replies.flush()


def _read(request: dict[str, Any]) -> bytes:
    """The Book as JSON."""
    from lift_app.reading.draft import Limits
    from lift_app.reading.format import recognise

    started = time.perf_counter()
    path = Path(request["path"])
    data = path.read_bytes()
    limits = Limits(pages=request["max_pages"])
    kind = recognise(data, path.name)
    encoding = request["encoding"]
    # Each format brings its own libraries, so that only what a file needs is loaded.
    if kind == "pdf":
        from lift_app.reading.pdf import read_pdf

        draft = read_pdf(data, limits)
    elif kind == "epub":
        from lift_app.reading.epub import read_epub

        draft = read_epub(data, limits)
    elif kind == "docx":
        from lift_app.reading.docx import read_docx

        draft = read_docx(data, limits)
    elif kind == "html":
        from lift_app.reading.html import read_html

        draft = read_html(data, limits, encoding)
    elif kind == "markdown":
        from lift_app.reading.markdown import read_markdown

        draft = read_markdown(data, limits, encoding)
    else:
        from lift_app.reading.text import read_text

        draft = read_text(data, limits, encoding)
    sha256 = hashlib.sha256(data).hexdigest()
    seconds = time.perf_counter() - started
    book = draft.to_book(sha256, path.name, request["title"], seconds)
    return json.dumps(book.to_json(), ensure_ascii=False).encode("utf-8")


def _render(request: dict[str, Any]) -> bytes:
    """A page of a PDF as JPEG."""
    from lift_app.reading.open_pdf import open_document
    from lift_app.reading.page_image import render_page

    return render_page(open_document(request["path"]), request["page"], request["width"])


def _place(request: dict[str, Any]) -> bytes:
    """Where the text of a page stands on the printed page, as JSON."""
    from lift_app.reading.open_pdf import open_document
    from lift_app.reading.page_image import page_of
    from lift_app.reading.placement import PrintedPage

    page = page_of(open_document(request["path"]), request["page"])
    try:
        placed = PrintedPage(page).to_json(request["text"], request["spans"])
    finally:
        page.close()
    return json.dumps(placed, ensure_ascii=False).encode("utf-8", "replace")


_ACTIONS = {"read": _read, "render": _render, "place": _place}


if __name__ == "__main__":
    main()
