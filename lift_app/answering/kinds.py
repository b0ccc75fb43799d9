"""Kinds of answer: what a sentence must hold to answer "how many", "when" or "who".

Pure text, English only; a question that shows no kind has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lift_app.answering.stems import stem
from lift_app.answering.terms import stems, word_set, words

_COLOURS = word_set(
    """amber beige black blonde blue bronze brown copper crimson cream dark emerald fair gold
    golden green grey gray ivory lilac maroon mauve olive orange pale pink plum purple red
    scarlet silver tan turquoise violet white yellow"""
)
_NUMBERS = word_set(
    """zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty
    ninety hundred thousand million dozen twice thrice half couple several one"""
)
_TIMES = word_set(
    """january february march april may june july august september october november december monday
    tuesday wednesday thursday friday saturday sunday spring summer autumn winter morning
    noon afternoon evening night midnight dawn dusk day days week weeks month months year
    years hour hours today yesterday tomorrow christmas easter o'clock century sunrise
    sunset nightfall supper dinner breakfast"""
)


_PEOPLE = word_set(
    """he she i his her him man woman boy girl king queen prince princess mother father brother
    sister wife husband son daughter child children people men women widow servant"""
)

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("age", re.compile(r"\bhow old\b|\b(what|which) age\b")),
    (
        "number",
        re.compile(r"\bhow (many|much)\b|\b(what|which) (number|sum|amount|percentage) of\b"),
    ),
    (
        "number",
        re.compile(r"\bhow (tall|long|far|high|deep|heavy|wide|fast|often|big|large)\b"),
    ),
    (
        "time",
        re.compile(
            r"\bwhen (did|does|was|were|is|are|will|had|has)\b"
            r"|\b(what|which) (time|day|date|year|month|season|century|night)\b"
        ),
    ),
    ("colour", re.compile(r"\b(what|which) colou?rs?\b")),
    (
        "name",
        re.compile(r"\b(what|which) (is|was|are|were) [^?]*\bnames?\b|\b(called|named) *\W*$"),
    ),
    ("person", re.compile(r"\b(who|whom|whose)\b")),
    ("reason", re.compile(r"\bwhy\b|\bwhat (made|caused|was the reason)\b")),
)
_KIND_WORDS = {
    "age": ("old", "age"),
    "number": ("number", "sum", "amount", "percentage"),
    "time": ("time", "day", "date", "year", "month", "season", "century"),
    "colour": ("colour", "color", "colours", "colors"),
}
_NUMBER = (
    r"(?:\d[\d.,]*|(?:(?:" + "|".join(sorted(_NUMBERS)) + r")(?:s|fold)?(?:[- ](?:and )?)?)+)\b"
)
_PATTERNS = {
    "age": re.compile(
        r"\b(?:aged?|was|were|is|am|be|turned|reached|boy of|girl of|man of|woman of|child of)"
        r" (?:of |about |only |nearly |almost |just |then |now |past |over |under )*"
        + _NUMBER
        + "|"
        + _NUMBER
        + r"[ -]years?[ -](?:old|of age)",
    ),
    "number": re.compile(r"\b" + _NUMBER),
    "time": re.compile(
        r"\b(?:" + "|".join(sorted(_TIMES)) + r"|1\d\d\d|20\d\d|\d?\d(?:st|nd|rd|th))\b"
    ),
    "colour": re.compile(r"\b(?:" + "|".join(sorted(_COLOURS)) + r")\b"),
    "reason": re.compile(
        r"\b(?:because|since|so that|so as|in order|therefore|owing|due|reason|lest|that is why)\b"
        r"|[,;] (?:for|as|so)\b"
    ),
}


@dataclass(frozen=True)
class AnswerKind:
    """What a sentence must hold to answer a question."""

    name: str
    """`age`, `number`, `time`, `colour`, `name`, `person` or `reason`."""
    stems: frozenset[str]
    """Stems of the words that ask for it ("date"): a sentence need not repeat them."""

    @property
    def telling(self) -> bool:
        """Whether its absence says that a sentence is no answer."""
        return self.name in {"age", "number", "time", "colour"}


def answer_kind(question: str) -> AnswerKind | None:
    """The kind of answer that an English question asks for; None if it does not show."""
    lower = question.lower()
    for name, pattern in _KINDS:
        if match := pattern.search(lower):
            asked = set(words(match.group()))
            kind_words = [word for word in _KIND_WORDS.get(name, ()) if word in asked]
            return AnswerKind(name, frozenset(map(stem, kind_words)))
    return None


def has_kind(text: str, kind: AnswerKind | None, known: Iterable[str] = ()) -> bool:
    """Whether a text holds something of that kind that is not among the stems in `known`."""
    if kind is None:
        return True
    seen = set(known)
    if pattern := _PATTERNS.get(kind.name):
        lower = text.lower()
        return any(not seen.issuperset(stems(match.group())) for match in pattern.finditer(lower))
    if kind.name == "person" and not _PEOPLE.isdisjoint(words(text.lower())):
        return True
    return any(
        position and word[:1].isupper() and word != "I" and stem(word.lower()) not in seen
        for position, word in enumerate(words(text))
    )
