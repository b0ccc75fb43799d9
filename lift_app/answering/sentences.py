"""Sentences of passages, each with its exact place on its page.

Knows passages and offsets; knows nothing about questions or models. Invariant of every Sentence:
`page.text[start:end] == text`, because a passage's text is a slice of its page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from lift_app.answering.terms import stems

LONGEST_SENTENCE = 600
"""Characters after which a sentence is cut at a space: tables and lists have no full stops."""

_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’]*|\n[ \t\r]*\n")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"“‘])(?:Mr|Mrs|Ms|Dr|St|Prof|Rev|Capt|Col|Gen|Lt|Sgt|Jr|Sr|Hon|vs|etc|cf|e\.g|i\.e"
    r"|No|Vol|Fig|pp?|ca|[A-Z])\.$"
)


class PassageLike(Protocol):
    """What a sentence needs to know of a passage."""

    @property
    def number(self) -> int:
        """Position of the passage in its book."""

    @property
    def page(self) -> int:
        """1-based page number."""

    @property
    def start(self) -> int:
        """Offset of the passage in its page."""

    @property
    def text(self) -> str:
        """The text of the passage."""


@dataclass(frozen=True)
class Sentence:
    """A sentence and its half-open place on a page, in code points."""

    passage: int
    page: int
    start: int
    end: int
    text: str

    @cached_property
    def stems(self) -> frozenset[str]:
        """Stems of all its words."""
        return frozenset(stems(self.text))


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Half-open offsets of the sentences of a text, without the white space around them.

    Line breaks inside a paragraph do not end a sentence; abbreviations and initials do not either.
    """
    pieces: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        if not match.group().isspace():
            if _ABBREVIATION.search(text[max(start, match.end() - 12) : match.end()]):
                continue
            follows = text[match.end() :].lstrip()[:1]
            if follows.islower():
                continue
        pieces.append((start, match.end()))
        start = match.end()
    pieces.append((start, len(text)))
    return [cut for piece in pieces for cut in _trim(text, *piece)]


def first_sentence_end(text: str) -> int | None:
    """Where the first sentence or line of a text ends; None while nothing follows it."""
    line, newline, _ = text.partition("\n")
    sentences = split_sentences(line)
    if len(sentences) > 1:
        return sentences[0][1]
    return len(line) if newline and line.strip() else None


def _trim(text: str, start: int, end: int) -> list[tuple[int, int]]:
    cuts: list[tuple[int, int]] = []
    while start < end:
        while start < end and text[start].isspace():
            start += 1
        stop = end
        if end - start > LONGEST_SENTENCE:
            space = max(text.rfind(mark, start, start + LONGEST_SENTENCE) for mark in " \n")
            stop = space if space > start else start + LONGEST_SENTENCE
        last = stop
        while last > start and text[last - 1].isspace():
            last -= 1
        if last > start:
            cuts.append((start, last))
        start = stop
    return cuts


def sentences_of(passages: Iterable[PassageLike]) -> list[Sentence]:
    """Sentences of passages, in the order of the book; a passage given twice counts once."""
    unique = {passage.number: passage for passage in passages}
    found: list[Sentence] = []
    for number in sorted(unique):
        passage = unique[number]
        for start, end in split_sentences(passage.text):
            found.append(
                Sentence(
                    passage=number,
                    page=passage.page,
                    start=passage.start + start,
                    end=passage.start + end,
                    text=passage.text[start:end],
                )
            )
    return found
