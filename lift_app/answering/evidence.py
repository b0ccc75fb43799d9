"""Evidence: pieces of a book that go into the context for one question.

Takes the sentences that a Lookup scored and widens the best ones by their neighbours, within a
budget of tokens. Knows no prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lift_app.answering.answer import EvidencePassage
from lift_app.answering.context import Count
from lift_app.answering.lookup import Lookup, Scored
from lift_app.answering.manner import PLAIN
from lift_app.answering.sentences import Sentence

NEIGHBOURS = 1
"""Sentences on either side of a good one that are read with it."""
RANK_WEIGHT = 0.15
"""What the BM25 rank of its passage adds to a sentence's coverage."""


def relevance(scored: Scored) -> float:
    """By how much a sentence deserves to be read for a question."""
    return scored.coverage + RANK_WEIGHT * scored.rank


def gather(
    lookup: Lookup,
    budget: int,
    count: Count,
    page_text: Callable[[int], str],
    most: int = PLAIN.pieces,
) -> list[EvidencePassage]:
    """The best pieces for a question, the best one last, next to the question.

    Args:
        lookup: what was found.
        budget: tokens for all pieces together; a piece that does not fit gives up its neighbours.
        count: counts the tokens of a text.
        page_text: text of a page by its 1-based number.
        most: how many sentences are chosen and widened at most; none that is half as relevant as
            the best.
    """
    order = sorted(range(len(lookup.scored)), key=lambda i: -relevance(lookup.scored[i]))
    best = max(map(relevance, lookup.scored), default=0.0)
    taken: set[int] = set()
    leads: list[int] = []
    for index in order:
        if len(leads) == most or 2 * relevance(lookup.scored[index]) <= best:
            break
        if index in taken:
            continue
        for width in range(NEIGHBOURS, -1, -1):
            wider = taken | _around(lookup.sentences, index, width)
            pieces = _pieces(lookup.sentences, wider, page_text)
            if sum(count(piece.text) for _, piece in pieces) <= budget:
                taken = wider
                leads.append(index)
                break
    place = {lead: rank for rank, lead in enumerate(leads)}
    pieces = _pieces(lookup.sentences, taken, page_text)
    pieces.sort(key=lambda p: -min(place.get(index, len(leads)) for index in p[0]))
    return [piece for _, piece in pieces]


def _around(sentences: Sequence[Sentence], index: int, width: int) -> set[int]:
    """Sentences on the same page, at most `width` away, with no gap between."""
    found = {index}
    for step in (-1, 1):
        for other in range(index + step, index + step * (width + 1), step):
            if not 0 <= other < len(sentences) or not _follow(sentences, other, other - step):
                break
            found.add(other)
    return found


def _follow(sentences: Sequence[Sentence], one: int, other: int) -> bool:
    """Whether two sentences of the list stand beside each other in the book."""
    first, second = sentences[min(one, other)], sentences[max(one, other)]
    return first.page == second.page and second.passage - first.passage <= 1


def _pieces(
    sentences: Sequence[Sentence], taken: set[int], page_text: Callable[[int], str]
) -> list[tuple[list[int], EvidencePassage]]:
    """Runs of sentences as pieces of their page."""
    runs: list[list[int]] = []
    for index in sorted(taken):
        if runs and runs[-1][-1] == index - 1 and _follow(sentences, index - 1, index):
            runs[-1].append(index)
        else:
            runs.append([index])
    pieces = []
    for run in runs:
        first, last = sentences[run[0]], sentences[run[-1]]
        text = page_text(first.page)[first.start : last.end]
        pieces.append((run, EvidencePassage(first.page, first.start, last.end, text)))
    return pieces
