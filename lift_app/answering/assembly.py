"""Assembly: everything one question puts into the model's window.

Brings excerpt, earlier turns, evidence and question together, and keeps the whole within the
window. Answers and scores both come through here, so they see the same prompt. Knows nothing
about generation or adapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lift_app.answering.answer import ContextSize, EvidencePassage
from lift_app.answering.context import Count, Excerpt, head_and_tail
from lift_app.answering.evidence import gather
from lift_app.answering.manner import manner_of
from lift_app.answering.outline import outline
from lift_app.answering.question import EXCERPT_ARMS
from lift_app.answering.whole import asks_for_whole, opening_of
from lift_app.errors import CallerError
from lift_app.sequences import shared_length
from lift_app.template import Message, build_messages

if TYPE_CHECKING:
    from lift_app.answering.lookup import Lookup
    from lift_app.answering.question import Question
    from lift_app.library import BookRow, Library
    from lift_app.models.spelling import Spelling
    from lift_app.settings import Settings

HISTORY_TOKENS = 256
"""Most tokens for earlier turns: a follow-up needs the last turn or two, and they cost time."""

_PLACE = "PLACE-OF-THE-QUESTION"

ASSEMBLY_VERSION = 2
"""Part of what a kept answer of a benchmark depends on. Raise it with every change of what a prompt
is put together from."""
EXAMPLES_WINDOW = 2048
"""Smallest window that has room for the worked examples of the prompt."""


@dataclass(frozen=True)
class Assembled:
    """A prompt, ready for the model."""

    messages: tuple[Message, ...]
    tokens: tuple[int, ...]
    """Token ids up to where the answer begins."""
    opening: str
    """First words of the answer that are given, for which there is room too; empty as a rule."""
    constant: int
    """So many of them, from the first, are the same for every question of its kind to this book."""
    size: ContextSize
    evidence: tuple[EvidencePassage, ...]
    history: int
    """How many earlier turns are in it."""


@dataclass(frozen=True)
class _Parts:
    title: str
    question: str
    excerpt: Excerpt
    evidence: tuple[EvidencePassage, ...]
    history: tuple[tuple[str, str], ...]
    examples: bool
    at_length: bool

    def messages(self) -> list[Message]:
        return build_messages(
            title=self.title,
            question=self.question,
            head=self.excerpt.head,
            tail=self.excerpt.tail,
            evidence=[passage.text for passage in self.evidence],
            history=self.history,
            examples=self.examples,
            at_length=self.at_length,
        )


def assemble(
    base: Spelling,
    library: Library,
    settings: Settings,
    row: BookRow,
    question: Question,
    lookup: Lookup,
) -> Assembled:
    """Build the prompt of a question; it and the answer fit the model's window.

    What does not fit goes in this order: the oldest turns, then head and tail, then the weakest
    passages, then the end of the question.

    Args:
        base: its tokenizer, chat template and window.
        library: books and passages.
        settings: `context_tokens` and `evidence_tokens`.
        row: the book.
        question: arm, evidence, history and `max_tokens` count here.
        lookup: what was found for the question.

    Raises:
        CallerError: the window is too small for any question.
        NotFound: there is no such book.
    """

    def count(text: str) -> int:
        return len(base.text_tokens(text))

    def page_text(number: int) -> str:
        return library.books.page(row.id, number).text

    # Three passages cannot tell what a whole book is about; head, tail, outline and memory can.
    whole = asks_for_whole(question.text)
    manner = manner_of(base.identity)
    opening = opening_of(question.text) if manner.declines else ""
    room = base.window - min(question.max_tokens, base.window // 2) - count(opening)
    budget = settings.context_tokens if question.arm in EXCERPT_ARMS else 0
    evidence: list[EvidencePassage] = []
    if question.gold:
        evidence = [EvidencePassage(0, 0, len(text), text) for text in question.gold]
    elif question.evidence and whole:
        evidence = outline(library.books, row, settings.evidence_tokens, count)
    elif question.evidence:
        evidence = gather(lookup, settings.evidence_tokens, count, page_text, manner.pieces)
    parts = _Parts(
        title=row.title,
        question=question.text,
        excerpt=head_and_tail(library.books, row, min(budget, room), count),
        evidence=tuple(evidence),
        history=_recent(question.history, count),
        # In a summary the people of the examples turn up as people of the book.
        examples=manner.examples and not whole and base.window >= EXAMPLES_WINDOW,
        at_length=whole and not opening,
    )
    while (over := len(tokens := base.chat_tokens(parts.messages())) - room) > 0:
        if parts.history:
            parts = replace(parts, history=parts.history[1:])
        elif parts.excerpt.head:
            budget = parts.excerpt.head_tokens + parts.excerpt.tail_tokens - over - 4
            parts = replace(parts, excerpt=head_and_tail(library.books, row, budget, count))
        elif parts.evidence:
            parts = replace(parts, evidence=parts.evidence[1:])
        elif parts.question:
            keep = max(0, len(parts.question) - over)
            parts = replace(parts, question=parts.question[:keep])
        else:
            raise CallerError(
                f"The model's window of {base.window} tokens is too small for a question. "
                "Choose another model."
            )
    return Assembled(
        messages=tuple(parts.messages()),
        tokens=tuple(tokens),
        opening=opening,
        constant=_constant(base, parts, tokens),
        size=ContextSize(
            head=parts.excerpt.head_tokens,
            tail=parts.excerpt.tail_tokens,
            evidence=sum(count(passage.text) for passage in parts.evidence),
            question=count(parts.question),
        ),
        evidence=parts.evidence,
        history=len(parts.history),
    )


def _constant(base: Spelling, parts: _Parts, tokens: Sequence[int]) -> int:
    """How many tokens stand before what changes from question to question."""
    bare = replace(parts, evidence=(), history=()).messages()
    before = base.tokens_before([*bare[:-1], {"role": "user", "content": _PLACE}], _PLACE)
    return shared_length([before, tokens])


def _recent(history: tuple[tuple[str, str], ...], count: Count) -> tuple[tuple[str, str], ...]:
    """The last turns that keep to `HISTORY_TOKENS`, oldest first."""
    left = HISTORY_TOKENS
    first = len(history)
    while first and (left := left - count(" ".join(history[first - 1]))) >= 0:
        first -= 1
    return history[first:]
