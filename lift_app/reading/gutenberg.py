"""What Project Gutenberg puts around and into its texts.

Finds the header and the licence, reads title and author from them, and removes the marks of its
transcribers. Knows nothing about paragraphs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lift_app.reading.characters import one_line

_NAME = re.compile(r"project\s+gutenberg", re.IGNORECASE)
_START = re.compile(
    r"^[ \t]*(?:\*{3}[ \t]*START\s+OF\s+(?:THE|THIS)\s+PROJECT\s+GUTENBERG[^*]*\*{3}"
    r"|\*END[*. ]*THE SMALL PRINT!.*?\*END\*?)[^\n]*\n",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(
    r"^[ \t]*(?:\*{3}[ \t]*END\s+OF\s+(?:THE|THIS)\s+PROJECT\s+GUTENBERG"
    r"|(?:This\s+is\s+the\s+)?End\s+of\s+(?:the\s+|this\s+)?Project\s+Gutenberg)",
    re.IGNORECASE | re.MULTILINE,
)
# White space is counted: where it may have any length on both sides of an optional word, a long gap
# can be parted in more ways than there is time for.
_LAST_LINE = re.compile(
    r"^[ \t]*End\s+of\s+(?:the\s+|this\s+)?Project\s+Gutenberg(?:'s|’s)?\s{1,9}"
    r"(?:E-?book|E-?text)?\s{0,9}(?:of\s{1,9})?(?P<title>[^*]{2,200}?),?\s{1,9}by\s{1,9}"
    r"(?P<author>[^*\n]{2,100}?)\s{0,9}(?:\*|\n\n|\Z)",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(
    r"^(Title|Author|Language|Release Date|Translator|Editor):[ \t]*(.*(?:\n[ \t]+\S.*)*)",
    re.MULTILINE,
)
_MOST_CREDITS = 8
_CREDIT = re.compile(
    r"^(?:produced by|transcribed (?:from|by)|e-?text prepared by|this (?:e-?text|e-?book) was "
    r"(?:produced|prepared)|prepared by|scanned (?:and|by)|updated editions? )",
    re.IGNORECASE,
)
_ILLUSTRATION = re.compile(r"\[Illustration(?::\s*([^\]]{0,500}))?\]", re.IGNORECASE)
_ITALIC = re.compile(r"(?<![\w_])_(?=\S)([^_]{1,600}?)(?<=\S)_(?![\w_])")
_ITALIC_IN_LINES = re.compile(r"(?<![\w_])_\w[^_]{0,300}\w[.,;:!?]?_(?![\w_])")


@dataclass
class Trimmed:
    """A text without what Project Gutenberg added."""

    text: str
    facts: dict[str, str] = field(default_factory=dict)
    """`title`, `author`, `language`, ... as the header or the last line name them."""
    dropped: list[str] = field(default_factory=list)
    """Sentences for the report."""
    found: bool = False
    """Whether this is one of their texts."""


def trim(text: str) -> Trimmed:
    """Remove header, licence and credits of a Project Gutenberg text; other texts stay as are."""
    head, tail = text[:30_000], text[-60_000:]
    if not (_NAME.search(head) or _NAME.search(tail)):
        return Trimmed(text)
    result = Trimmed(text)
    last = _LAST_LINE.search(tail)
    if last:
        result.facts = {"title": one_line(last["title"]), "author": one_line(last["author"])}
    start = 0
    if match := _START.search(head):
        start = match.end()
        for label, value in _FIELD.findall(text[:start]):
            result.facts[label.casefold().replace(" ", "_")] = _field_value(label, value)
        result.dropped.append("The header of Project Gutenberg before the text was left out.")
    end = len(text)
    # The licence is long, but the marker may also stand far from the end of a short text.
    for match in _END.finditer(text, max(start, len(text) - 60_000)):
        end = match.start()
        result.dropped.append("The licence of Project Gutenberg after the text was left out.")
        break
    result.text = _without_credits(text[start:end], result.dropped)
    result.found = bool(result.dropped)
    return result


def plain_marks(text: str) -> tuple[str, list[str]]:
    """Remove `_italic_` underscores and `[Illustration]` notes; captions stay.

    Returns:
        The text and sentences for the report.
    """
    dropped = []
    italics = len(_ITALIC_IN_LINES.findall(text))
    if italics > 2:
        text = _ITALIC.sub(r"\1", text)
        dropped.append("Underscores that marked words in italics were removed.")
    pictures = len(_ILLUSTRATION.findall(text))
    if pictures:
        text = _ILLUSTRATION.sub(lambda match: match[1] or "", text)
        one = (
            "One note about an illustration was"
            if pictures == 1
            else (f"{pictures} notes about illustrations were")
        )
        dropped.append(f"{one} left out; captions stay.")
    return text, dropped


def _field_value(label: str, value: str) -> str:
    lines = [one_line(line) for line in value.split("\n")]
    if label == "Title" and len(lines) > 1:
        return f"{lines[0].rstrip(':;, ')}: {' '.join(lines[1:])}"
    if label == "Release Date":
        return lines[0].split("[")[0].strip()
    return " ".join(lines)


def _without_credits(text: str, dropped: list[str]) -> str:
    """Drop the paragraphs that name the transcribers, before the book begins."""
    text = text.strip("\n")
    for _ in range(_MOST_CREDITS):
        paragraph, _, rest = text.partition("\n\n")
        if not (rest and len(paragraph) < 800 and _CREDIT.match(paragraph.strip())):
            break
        dropped.append(f"The transcribers' note was left out: “{one_line(paragraph, 120)}”")
        text = rest.strip("\n")
    return text
