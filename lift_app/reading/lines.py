"""Joining the lines of a hard-wrapped text into paragraphs.

A line break was forced by the width of the page if the next word would not have fitted; otherwise
somebody meant it (verse, an address, a list), and it stays. Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_DASH_END = re.compile(r"(?:--|—|–|\w-)$")


def usual_width(lines: Sequence[str]) -> int:
    """Width at which the lines of a text were wrapped, in characters; 0 if they were not.

    Lines of 40 to 100 characters count as wrapped when most full lines have about one length.
    """
    lengths = sorted(len(line.rstrip()) for line in lines if line.strip())
    if len(lengths) < 4:
        return 0
    width = lengths[min(len(lengths) - 1, int(len(lengths) * 0.9))]
    longest = lengths[int(len(lengths) * 0.995)]
    if not 40 <= width <= 100 or longest > 2 * width:
        return 0
    return width


def join_lines(lines: Sequence[str], width: int) -> str:
    """Join the lines of one paragraph; deliberate line breaks stay as `\\n`.

    Args:
        lines: consecutive lines without a blank one between them.
        width: what `usual_width` said of the whole text; 0 keeps every line break.
    """
    stripped = [line.strip() for line in lines]
    if not stripped:
        return ""
    # A paragraph set narrower than the rest (a letter, a quotation) wraps at its own width.
    own = max(len(line.rstrip()) for line in lines)
    limit = min(width, own) if len(lines) > 3 and own > 0.75 * width else width
    parts = [stripped[0]]
    for raw, line, following in zip(lines, stripped, stripped[1:], strict=False):
        if not following:
            continue
        first_word = following.split(maxsplit=1)[0]
        # A hyphen lets a word break, so only its first part has to fit.
        needed = len(first_word.split("-")[0]) + 1
        slack = max(3, width // 8)
        if width and len(raw.rstrip()) + needed > limit - slack:
            parts.append(following if _DASH_END.search(line) else " " + following)
        else:
            parts.append("\n" + following)
    return "".join(parts)


def split_paragraphs(text: str) -> list[list[str]]:
    """Split a text into paragraphs, each a list of its lines.

    Blank lines separate paragraphs. Where there are hardly any, indented first lines do; where a
    line is as long as a paragraph, each line is one.
    """
    lines = text.split("\n")
    filled = [line for line in lines if line.strip()]
    if not filled:
        return []
    long_lines = sum(len(line) > 160 for line in filled)
    one_each = long_lines > 0.2 * len(filled) and usual_width(filled) == 0
    groups: list[list[str]] = [[]]
    for line in lines:
        if not line.strip():
            groups.append([])
        elif one_each and len(line) > 160:
            groups.extend([[line], []])
        else:
            groups[-1].append(line)
    groups = [group for group in groups if group]
    if len(groups) * 25 < len(filled):
        groups = [part for group in groups for part in _split_at_indents(group)]
    return groups


def _split_at_indents(lines: Sequence[str]) -> list[list[str]]:
    """Split where a line is indented and the lines around it are not."""
    indents = [len(line) - len(line.lstrip()) for line in lines]
    base = sorted(indents)[len(indents) // 2]
    parts: list[list[str]] = [[]]
    for line, indent in zip(lines, indents, strict=True):
        if indent > base and parts[-1]:
            parts.append([])
        parts[-1].append(line)
    return parts
