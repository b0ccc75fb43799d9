"""Recognising chapter headings in a text that does not mark them.

Works on paragraphs: "CHAPTER I: DISCUSSION AND BED", "Chapter the First" with its title below,
"PROLOGUE", "第一章", or a bare "IV" where the numbers run on. A table of contents is not taken for
chapters. Knows nothing about files or pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lift_app.reading.characters import count_words, one_line

_ROMAN = r"[IVXLCDM]{1,8}|[ivxlcdm]{1,8}"
_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    "sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|first|second|third|fourth|"
    "fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|"
    "sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth|last|premier|première|"
    "erstes|zweites"
)
_NUMBER = rf"(?:\d{{1,3}}|{_ROMAN}|(?:the\s+)?(?:{_WORDS})(?:[\s-](?:{_WORDS}))?)"
_KINDS = (
    "chapter|book|part|volume|stave|canto|act|scene|letter|section|chap\\.|kapitel|buch|teil|"
    "chapitre|livre|partie|capítulo|capitulo|capitolo|libro|parte|hoofdstuk|luku|глава|часть|"
    "rozdział"
)
_HEADING = re.compile(
    rf"^(?P<kind>{_KINDS})\s+(?P<number>{_NUMBER})(?P<rest>\b.*)?$", re.IGNORECASE | re.DOTALL
)
_CJK = re.compile(
    r"^第\s*[0-9一二三四五六七八九十百千零〇两]+\s*[章回卷部节幕]\s*(?P<rest>.{0,40})$"
)
_ALONE = re.compile(
    r"^(?:the\s+)?(prologue|epilogue|preface|introduction|foreword|afterword|conclusion|postscript|"
    r"appendix(?:\s+\w{1,4})?|acknowledge?ments|notes|bibliography|glossary)\.?$",
    re.IGNORECASE,
)
_BARE = re.compile(rf"^(?P<number>{_ROMAN}|\d{{1,3}})\.?$")
_PARTS = (
    "book",
    "part",
    "volume",
    "act",
    "buch",
    "teil",
    "livre",
    "partie",
    "libro",
    "parte",
    "часть",
)
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}


@dataclass(frozen=True)
class Heading:
    """A chapter heading found among paragraphs."""

    start: int
    """Index of its first paragraph."""
    end: int
    """Index after its last paragraph: a title may stand below the number."""
    title: str


def find_headings(paragraphs: Sequence[str]) -> list[Heading]:
    """Find the chapter headings among the paragraphs, in order."""
    found = _without_contents(_labelled(paragraphs), paragraphs)
    if not any(not _is_part(heading.title) for heading in found):
        found = sorted([*found, *_bare_numbers(paragraphs)], key=lambda heading: heading.start)
    return found


def chapter_line(text: str) -> bool:
    """Whether one line by itself reads as the heading of a chapter."""
    line = one_line(text)
    return len(line) <= 90 and (_split_heading(line) is not None or bool(_ALONE.match(line)))


def roman_value(text: str) -> int | None:
    """Value of a well-formed roman numeral, else None."""
    digits = [_ROMAN_VALUES.get(letter, 0) for letter in text.casefold()]
    if not digits or 0 in digits:
        return None
    total = sum(
        -value if value < following else value
        for value, following in zip(digits, [*digits[1:], 0], strict=True)
    )
    return total if roman_numeral(total) == text.casefold() else None


def roman_numeral(value: int) -> str:
    """The numeral in small letters; an empty string below 1."""
    pairs = zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("m", "cm", "d", "cd", "c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"),
        strict=True,
    )
    text = ""
    for amount, letters in pairs:
        while value >= amount:
            text += letters
            value -= amount
    return text


def _split_heading(line: str) -> tuple[str, str] | None:
    """("CHAPTER I", "Discussion and bed") of one line, or None."""
    if match := _CJK.match(line):
        rest = match["rest"].strip()
        return line.removesuffix(match["rest"]).strip(), rest
    match = _HEADING.match(line)
    if match is None:
        return None
    rest = match["rest"] or ""
    bare = rest.strip(" .:;—–-*_")
    # "Part of the reason was" or "Book one seat": a sentence goes on in small letters, and a
    # heading has a mark or a break between its number and its title.
    if bare and not re.match(r"\s*[.:;—–\n-]|\s+[A-Z\"“'‘(]", rest):
        return None
    if re.match(r"[a-z]", match["kind"]) or (rest.rstrip().endswith((".", ",")) and len(bare) > 60):
        return None
    if roman_value(match["number"]) is None and re.fullmatch(_ROMAN, match["number"]):
        return None
    return line[: match.start("rest")].strip() if match["rest"] else line, bare


def _labelled(paragraphs: Sequence[str]) -> list[Heading]:
    found: list[Heading] = []
    for index, paragraph in enumerate(paragraphs):
        if len(paragraph) > 250 or (found and index < found[-1].end):
            continue
        lines = paragraph.split("\n")
        line = one_line(paragraph)
        if _ALONE.match(line):
            found.append(Heading(index, index + 1, line.strip(".")))
            continue
        parts = _split_heading(one_line(lines[0]))
        if parts is None:
            continue
        if sum(_split_heading(one_line(other)) is not None for other in lines) > 1:
            continue  # several in one paragraph are a table of contents
        label, title = parts
        below = one_line(" ".join(lines[1:]))
        if len(below) > 160 or (below and not _could_be_title(below)):
            continue
        title = " ".join(part for part in (title, below) if part)
        end = index + 1
        if not title and end < len(paragraphs) and _could_be_title(paragraphs[end]):
            title = one_line(paragraphs[end])
            end += 1
        title = title.strip(" .:;—–-_*")
        found.append(Heading(index, end, f"{label.strip(' .:—–-')}: {title}" if title else label))
    return found


def _could_be_title(text: str) -> bool:
    line = one_line(text)
    if (
        not 2 < len(line) <= 160
        or text.count("\n") > 2
        or _split_heading(line)
        or _BARE.match(line)
    ):
        return False
    letters = [character for character in line if character.isalpha()]
    if not letters:
        return False
    upper = sum(character.isupper() for character in letters) / len(letters)
    if upper > 0.7:
        return True
    if line[-1] in '.,;:?!"”’' or len(line) > 80:
        return False
    words = [word for word in re.findall(r"\w+", line) if len(word) > 3]
    return bool(words) and sum(word[0].isupper() for word in words) >= 0.75 * len(words)


def _without_contents(found: Sequence[Heading], paragraphs: Sequence[str]) -> list[Heading]:
    """Drop runs of three and more headings with hardly a word between them."""
    runs: list[list[Heading]] = []
    for heading in found:
        between = runs and count_words(" ".join(paragraphs[runs[-1][-1].end : heading.start])) < 25
        if between:
            runs[-1].append(heading)
        else:
            runs.append([heading])
    kept: list[Heading] = []
    for position, run in enumerate(runs):
        if len(run) < 3:
            kept.extend(run)
        elif position + 1 < len(runs) or len(runs) == 1:
            # The last line of the contents runs into the first real heading of the book.
            titles = [heading.title.casefold() for heading in run]
            repeat = next((i for i in range(1, len(run)) if titles[i] in titles[:i]), len(run))
            kept.extend(run[repeat:])
    return kept


def _bare_numbers(paragraphs: Sequence[str]) -> list[Heading]:
    """Paragraphs that are only a number, if they count I, II, III and so on."""
    found = []
    expected = 1
    for index, paragraph in enumerate(paragraphs):
        match = _BARE.match(paragraph.strip())
        if match is None:
            continue
        text = match["number"]
        value = int(text) if text.isdigit() else roman_value(text)
        if value not in (1, expected):
            continue
        expected = value + 1
        found.append(Heading(index, index + 1, text))
    return found if len(found) >= 3 else []


def _is_part(title: str) -> bool:
    return title.split(maxsplit=1)[0].casefold() in _PARTS
