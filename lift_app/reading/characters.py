"""Cleaning of characters, the same for every format.

Owns which characters may appear in a page's text: NFC, `\\n` line ends, no control characters, no
invisible marks, plain spaces. Knows nothing about lines, paragraphs or files.
"""

from __future__ import annotations

import re
import unicodedata

_NEWLINES = re.compile(r"\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r"[\t\x1f\u00a0\u1680\u2000-\u200a\u202f\u205f]")
# Selectors choose the form of the letter before them. One is honest; a row of them, or one that
# follows nothing, can only spell what nobody sees.
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
EXCESS_SELECTORS = re.compile(  # what is looked for comes first, or every letter is looked behind
    rf"[{_SELECTORS}](?:(?<=[{_SELECTORS}]{{2}})|(?<![^\s][{_SELECTORS}]))[{_SELECTORS}]*"
)
# Zero-width spaces and joiners, direction overrides (which can make a quote read differently from
# what it is), the tags of Unicode (ASCII that no font shows), fillers that look like a space and
# count as a letter. ZWJ and ZWNJ stay: Persian and the scripts of India need them.
_UNSEEN = (
    "\u034f\u180e\u200b\u2060-\u2064\u202a-\u202e\u2066-\u206f\u3164\uffa0\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
UNSEEN = re.compile(f"[\U000e0000-\U000e007f]|[{_UNSEEN}]{{3,}}")
"""Characters that show nothing, where an honest file has none: tags, and rows of the others. One or
two are typography, as the joiner before a dash."""
# And what honest files do have: soft hyphens, byte order marks, control and noncharacters.
_INVISIBLE = re.compile(f"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\ufeff\ufffe\uffff{_UNSEEN}]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LIGATURES = str.maketrans(
    {
        "\ufb00": "ff",
        "\ufb01": "fi",
        "\ufb02": "fl",
        "\ufb03": "ffi",
        "\ufb04": "ffl",
        "\ufb05": "st",
        "\ufb06": "st",
    }
)
_SPACE_RUN = re.compile(r" {2,}")
# Looked for from where a run of spaces begins, not from each of its spaces: that is quadratic.
_SPACE_AT_END = re.compile(r"(?<! ) +$", re.MULTILINE)
_LONG_GAP = re.compile("([ \u3000])[ \u3000]{200,}")
_LONG_BREAK = re.compile(r"\n{9,}")
_UNDECODED = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""Thai, Lao, Burmese, Khmer, kana, Chinese: scripts that put no spaces between words."""


def clean(text: str, *, keep_indent: bool = False) -> str:
    """Return the text as a page may hold it.

    Args:
        text: anything a decoder or parser gave.
        keep_indent: keep runs of spaces (for text files, where indentation has a meaning).
    """
    if text.isascii() and text.isprintable():
        text = _LONG_GAP.sub(200 * " ", text) if keep_indent else _SPACE_RUN.sub(" ", text)
        return text.rstrip(" ")
    text = _NEWLINES.sub("\n", text)
    text = _SPACES.sub(" ", text)
    text = EXCESS_SELECTORS.sub("", _INVISIBLE.sub("", text))
    text = _SURROGATES.sub("\ufffd", text)
    text = unicodedata.normalize("NFC", text.translate(_LIGATURES))
    if not keep_indent:
        text = _SPACE_RUN.sub(" ", text)
    # Empty space counts no words, so without a limit a page could have any length.
    text = _SPACE_AT_END.sub("", _LONG_GAP.sub(lambda gap: 200 * gap[1], text))
    return _LONG_BREAK.sub(8 * "\n", text)


def one_line(text: str, limit: int = 300) -> str:
    """Return the text cleaned, on one line, at most `limit` characters: for titles and names."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def count_words(text: str) -> int:
    """Count words; in scripts without spaces two characters count as one word."""
    if not UNSPACED.search(text):
        return len(text.split())
    unspaced = len(UNSPACED.findall(text))
    return len(UNSPACED.sub(" ", text).split()) + (unspaced + 1) // 2


def undecoded_share(text: str) -> float:
    """Share of the visible characters that stand for no known letter, from 0 to 1."""
    visible = sum(not character.isspace() for character in text)
    return len(_UNDECODED.findall(text)) / visible if visible else 0.0
