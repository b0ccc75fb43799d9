"""First questions: what a reader may ask of a book that nobody has opened yet.

Made from the names that the book itself repeats, and kept only where the book supports an answer.
No model is asked. Names are told by capitals, so a script without them gets the general one alone.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from lift_app.answering.lookup import look_up
from lift_app.answering.support import judge
from lift_app.answering.terms import STOP_WORDS, word_set

if TYPE_CHECKING:
    from lift_app.library.passages import Passages
    from lift_app.reading.book import Book

GENERAL = "What is this book about?"
PERSON = "Who is {name}?"
THING = "What does the book say about {name}?"
TRIED = 8
"""Names that are tried at most: each costs a look-up."""
LEAST = 3
"""How often a name must stand in a book."""
MOST_CHARACTERS = 400_000
"""Of the book that are read for names: the first part of a novel has them."""

# After a small letter or a comma, so not the first word of a sentence.
_NAME = re.compile(r"(?<=[a-zà-ÿ,;] )[A-ZÀ-Þ][\w’'-]+(?: [A-ZÀ-Þ][\w’'-]+){0,2}")
_CONTRACTED = re.compile(r"['’](?:ll|m|ve|d|re|t)\b")
_SPEAKS = word_set("said asked cried replied answered told thought smiled laughed he she his her")
_NOT_A_NAME = word_set(
    """i mr mrs miss sir lord lady dr god monday tuesday wednesday thursday friday saturday sunday
    january february march april may june july august september october november december
    chapter figure table page part section english french german"""
)


def first_questions(book: Book, passages: Passages, count: int = 3) -> list[str]:
    """Questions that the book can answer, the general one last.

    Args:
        book: whole, with its pages.
        passages: the index in which it is looked up.
        count: how many are wanted at most.

    Raises:
        NotFound: the book was removed meanwhile.
    """
    text = book.text[:MOST_CHARACTERS]
    questions: list[str] = []
    for name in _names(text):
        if len(questions) == count - 1:
            break
        question = (PERSON if _is_person(name, text) else THING).format(name=_called(name, text))
        if judge(look_up(passages, book.id, question)).supported:
            questions.append(question)
    return [*questions, GENERAL]


def _names(text: str) -> list[str]:
    """The names that recur most, longest form first."""
    found = Counter(match.group().rstrip("’'-") for match in _NAME.finditer(text))
    found = Counter({name.removesuffix("’s").removesuffix("'s"): n for name, n in found.items()})
    names: list[str] = []
    for name, times in found.most_common(60):
        parts = name.casefold().split()
        if times < LEAST or len(name) < 3 or parts[0] in STOP_WORDS or set(parts) & _NOT_A_NAME:
            continue
        if name.isupper() or _CONTRACTED.search(name):
            continue
        if any(set(parts) & set(other.casefold().split()) for other in names):
            continue
        longer = [o for o in found if name in o.split() and 2 * found[o] > times and o != name]
        names.append(max(longer, key=found.__getitem__) if longer else name)
        if len(names) == TRIED:
            break
    return names


def _called(name: str, text: str) -> str:
    """A name as the book says it: the King, but Alice."""
    called = re.findall(rf"(\b[Tt]he )?\b{re.escape(name)}\b", text)
    return f"the {name}" if 2 * sum(map(bool, called)) > len(called) else name


def _is_person(name: str, text: str) -> bool:
    """Whether the words after a name are more often those of a person."""
    after = re.findall(re.escape(name) + r"[,.”\"]? (\w+)", text)
    return sum(word in _SPEAKS for word in after) > 0.04 * len(after)
