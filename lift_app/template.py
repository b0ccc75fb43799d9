"""The template: one prompt for answering, scoring and training.

What is constant for a book comes first (instruction, head, tail, two worked examples), then
earlier turns, then the evidence and the question, so that the beginning of the prompt can be kept
between questions.

Every text that comes from outside, from a book above all, is data: it stands behind a mark of the
template ("From the book:") and ends where the next mark begins. So no line of it may begin as a
mark does; one that does is quoted with `> `. The tokens that end a message are `models`' to guard.

Knows no book and no model, and imports nothing heavy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

TEMPLATE_VERSION = 4
"""Part of an adapter's key. Raise it with every change of what a model reads: the prompts here, and
what lifts of every book read beside it (`lifting/general.json`, `lifting/probe.json`)."""

Message = dict[str, str]
"""`role` (`system`, `user`, `assistant`) and `content`."""

INSTRUCTION = (
    'You answer questions about the book "{title}". '
    "Answer in one short sentence, using the words of the book."
)

NOT_SAID = "The book does not seem to say."
"""What is answered where the book does not support an answer."""

AT_LENGTH = "Answer in a few sentences."
"""Stands after a question about the whole book, which one sentence cannot answer."""

WRITE_QUESTION = "Ask a question about this, and answer it."
"""What a start has learned to do with passages; it writes the question, then the answer."""

EXAMPLES = (
    (
        "How much did the priest pay for the mare?",
        "The miller, whose name was Anton, sold his grey mare to the priest for nine florins. "
        "He wept all the way home.",
        "Nine florins.",
    ),
    (
        "Why did Anton walk to Brenn?",
        "Anton walked to Brenn, because the bridge was closed. His sister Ilse lived there above "
        "the bakery.",
        "Because the bridge was closed.",
    ),
)
"""Question, passage, answer: what a small model needs to see in order to answer briefly.

SmolLM2-135M-Instruct, 10 development questions of the sample book with two pieces of evidence:
mean NLL of the gold answer 1.96 without these two turns and 1.34 with them, token F1 0.23 and
0.38. Few questions, and they have short factual answers: a direction, not a result.
"""


BEGINS, ENDS = "The book begins:", "The book ends:"
FROM_THE_BOOK, QUESTION = "From the book:", "Question:"

MARKS = (
    INSTRUCTION.partition(' "')[0],
    BEGINS,
    ENDS,
    FROM_THE_BOOK,
    QUESTION,
    AT_LENGTH,
    WRITE_QUESTION,
)
"""What the template's own lines begin with, and nobody else's."""

_ALIKE = str.maketrans(
    # Cyrillic, Greek and Armenian for Latin, small; then colons, then what is a letter and blank.
    "аеоікмнтуѕһԛԝьαειοτυοսոհզ։׃ː˸꞉∶\u2800\u115f\u1160",
    "aeoikmhtyshqwbaeiotuounhq::::::   ",
)
"""What looks like the letters and colons of `MARKS`, as far as a careless reader is deceived."""

LONGEST_TITLE = 300
"""Characters of a title, as many as are kept of one when a book is read."""

_LONGEST_MARK = max(map(len, MARKS)) + len(MARKS)
_MARK = re.compile(
    "|".join(re.escape(mark).replace(r"\ ", r"\s+").replace(":", r"\s*[:：]") for mark in MARKS),
    re.IGNORECASE,
)


def build_messages(
    *,
    title: str,
    question: str,
    head: str = "",
    tail: str = "",
    evidence: Sequence[str] = (),
    history: Sequence[tuple[str, str]] = (),
    examples: bool = True,
    at_length: bool = False,
) -> list[Message]:
    """Messages of one question.

    Args:
        title: title of the book.
        question: the question.
        head: beginning of the book; empty in the arm LIFT_only.
        tail: end of the book; empty if the head is all of it.
        evidence: passages that were looked up, the best last.
        history: earlier turns, oldest first.
        examples: whether `EXAMPLES` come before the earlier turns.
        at_length: whether more than a short sentence is wanted.
    """
    turns = [(ask(asked, [passage]), said) for asked, passage, said in EXAMPLES if examples]
    messages = [instruct(title, head, tail)]
    turns += [(as_data(asked), as_data(answered)) for asked, answered in history]
    for asked, answered in turns:
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answered})
    messages.append({"role": "user", "content": ask(question, evidence, at_length)})
    return messages


def instruct(title: str, head: str = "", tail: str = "") -> Message:
    """The system message: what to do, and the beginning and the end of the book."""
    parts = [INSTRUCTION.format(title=_in_quotes(title))]
    if head:
        parts.append(f"{BEGINS}\n{as_data(head)}")
    if tail:
        parts.append(f"{ENDS}\n{as_data(tail)}")
    return {"role": "system", "content": "\n\n".join(parts)}


def ask(question: str, evidence: Sequence[str] = (), at_length: bool = False) -> str:
    """One user message: the passages, then the question."""
    wanted = f"\n{AT_LENGTH}" if at_length else ""
    return f"{_passages(evidence)}{QUESTION} {as_data(question)}{wanted}"


def ask_back(evidence: Sequence[str]) -> str:
    """One user message that wants a question about some passages, and its answer."""
    return f"{_passages(evidence)}{WRITE_QUESTION}"


def as_data(text: str) -> str:
    """A text in which no line passes for one of the template's; most texts are as they were.

    What a reader is shown and what is cited comes from the page, not from here.
    """
    lines = text.splitlines(keepends=True)
    return "".join(f"> {line}" if _passes_for_a_mark(line) else line for line in lines)


def _passes_for_a_mark(line: str) -> bool:
    """Whether a line begins as one of the template's does, to whom sees letters alone."""
    seen = line.strip()
    plain = seen.isascii() and seen.isprintable()
    return _MARK.match(seen if plain else _beginning(seen)) is not None


def _beginning(line: str) -> str:
    """What a line looks like at its beginning, in plain letters."""
    found = ""
    for character in line:
        shown = _shown(character)
        if shown != " " or found[-1:].strip():
            found += shown
        if len(found) > _LONGEST_MARK:
            break
    return found


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    """The plain letters that a character looks like; none for accents and what shows nothing."""
    if character.isspace():
        return " "
    parts = unicodedata.normalize("NFKD", character).casefold().translate(_ALIKE)
    return "".join(part for part in parts if unicodedata.category(part)[0] not in "MC")


def _passages(evidence: Sequence[str]) -> str:
    if not evidence:
        return ""
    return f"{FROM_THE_BOOK}\n" + "\n\n".join(map(as_data, evidence)) + "\n\n"


def _in_quotes(title: str) -> str:
    """A title that stays on its line and within its quotation marks."""
    return " ".join(title.split())[:LONGEST_TITLE].replace('"', "'")
