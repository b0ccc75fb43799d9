"""Bytes of a text file become characters.

The order: what the caller names, a byte order mark, what the file declares, strict UTF-8, UTF-16
without a mark, and at last a guess by charset-normalizer, which the report tells.
"""

from __future__ import annotations

import codecs
import re

from lift_app.errors import CallerError

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 96 * 1024
# Encodings of mainframes, old Macs and terminals: rarely meant, often guessed for short texts.
_UNLIKELY = (
    "cp037 cp273 cp424 cp500 cp875 cp1026 cp1140 cp720 cp737 cp775 cp855 cp856 cp857 cp858 cp860 "
    "cp861 cp862 cp863 cp864 cp865 cp869 cp1006 cp1125 hp_roman8 hz johab kz1048 mac_arabic "
    "mac_croatian mac_cyrillic mac_farsi mac_greek mac_iceland mac_latin2 mac_roman mac_romanian "
    "mac_turkish palmos ptcp154 shift_jisx0213 shift_jis_2004 euc_jis_2004 euc_jisx0213 tis_620 "
    "utf_7 utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le"
)
_NO_FILES = frozenset(("idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"))
"""Python calls these encodings, too; no file is written in them, and some take quadratic time."""
_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,80}encoding\s*=\s*["']([\w.:-]{2,40})|<meta[^>]{0,200}charset\s*=\s*["']?"""
    rb"""([\w.:-]{2,40})""",
    re.IGNORECASE,
)


def decode(
    data: bytes, encoding: str | None = None, *, declared: bool = False
) -> tuple[str, str, list[str]]:
    """Decode the bytes of a text file.

    Args:
        data: the whole file.
        encoding: the encoding that the caller names, which is then not doubted.
        declared: whether to look for a declaration of HTML or XML in the first bytes.

    Returns:
        The text, the name of the encoding, and warnings as sentences.

    Raises:
        CallerError: there is no encoding of the name given.
    """
    if encoding:
        return _decode_as_told(data, encoding)
    for mark, name in _MARKS:
        if data.startswith(mark):
            text = data.decode(name, errors="replace")
            return text, name.removesuffix("-sig"), _replaced(text, name)
    if declared and (match := _DECLARED.search(data[:4096])):
        name = (match[1] or match[2]).decode("ascii")
        if name.casefold() not in ("utf-8", "utf8", "utf-16", "utf16"):
            try:
                # The web reads latin-1 as Windows-1252, which has printable quotes there.
                real = "cp1252" if name.casefold() in ("iso-8859-1", "latin-1", "latin1") else name
                return data.decode(found := _codec(real)), found, []
            except (LookupError, UnicodeDecodeError, ValueError):
                pass
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A text that is UTF-8 but for its torn last character.
        if error.start >= len(data) - 3 and error.start > 16:
            return data[: error.start].decode("utf-8"), "utf-8", []
        return _guess(data)
    if "\x00" in text[:4096] and (wide := _wide(data)):
        return data.decode(wide, errors="replace"), wide, []
    return text, "utf-8", []


def _decode_as_told(data: bytes, encoding: str) -> tuple[str, str, list[str]]:
    try:
        name = _codec(encoding)
        text = data.decode(name, errors="replace")
    except (LookupError, UnicodeError, ValueError, AttributeError):
        raise CallerError(
            f"There is no text encoding called {encoding!r}. Try utf-8, cp1252, iso-8859-15, "
            "shift_jis, gb18030, euc_kr or koi8-r.",
            code="unknown_encoding",
        ) from None
    return text.removeprefix("\ufeff"), name, _replaced(text, name)


def _codec(name: str) -> str:
    """Python's own name of an encoding. Raises LookupError: no file has it."""
    found = codecs.lookup(name).name
    if found.replace("-", "_") in _NO_FILES:
        raise LookupError(name)
    return found


def _replaced(text: str, name: str) -> list[str]:
    count = text.count("\ufffd")
    if not count:
        return []
    return [f"{count:,} characters are not valid {name} and show as \ufffd."]


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of western text is zero."""
    sample = data[:4096]
    for name, zero in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
        if zero and zero.count(0) > 0.4 * len(zero):
            return name
    return None


def _guess(data: bytes) -> tuple[str, str, list[str]]:
    from charset_normalizer import from_bytes  # 60 ms, and UTF-8 never needs it

    if wide := _wide(data):
        return data.decode(wide, errors="replace"), wide, []
    first = next((i for i, byte in enumerate(data) if byte > 127), 0)
    start = max(0, first - 2048)
    # Cut at line ends, so that no character of several bytes is torn.
    sample = data[start : start + _SAMPLE]
    if start and (line := sample.find(b"\n")) >= 0:
        sample = sample[line + 1 :]
    if len(data) > start + _SAMPLE and (line := sample.rfind(b"\n")) > 0:
        sample = sample[:line]
    best = from_bytes(sample, cp_exclusion=_UNLIKELY.split(), enable_fallback=False).best()
    name = best.encoding if best is not None else "cp1252"
    if name in ("latin_1", "iso8859_1", "ascii"):
        name = "cp1252"
    text = data.decode(name, errors="replace")
    return (
        text,
        name,
        [
            f"The file does not say how its letters are encoded; {name} is a guess. If letters "
            "look wrong, choose another encoding.",
            *_replaced(text, name),
        ],
    )
