"""Numbers in a text, whether written in digits or in English words. Pure text."""

from __future__ import annotations

import re

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fifth": 5,
    "eighth": 8,
    "ninth": 9,
    "twelfth": 12,
    **{f"{word.removesuffix('y')}ieth": _VALUES[word] for word in _TENS},
    **{
        f"{word}th": _VALUES[word]
        for word in _UNITS[4:]
        if word not in ("five", "eight", "nine", "twelve")
    },
}
_WORD = re.compile(r"\d[\d,]*(?:\.\d+)?|[a-z]+")


def numbers_in(text: str) -> frozenset[float]:
    """Every number of a text: "71" and "seventy-one" are the same, and so are "9th" and "ninth".

    "Two hundred and twelve" is 212 alone. A lone "one" or "second" is no number: they are rarely
    meant as such.
    """
    found: set[float] = set()
    total = current = 0.0
    length = 0  # words of the number that is being read

    def close() -> None:
        nonlocal total, current, length
        if length:
            found.add(total + current)
        total = current = 0.0
        length = 0

    words = _WORD.findall(text.lower())
    for position, word in enumerate(words):
        if word[0].isdigit():
            close()
            found.add(float(word.replace(",", "")))
        elif word in _VALUES or word in _ORDINALS:
            value = _VALUES.get(word, _ORDINALS.get(word, 0))
            if length and not _continues(current, value):
                close()
            lone = word in ("one", "second") and not length
            following = words[position + 1] if position + 1 < len(words) else ""
            if lone and following not in _SCALES:
                continue
            current += value
            length += 1
            if word in _ORDINALS:
                close()
        elif word in _SCALES and length:
            current = max(current, 1) * _SCALES[word]
            if _SCALES[word] > 100:
                total, current = total + current, 0.0
            length += 1
        elif not (word == "and" and length):
            close()
    close()
    return frozenset(found)


def _continues(current: float, value: int) -> bool:
    """Whether `value` can follow: "twenty" + "six", "hundred" + "twelve", not "six" + "two"."""
    if current == 0:
        return True
    if current >= 100:
        return value < 100
    return current % 10 == 0 and current >= 20 and 0 < value < 10
