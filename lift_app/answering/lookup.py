"""Lookup: what a book holds about a question, before any model is asked.

Turns a question into weighted units (a word, or a whole name), finds passages, and scores every
sentence near them by the units it covers. Evidence, support and citations all read from one
Lookup, so they speak of the same sentences. Knows no prompt and no model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lift_app.answering.kinds import AnswerKind, answer_kind, has_kind
from lift_app.answering.sentences import Sentence, sentences_of
from lift_app.answering.stems import forms
from lift_app.answering.terms import (
    FOLLOW_UP_WORDS,
    Term,
    all_terms,
    content_terms,
    is_pair,
    word_set,
    words,
)
from lift_app.answering.thesaurus import related, related_words

if TYPE_CHECKING:
    from lift_app.library.passages import Hit, Passages

HITS = 24
"""Passages whose sentences are looked at."""
WIDENED = 10
"""The best of those, whose neighbours are looked at too."""
SMALLEST_BOOK = 50
"""Passages that a shorter book is taken to have: in three passages no word is common or rare."""
PRONOUNS = word_set("he she it they him her them his hers its their i my we our you")


@dataclass(frozen=True)
class Unit:
    """A content word of the question, or a name of several words."""

    stems: tuple[str, ...]
    weight: float
    """Rarity in this book: the idf of its rarest word, by passages."""
    name: bool
    found: bool
    """Whether the book holds it at all: the word, or at least half of the words of a name."""


_KIND_UNIT = Unit(stems=(), weight=2.5, name=False, found=True)
"""The kind of answer, counted like a word of middling rarity."""


@dataclass(frozen=True)
class Scored:
    """A sentence with how well it and its neighbours cover the question."""

    sentence: Sentence
    coverage: float
    """Share of the weight of all units that is covered, 0 to 1."""
    support: float
    """Coverage held down by its weaker half, the names or what is asked about them: 0 to 1."""
    rank: float
    """BM25 of its passage as a share of the best, 0 to 1."""
    kind: bool
    """Whether it holds the kind of answer that is asked for (a number, a time, ...)."""


@dataclass(frozen=True)
class Lookup:
    """The question's units, the passages found and their sentences in the order of the book."""

    text: str
    units: tuple[Unit, ...]
    kind: AnswerKind | None
    hits: tuple[Hit, ...]
    sentences: tuple[Sentence, ...]

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """Every sentence with its scores, in the order of the book."""
        best = self.hits[0].score if self.hits else 1.0
        ranks = {hit.passage.number: hit.score / best for hit in self.hits}
        known = {stem for unit in self.units for stem in unit.stems}
        found = []
        for index, sentence in enumerate(self.sentences):
            kind = has_kind(sentence.text, self.kind, known)
            pairs = [(unit, self._match(unit, index)) for unit in self.units]
            if self.kind and self.kind.telling:
                pairs.append((_KIND_UNIT, float(kind)))
            coverage = _share(pairs)
            named = _share([pair for pair in pairs if pair[0].name])
            told = _share([pair for pair in pairs if not pair[0].name])
            if is_heading(sentence.text):
                coverage, named, told = coverage * 0.6, named * 0.6, told * 0.6
            found.append(
                Scored(
                    sentence=sentence,
                    coverage=coverage,
                    support=(coverage + min(named, told)) / 2,
                    rank=ranks.get(sentence.passage, 0.0),
                    kind=kind,
                )
            )
        return tuple(found)

    def _match(self, unit: Unit, index: int) -> float:
        """How far a sentence covers a unit: 1 in it, less beside it or by a related word."""
        here = self.sentences[index]
        if not here.stems.isdisjoint(unit.stems):
            return 1.0
        related_here = 0.8 * any(not here.stems.isdisjoint(related(stem)) for stem in unit.stems)
        # A pronoun stands for a name of the sentences before it.
        pronoun = unit.name and not here.stems.isdisjoint(PRONOUNS)
        beside = 0.0
        for distance, weight in ((-1, 0.5), (-2, 0.25), (-3, 0.1), (1, 0.3)):
            other = index + distance
            if not 0 <= other < len(self.sentences):
                continue
            neighbour = self.sentences[other]
            if neighbour.page != here.page or abs(neighbour.passage - here.passage) > 1:
                continue
            if not neighbour.stems.isdisjoint(unit.stems):
                beside = max(beside, 0.8 if pronoun and distance < 0 else weight)
        return max(related_here, beside)


def _share(pairs: Sequence[tuple[Unit, float]]) -> float:
    """Covered share of the weight of some units; 1 if there are none."""
    total = sum(unit.weight for unit, _ in pairs)
    return sum(unit.weight * match for unit, match in pairs) / total if total else 1.0


def is_heading(text: str) -> bool:
    """Whether a piece of text looks like a title: a few words and no full stop."""
    return len(text) < 80 and not re.search(r"[.!?…:;,。！？][\"'”’»)\]]*$", text)


def is_follow_up(text: str) -> bool:
    """Whether a question leans on the one before ("And where did she go?")."""
    spoken = [word.lower() for word in words(text)]
    if not spoken:
        return False
    terms = content_terms(text)
    names = any(term.name for term in terms)
    leans = spoken[0] in {"and", "but", "so", "then", "why", "how"} and len(spoken) <= 3
    return (leans or bool(FOLLOW_UP_WORDS.intersection(spoken))) and not names


def look_up(
    passages: Passages, book_id: str, text: str, history: Sequence[tuple[str, str]] = ()
) -> Lookup:
    """Find what a book holds about a question.

    A follow-up is looked up together with the question before it; the names of that question
    then count as names of this one.

    Args:
        passages: the index.
        book_id: the book.
        text: the question.
        history: earlier turns, oldest first.

    Raises:
        NotFound: there is no such book.
    """
    kind = answer_kind(text)
    terms = list(_asked(text, history))
    if kind:
        terms = [term for term in terms if term.stem not in kind.stems] or terms
    units = weigh(passages, book_id, terms)
    query = [word for term in terms for word in forms(term.word)]
    query += [
        word
        for unit in units
        if not unit.found
        for stem in unit.stems
        for word in related_words(stem)
    ]
    hits = passages.search(book_id, " ".join(query), HITS) if query else []
    near = [hit.passage for hit in hits]
    for hit in hits[:WIDENED]:
        near += passages.neighbours(hit.passage, 1, 1)
    return Lookup(
        text=text,
        units=units,
        kind=kind,
        hits=tuple(hits),
        sentences=tuple(sentences_of(near)),
    )


def _asked(text: str, history: Sequence[tuple[str, str]]) -> tuple[Term, ...]:
    """Words of a question; a follow-up brings the names of the question it leans on.

    Where it has no telling word of its own, or the other has no names, it brings all of its words.
    """
    own = content_terms(text)
    if not history or not is_follow_up(text):
        return own or all_terms(text)
    topic: tuple[Term, ...] = ()
    for question, _ in reversed(history):
        topic = content_terms(question)
        if topic and not is_follow_up(question):
            break
    names = tuple(term for term in topic if term.name)
    brought = names if own and names else topic
    known = {term.stem for term in own}
    return (*own, *(term for term in brought if term.stem not in known)) or all_terms(text)


def weigh(passages: Passages, book_id: str, terms: Sequence[Term]) -> tuple[Unit, ...]:
    """Join the words of a name, and weigh each unit by its rarity in a book.

    Raises:
        NotFound: there is no such book.
    """
    spellings = {term: forms(term.word) for term in terms}
    frequency = passages.document_frequency(
        book_id, {word for words_of_term in spellings.values() for word in words_of_term}
    )
    held = {
        term: max(frequency.get(word, 0) for word in words_of_term)
        for term, words_of_term in spellings.items()
    }
    count = max(passages.count(book_id), SMALLEST_BOOK)
    groups: list[list[Term]] = []
    for term in terms:
        if term.name and term.joined and groups and groups[-1][-1].name:
            groups[-1].append(term)
        else:
            groups.append([term])
    units = [
        Unit(
            stems=tuple(term.stem for term in group),
            weight=max(math.log(1 + (count - held[t] + 0.5) / (held[t] + 0.5)) for t in group),
            name=group[0].name,
            found=2 * sum(held[term] > 0 for term in group) >= len(group),
        )
        for group in groups
    ]
    return _without_noise(units)


def _without_noise(units: list[Unit]) -> tuple[Unit, ...]:
    """Leave out pairs of characters that only straddle two words of a script without spaces."""
    pairs = [unit for unit in units if is_pair(unit.stems[0])]
    if 3 * sum(unit.found for unit in pairs) < len(pairs):
        return tuple(units)
    return tuple(unit for unit in units if unit.found or unit not in pairs)
