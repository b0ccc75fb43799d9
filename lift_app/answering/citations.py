"""Citations: the lines of the book that best support a question and its answer.

Found after the answer, so every arm has them, also those that saw no passage. A citation is shown
only if its quote stands verbatim on its page. Where the base has learned to read, it is also asked
whether a quote, read alone, gives the answer; who asks it stands in `witness`. Knows no prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lift_app.answering.answer import Citation
from lift_app.answering.evidence import relevance
from lift_app.answering.lookup import Lookup, Unit, weigh
from lift_app.answering.manner import PLAIN
from lift_app.answering.terms import content_terms

if TYPE_CHECKING:
    from lift_app.answering.sentences import Sentence
    from lift_app.library import BookRow, Library

MARGIN = 0.1
"""Without a witness: by how much the best sentence must lead the next one that is not beside it,
because better one right than two half right (docs/answering.md)."""

HEARD = 3
"""With a witness: quotes that it is asked about, the best first, until it bears one out."""

QUOTE_CHARACTERS = 420
"""Longest quote. The sentences beside the best one come along while they fit and stand in the same
paragraph: a reader sees the fact in its place, and where the best sentence only leads up to the
fact, its neighbour holds it."""

_DECLINED = re.compile(
    r"\b(?:book|text|passages?|story|excerpt|author)\b[^.]{0,40}"
    r"\b(?:does|do|did) ?n[o']t\b[^.]{0,20}"
    r"\b(?:say|mention|state|specify|tell|provide|give|contain)",
    re.IGNORECASE,
)


def declines(answer: str) -> bool:
    """Whether an answer itself says that the book does not tell."""
    return bool(_DECLINED.search(answer))


def cite(
    library: Library,
    row: BookRow,
    lookup: Lookup,
    answer: str,
    answer_weight: float = PLAIN.answer_weight,
    bears_out: Callable[[str], bool] | None = None,
) -> tuple[Citation, ...]:
    """The citation of an answer; none where no sentence of the book proves it.

    Args:
        library: pages and passages.
        row: the book.
        lookup: the question's sentences.
        answer: as it was written.
        answer_weight: what its words count beside those of the question.
        bears_out: whether a quote, read alone, gives the answer. Without it a sentence has to
            stand out from all others.

    Raises:
        NotFound: there is no such book.
    """
    asked = {stem for unit in lookup.units for stem in unit.stems}
    terms = [term for term in content_terms(answer) if term.stem not in asked]
    units = weigh(library.passages, row.id, terms) if terms else ()
    scores = _scores(lookup, units, answer_weight)
    if bears_out is None:
        best = _outstanding(scores)
        found = None if best is None else _citation(library, row, lookup, lookup.sentences[best])
        return () if found is None else (found,)
    heard: list[Citation] = []
    for index in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if len(heard) == HEARD or scores[index] <= 0:
            break
        citation = _citation(library, row, lookup, lookup.sentences[index])
        if citation is None or any(_overlap(citation, other) for other in heard):
            continue
        if bears_out(citation.quote):
            return (citation,)
        heard.append(citation)
    return ()


def _citation(
    library: Library, row: BookRow, lookup: Lookup, sentence: Sentence
) -> Citation | None:
    """A sentence with its neighbours, if it stands on its page as it was looked up."""
    page = library.books.page(row.id, sentence.page)
    if page.text[sentence.start : sentence.end] != sentence.text:
        return None
    start, end = _with_neighbours(sentence, lookup.sentences, page.text)
    chapter = None
    if page.chapter is not None:
        chapter = library.books.chapters(row.id)[page.chapter].title
    return Citation(
        page=page.number,
        page_label=page.label,
        chapter=chapter,
        quote=page.text[start:end],
        start=start,
        end=end,
    )


def _overlap(one: Citation, other: Citation) -> bool:
    """Whether two quotes share most of the shorter one."""
    if one.page != other.page:
        return False
    shared = min(one.end, other.end) - max(one.start, other.start)
    return 2 * shared > min(one.end - one.start, other.end - other.start)


def _with_neighbours(
    sentence: Sentence, sentences: Sequence[Sentence], page: str
) -> tuple[int, int]:
    """Range on the page of a sentence with the next one and the one before, where they fit."""
    start, end = sentence.start, sentence.end
    on_page = [other for other in sentences if other.page == sentence.page]
    following = [o.end for o in on_page if o.start >= end and _is_gap(page[end : o.start])]
    if following and following[0] - start <= QUOTE_CHARACTERS:
        end = following[0]
    before = [o.start for o in on_page if o.end <= start and _is_gap(page[o.end : start])]
    if before and end - before[-1] <= QUOTE_CHARACTERS:
        start = before[-1]
    return start, end


def _is_gap(between: str) -> bool:
    """Whether nothing but white space, and no end of a paragraph, stands between two sentences."""
    return not between.strip() and "\n\n" not in between


def _scores(lookup: Lookup, answer_units: Sequence[Unit], answer_weight: float) -> list[float]:
    """How much of the question and of the answer each sentence covers.

    Args:
        lookup: the question's sentences.
        answer_units: words of the answer that are not in the question. Those the book does not
            hold are left out: they can support nothing.
        answer_weight: what they count beside those of the question.
    """
    units = [unit for unit in answer_units if unit.found]
    total = sum(unit.weight for unit in units)
    scores = []
    for scored in lookup.scored:
        score = relevance(scored)
        if total:
            covered = sum(
                unit.weight for unit in units if not scored.sentence.stems.isdisjoint(unit.stems)
            )
            score += answer_weight * covered / total
        scores.append(score)
    return scores


def _outstanding(scores: Sequence[float]) -> int | None:
    """The best sentence, if no other one that is not beside it does almost as well."""
    best = max(range(len(scores)), key=scores.__getitem__, default=None)
    if best is None or scores[best] <= 0:
        return None
    rivals = [score for index, score in enumerate(scores) if abs(index - best) > 1]
    return best if scores[best] - max(rivals, default=0.0) >= MARGIN else None
