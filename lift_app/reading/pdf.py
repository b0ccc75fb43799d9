"""A PDF becomes a draft: one page of the book for each page of the PDF.

pdfium owns the text; pypdf gives metadata, outline, page labels and the test for a password, and
reads the text where pdfium cannot. Runs in the child process only, because
pdfium may abort. Knows nothing about the other formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from lift_app.errors import UnreadableFile
from lift_app.reading.book import MOST_CHAPTERS, Chapter, Page
from lift_app.reading.chapters import chapter_line
from lift_app.reading.characters import clean, one_line
from lift_app.reading.draft import Draft, Limits, language_code
from lift_app.reading.hidden import TINIEST, Hidden
from lift_app.reading.ink import Ink
from lift_app.reading.layout import Line, Vocabulary, paragraphs
from lift_app.reading.pdf_facts import read_facts, recover_texts, refuse_locked
from lift_app.reading.running_heads import remove_running_heads

_PIECE = re.compile(r"[^\r\n\x02\ufffe]+")
_BROKEN = "\x02\ufffe"
_NO_TITLE = re.compile(
    r"^(?:microsoft word|microsoft powerpoint|untitled|document\d*|unknown|no title|print)\b"
    r"|\.(?:docx?|exe|pdf|indd|qxd|qxp|tex|dvi|ps|rtf|txt|html?|wpd|odt|fm)$",
    re.IGNORECASE,
)
_NO_AUTHOR = re.compile(r"^(?:unknown|user|admin(?:istrator)?|owner|author|anonymous|root)$", re.I)


def read_pdf(data: bytes, limits: Limits) -> Draft:
    """Read a PDF.

    Raises:
        UnreadableFile: `encrypted`, `drm`, `damaged`, `scanned`, `empty`, `too_many_pages` or
            `too_large`.
    """
    draft = Draft("pdf")
    document = open_pdf(data)
    if document is None:
        return _recover(data, limits, draft)
    try:
        limits.check_pages(len(document))
        if not len(document):
            raise UnreadableFile("This PDF has no pages.", code="empty")
        read, failed = _read_lines(document, limits, draft.hidden)
        facts = read_facts(data)
        for index in failed:
            draft.warnings.append(f"Page {index + 1} is damaged and could not be read.")
        heads = remove_running_heads(read)
        draft.dropped.extend(heads.dropped)
        vocabulary = Vocabulary(line for lines in read for line in lines)
        texts = [_page_text(lines, vocabulary) for lines in heads.pages]
        silent = [index for index, text in enumerate(texts) if not text]
        _judge_missing(document, silent, len(texts), draft)
    finally:
        document.close()
    labels = _labels(facts.labels, heads.labels, len(texts))
    chapters = _chapters(facts.outline, len(texts)) or _chapters_from_lines(heads.pages)
    draft.pages, draft.chapters = _assign(texts, labels, chapters)
    title = one_line(facts.metadata.pop("title", ""))
    draft.title = _largest_line(heads.pages) if not title or _NO_TITLE.search(title) else title
    author = one_line(facts.metadata.pop("author", ""))
    draft.author = "" if _NO_AUTHOR.match(author) else author
    draft.language = language_code(facts.language)
    draft.metadata = facts.metadata
    return draft


def open_pdf(data: bytes) -> pdfium.PdfDocument | None:
    """Open with pdfium; None where pdfium cannot and pypdf should try."""
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
            refuse_locked()
        if error.err_code == pdfium_c.FPDF_ERR_SECURITY:
            raise UnreadableFile(
                "This PDF is locked by its seller (DRM), so its text cannot be read. Use an "
                "edition without DRM.",
                code="drm",
            ) from None
        return None


def _read_lines(
    document: pdfium.PdfDocument, limits: Limits, hidden: Hidden
) -> tuple[list[list[Line]], list[int]]:
    """Lines of every page, and the indices of pages that could not be read."""
    pages: list[list[Line]] = []
    failed: list[int] = []
    characters = 0
    for index in range(len(document)):
        lines: list[Line] = []
        try:
            page = document[index]
            textpage = page.get_textpage()
            for line, unseen in _lines_of(page, textpage, hidden):
                lines.append(line)
                hidden.keep(unseen, index + 1)
            textpage.close()
            page.close()
        except pdfium.PdfiumError:
            failed.append(index)
        characters += sum(len(line.text) for line in lines)
        limits.check_text(characters)
        pages.append(lines)
    return pages, failed


def _lines_of(
    page: pdfium.PdfPage, textpage: pdfium.PdfTextPage, hidden: Hidden
) -> Iterator[tuple[Line, str]]:
    """The lines of a page, each with what a person hardly sees of it."""
    text = textpage.get_text_range()
    hidden.count(text)
    if not text.strip():
        return
    # pdfium counts in its own characters; astral ones are two places in its text.
    places = _places(text)
    ink = Ink(page, textpage)
    x0, y0, x1, y1 = page.get_bbox()  # as it is shown; a declared box may have any corners
    for match in _PIECE.finditer(text):
        piece = match.group()
        start = match.start() + len(piece) - len(piece.lstrip())
        end = match.start() + len(piece.rstrip())
        content = one_line(piece, 100_000)
        if not content or start >= end:
            continue
        first = _box(textpage, places(start))
        last = _box(textpage, places(end - 1))
        if first is None or last is None:
            box = (x0, y0, x1, y0)
        else:
            box = (
                min(first[0], last[0]),
                min(first[1], last[1]),
                max(first[2], last[2]),
                max(first[3], last[3]),
            )
            middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            if not (x0 <= middle_x <= x1 and y0 <= middle_y <= y1):
                continue  # printers' marks outside the visible page
        broken = text[match.end() : match.end() + 1]
        line = Line(content, *box, broken_word=bool(broken) and broken in _BROKEN)
        tiny = first is not None and line.height < TINIEST
        yield line, content if tiny else ink.unseen(text, range(start, end), places)


def _places(text: str) -> Any:
    """Map an index of a Python string to one of UTF-16."""
    if text.isascii() or max(text) < "\U00010000":
        return lambda index: index
    offsets = [0]
    for character in text:
        offsets.append(offsets[-1] + (2 if character > "\uffff" else 1))
    return lambda index: offsets[index]


def _box(textpage: pdfium.PdfTextPage, place: int) -> tuple[float, float, float, float] | None:
    """(left, bottom, right, top) of a character, in points."""
    index = pdfium_c.FPDFText_GetCharIndexFromTextIndex(textpage, place)
    if index < 0:
        return None
    try:
        return textpage.get_charbox(index, loose=True)
    except pdfium.PdfiumError:
        return None


def _page_text(lines: Sequence[Line], vocabulary: Vocabulary) -> str:
    return clean("\n\n".join(paragraphs(lines, vocabulary))).strip()


def _judge_missing(
    document: pdfium.PdfDocument, silent: Sequence[int], count: int, draft: Draft
) -> None:
    """Tell a scan from an empty document, and name pages that are pictures."""
    pictures = [index for index in silent if _has_picture(document, index)]
    if len(silent) == count or (pictures and count >= 10 and len(silent) > 0.95 * count):
        if not pictures:
            raise UnreadableFile(
                "The pages of this PDF are empty: they hold neither text nor pictures. Export the "
                "document again.",
                code="empty",
            )
        raise UnreadableFile(
            "This PDF is a scan: its pages are pictures without text. Run it through OCR first "
            "(for example with ocrmypdf, or “recognise text” in your PDF program) and add the "
            "result.",
            code="scanned",
        )
    if pictures:
        shown = ", ".join(str(index + 1) for index in pictures[:12])
        more = f" and {len(pictures) - 12} more" if len(pictures) > 12 else ""
        pages = "Page" if len(pictures) == 1 else "Pages"
        verb = "is a picture" if len(pictures) == 1 else "are pictures"
        draft.warnings.append(f"{pages} {shown}{more} {verb} without text.")


def _has_picture(document: pdfium.PdfDocument, index: int) -> bool:
    try:
        page = document[index]
        kinds = [pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_SHADING]
        kinds += [pdfium_c.FPDF_PAGEOBJ_PATH]  # letters drawn as outlines
        return next(iter(page.get_objects(filter=kinds, max_depth=3)), None) is not None
    except pdfium.PdfiumError:
        return False


def _chapters(outline: Sequence[tuple[int, str, int]], count: int) -> list[Chapter]:
    chapters: list[Chapter] = []
    for _, title, page in outline[: MOST_CHAPTERS + 1]:
        if 0 <= page < count and not (chapters and page + 1 < chapters[-1].page):
            chapters.append(Chapter(title, page + 1))
    return chapters


def _chapters_from_lines(pages: Sequence[Sequence[Line]]) -> list[Chapter]:
    """Chapters of a PDF without an outline: pages that open with a heading."""
    chapters = []
    for index, lines in enumerate(pages):
        at = next((at for at, line in enumerate(lines[:3]) if chapter_line(line.text)), None)
        if at is None or any(chapter_line(line.text) for line in lines[at + 1 :]):
            continue  # several are a table of contents
        title = lines[at].text
        following = lines[at + 1] if at + 1 < len(lines) else None
        body = median([line.height for line in lines])
        if following is not None and following.height > 1.15 * body and len(following.text) < 80:
            title = f"{title}: {following.text}"
        chapters.append(Chapter(one_line(title, 200), index + 1))
    return chapters


def _labels(declared: Sequence[str], printed: dict[int, str], count: int) -> list[str]:
    """Labels that the file declares, unless they only count; else what is printed."""
    counted = [str(index + 1) for index in range(count)]
    if len(declared) == count and list(declared) != counted and all(declared):
        return list(declared)
    return [printed.get(index, counted[index]) for index in range(count)]


def _assign(
    texts: Sequence[str], labels: Sequence[str], chapters: Sequence[Chapter]
) -> tuple[tuple[Page, ...], tuple[Chapter, ...]]:
    """Give every page its chapter: the last one that begins on it or before it."""
    pages = []
    current: int | None = None
    following = 0
    for index, (text, label) in enumerate(zip(texts, labels, strict=True)):
        while following < len(chapters) and chapters[following].page <= index + 1:
            current = following
            following += 1
        pages.append(Page(index + 1, label, text, current))
    return tuple(pages), tuple(chapters)


def _largest_line(pages: Sequence[Sequence[Line]]) -> str:
    """The title as it is set on the first page with text: its largest type, if it stands out."""
    lines = next((page for page in pages if page), None)
    if lines is None or len(lines) < 3:
        return ""
    largest = max(line.height for line in lines)
    if largest < 1.2 * median([line.height for line in lines]):
        return ""
    title = " ".join(line.text for line in lines if line.height > 0.95 * largest)
    return one_line(title) if 3 <= len(title) <= 200 else ""


def _recover(data: bytes, limits: Limits, draft: Draft) -> Draft:
    """Read a file that pdfium refuses."""
    texts = recover_texts(data, limits, draft.warnings)
    facts = read_facts(data)
    chapters = _chapters(facts.outline, len(texts))
    draft.pages, draft.chapters = _assign(texts, _labels(facts.labels, {}, len(texts)), chapters)
    draft.title = facts.metadata.pop("title", "")
    draft.author = facts.metadata.pop("author", "")
    draft.metadata = facts.metadata
    return draft
