"""What pypdf knows about a PDF: metadata, outline, page labels, and its text where pdfium fails.

Every answer may be missing: the text of a readable PDF does not depend on this module. Knows
nothing about lines or running heads.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lift_app.errors import UnreadableFile
from lift_app.reading.characters import clean, one_line
from lift_app.reading.draft import Limits

_OUTLINE_LEVELS = 2
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


@dataclass
class PdfFacts:
    """Metadata, labels and outline of a PDF; empty where the file has none."""

    metadata: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    outline: list[tuple[int, str, int]] = field(default_factory=list)
    """(level from 1, title, 0-based page), in order."""
    language: str | None = None


def read_facts(data: bytes) -> PdfFacts:
    """Ask pypdf. What it cannot tell stays empty: the text does not depend on it."""
    from pypdf import PdfReader

    facts = PdfFacts()
    # pypdf raises about everything on broken files, and on AES without a crypto package.
    with contextlib.suppress(Exception):
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            reader.decrypt("")
        with contextlib.suppress(Exception):
            _read_metadata(reader, facts)
        with contextlib.suppress(Exception):
            facts.labels = [one_line(label, 20) for label in reader.page_labels]
        with contextlib.suppress(Exception):
            facts.outline = list(_walk_outline(reader, reader.outline))
        with contextlib.suppress(Exception):
            facts.language = str(reader.root_object.get("/Lang") or "")
    return facts


def _read_metadata(reader: Any, facts: PdfFacts) -> None:
    metadata = reader.metadata or {}
    for key in ("title", "author", "subject", "keywords", "producer", "creator"):
        value = metadata.get(f"/{key.capitalize()}")
        if value is not None and (text := one_line(str(value))):
            facts.metadata[key] = text
    if date := re.match(r"D:(\d{4})", str(metadata.get("/CreationDate") or "")):
        facts.metadata["year"] = date[1]


def _walk_outline(
    reader: Any, items: Sequence[Any], level: int = 1
) -> Iterator[tuple[int, str, int]]:
    for item in items:
        if isinstance(item, list):
            if level < _OUTLINE_LEVELS:
                yield from _walk_outline(reader, item, level + 1)
            continue
        try:
            page = reader.get_destination_page_number(item)
            title = one_line(str(item.title), 200)
        except Exception:  # one broken line of the outline does not spoil the others
            continue
        if page is not None and title:
            yield level, title, page


def recover_texts(data: bytes, limits: Limits, warnings: list[str]) -> list[str]:
    """Read the pages of a PDF that pdfium refuses.

    Args:
        data: the PDF.
        limits: how much may be read.
        warnings: sentences are added here.

    Raises:
        UnreadableFile: `encrypted`, `damaged`, or too large.
    """
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    texts: list[str] = []
    failure: Exception | None = None
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            refuse_locked()
        limits.check_pages(len(reader.pages))
        characters = 0
        for page in reader.pages:
            texts.append(clean(page.extract_text()).strip())
            characters += len(texts[-1])
            limits.check_text(characters)
    except (UnreadableFile, MemoryError):
        raise
    except FileNotDecryptedError:
        refuse_locked()
    except Exception as error:  # pypdf lets errors of every kind out of broken files
        failure = error
        warnings.append(f"The PDF is damaged after page {len(texts)}; the rest is missing.")
    if not any(texts):
        raise UnreadableFile(
            "This PDF is damaged and cannot be read. Download it again, or open it in a PDF "
            "program and save it anew.",
            code="damaged",
        ) from failure
    warnings.append("The PDF is damaged; its text was recovered, and lines may be out of order.")
    return texts


def refuse_locked() -> NoReturn:
    """Raise the error of a PDF that asks for a password."""
    raise UnreadableFile(
        "This PDF is locked with a password. Open it in a PDF program with the password, save it "
        "without one, and add that.",
        code="encrypted",
    ) from None
