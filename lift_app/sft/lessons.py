"""Lessons: what a start is trained on, written from documents with questions.

A lesson is one beginning of a prompt with several things to say after it, in the product's own
template. Four forms teach what answering needs: to read passages among others that do not matter,
to say that they hold no answer, to ask a question about them, and to answer from head and tail or
from nothing; a fifth is the bare text (L_input). Everything follows from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lift_app.answering.sentences import sentences_of
from lift_app.errors import CallerError
from lift_app.lifting.framing import excerpt_prefix
from lift_app.lifting.packing import Row, spoken
from lift_app.models.base_model import BaseModel
from lift_app.sft.corpus import Document
from lift_app.template import NOT_SAID, Message, ask, ask_back, instruct

FORMS = {"passages": 0.72, "excerpt": 0.14, "closed": 0.06, "text": 0.08}
"""Share of each form among the lessons of tales."""
DISCURSIVE = 0.1
"""Share of lessons from documents whose answers are summaries, where a corpus has both."""
PASSAGE_TOKENS = 448
"""Most tokens of all passages of a lesson, close to what the product gives them."""
EXCERPT_TOKENS = (120, 600)
"""Least and most tokens of head and tail together."""
BESIDE = 0.25
"""Share of the lessons with passages that have head and tail too."""
MOST_ANSWERS = 12
"""Answers of one lesson."""
MOST_DECLINED = 2
"""Of those, questions that the passages do not answer."""
STRANGERS = 0.25
"""Share of the questions to be declined that belong to another document."""
ASKED_BACK = 0.6
"""Share of the lessons with passages that also want a question about them."""
TEXT_TOKENS = 256
"""Tokens of bare text in a lesson of that form."""
MOST_DRAWS = 500
"""Draws for one lesson before the documents are found to give none."""
ANSWER_TOKENS = 96
"""Where an answer is cut, at the end of a sentence."""


@dataclass(frozen=True)
class Spoken:
    """Messages, and what the assistant says after them."""

    messages: tuple[Message, ...]
    answer: str
    kind: str
    """`read`, `decline`, `ask`, `excerpt`, `closed`, `discursive` or `text`."""
    title: str = ""
    """Of the document, for bare text."""


@dataclass(frozen=True)
class Lesson:
    """Rows that begin alike, with the kind of each."""

    rows: tuple[Row, ...]
    kinds: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """Learned tokens."""
        return sum(len(row.answer) for row in self.rows)


class LessonWriter:
    """Writes lesson after lesson from documents; lesson n depends on the seed and n alone.

    Args:
        base: tokenizer and chat template.
        documents: at least one.
        seed: of every choice.
    """

    def __init__(self, base: BaseModel, documents: Sequence[Document], seed: int) -> None:
        self._base = base
        self._seed = seed
        self._tales = [d for d in documents if not d.discursive]
        self._discursive = [d for d in documents if d.discursive]

    def write(self, number: int) -> Lesson:
        """Lesson `number`.

        Raises:
            CallerError: the documents give no lesson.
        """
        for attempt in range(MOST_DRAWS):  # a document may have nothing of the form that was drawn
            if said := self._draw(random.Random(f"{self._seed}/{number}/{attempt}")):
                return self._lesson(said)
        raise CallerError(
            "No lesson could be made of these documents: their evidence is missing, or longer "
            f"than {PASSAGE_TOKENS} tokens. Cut it into shorter sections."
        )

    def _draw(self, draw: random.Random) -> list[Spoken]:
        if self._discursive and (not self._tales or draw.random() < DISCURSIVE):
            return self._summaries(draw.choice(self._discursive), draw)
        tale = draw.choice(self._tales)
        form = draw.choices(list(FORMS), list(FORMS.values()))[0]
        if form == "passages":
            return self._passages(tale, draw)
        if form == "excerpt":
            return self._excerpt(tale, draw)
        if form == "closed":
            chosen = draw.sample(tale.questions, min(MOST_ANSWERS // 2, len(tale.questions)))
            return [
                _spoken([instruct(tale.title)], ask(q.question), q.answer, "closed") for q in chosen
            ]
        section = draw.choice(tale.sections)
        return [Spoken((), section, "text", tale.title)]

    def _passages(self, tale: Document, draw: random.Random) -> list[Spoken]:
        """Questions to one to three sections, with shorter pieces of others between them."""
        proving = sorted({s for q in tale.questions for s in q.sections if len(q.sections) == 1})
        if not proving:
            return []
        gold = draw.sample(proving, min(draw.choices((1, 2, 3), (2, 5, 3))[0], len(proving)))
        others = [i for i in range(len(tale.sections)) if i not in gold]
        beside = draw.sample(others, min(draw.choices((0, 1, 2), (4, 4, 2))[0], len(others)))
        pieces = [(s, tale.sections[s]) for s in gold]
        pieces += [(s, _piece(tale.sections[s], draw)) for s in beside]
        pieces = self._within(pieces, PASSAGE_TOKENS)
        draw.shuffle(pieces)
        shown = {s for s, _ in pieces}
        held = [q for q in tale.questions if q.sections and set(q.sections) <= shown & set(gold)]
        if not held:
            return []
        evidence = [text for _, text in pieces]
        system = instruct(tale.title)
        if draw.random() < BESIDE:
            head, tail = self._head_and_tail(tale, draw, EXCERPT_TOKENS[1] // 2)
            system = instruct(tale.title, head, tail)
            shown |= set(self._in_excerpt(tale, head, tail))
        strangers = [q for q in tale.questions if q.sections and shown.isdisjoint(q.sections)]
        count = min(MOST_DECLINED, max(1, round(len(held) / 4)))
        declined = draw.sample(strangers, min(count, len(strangers)))
        for place in range(len(declined)):
            if draw.random() < STRANGERS:
                other = draw.choice(self._tales)
                question = draw.choice(other.questions)
                if other is not tale:
                    declined[place] = question
        held = draw.sample(held, min(MOST_ANSWERS - len(declined), len(held)))
        said = [_spoken([system], ask(q.question, evidence), q.answer, "read") for q in held]
        said += [
            _spoken([system], ask(q.question, evidence), NOT_SAID, "decline") for q in declined
        ]
        if draw.random() < ASKED_BACK:
            back = draw.choice(held)
            said.append(
                _spoken([system], ask_back(evidence), f"{back.question}\n{back.answer}", "ask")
            )
        return said

    def _excerpt(self, tale: Document, draw: random.Random) -> list[Spoken]:
        """Questions to head and tail, and some that only memory could answer."""
        head, tail = self._head_and_tail(tale, draw, EXCERPT_TOKENS[1])
        shown = self._in_excerpt(tale, head, tail)
        held = [q for q in tale.questions if q.sections and set(q.sections) <= shown]
        other = [q for q in tale.questions if q not in held]
        chosen = draw.sample(held, min(MOST_ANSWERS - 2, len(held)))
        chosen += draw.sample(other, min(2, len(other)))
        system = instruct(tale.title, head, tail)
        return [_spoken([system], ask(q.question), q.answer, "excerpt") for q in chosen]

    def _summaries(self, document: Document, draw: random.Random) -> list[Spoken]:
        """One question that wants a few sentences, from its passages or from head and tail."""
        asked = draw.choice(document.questions)
        answer = self._cut(asked.answer)
        system = instruct(document.title or "The meeting")
        if not asked.sections:
            head, tail = self._head_and_tail(document, draw, EXCERPT_TOKENS[1])
            system = instruct(document.title or "The meeting", head, tail)
            request = ask(asked.question, at_length=True)
            return [_spoken([system], request, answer, "discursive")]
        lines = [document.sections[s] for s in asked.sections if s < len(document.sections)]
        text = "\n".join(line for _, line in self._within(list(enumerate(lines)), PASSAGE_TOKENS))
        if not text:
            return []
        request = ask(asked.question, [text], at_length=True)
        return [_spoken([system], request, answer, "discursive")]

    def _head_and_tail(self, document: Document, draw: random.Random, most: int) -> tuple[str, str]:
        budget = draw.randint(EXCERPT_TOKENS[0], most)
        half = budget // 2
        ahead = self._within(list(enumerate(document.sections)), half)
        behind = self._within(
            [(i, document.sections[i]) for i in range(len(document.sections) - 1, len(ahead), -1)],
            half,
        )
        head = "\n\n".join(text for _, text in ahead)
        tail = "\n\n".join(text for _, text in reversed(behind))
        return head, tail

    def _in_excerpt(self, document: Document, head: str, tail: str) -> set[int]:
        return {i for i, text in enumerate(document.sections) if text in head or text in tail}

    def _within(self, pieces: Sequence[tuple[int, str]], budget: int) -> list[tuple[int, str]]:
        """The first pieces that keep to a budget of tokens."""
        kept = []
        for number, text in pieces:
            budget -= len(self._base.text_tokens(text))
            if budget < 0:
                break
            kept.append((number, text))
        return kept

    def _cut(self, answer: str) -> str:
        """The first sentences of an answer that keep to `ANSWER_TOKENS`; one at least."""
        kept = ""
        for sentence in sentences_of([_Whole(answer)]):
            longer = answer[: sentence.end]
            if kept and len(self._base.text_tokens(longer)) > ANSWER_TOKENS:
                break
            kept = longer
        return kept or answer

    def _lesson(self, said: Sequence[Spoken]) -> Lesson:
        rows = [
            self._text(one) if one.kind == "text" else spoken(self._base, one.messages, one.answer)
            for one in said
        ]
        return Lesson(tuple(rows), tuple(one.kind for one in said))

    def _text(self, said: Spoken) -> Row:
        answer = self._base.text_tokens(said.answer)[:TEXT_TOKENS]
        return Row(tuple(excerpt_prefix(self._base, said.title)), tuple(answer))


@dataclass(frozen=True)
class _Whole:
    """A text as a single passage."""

    text: str
    number: int = 0
    page: int = 1
    start: int = 0


def _spoken(messages: list[Message], request: str, answer: str, kind: str) -> Spoken:
    return Spoken((*messages, {"role": "user", "content": request}), answer, kind)


def _piece(section: str, draw: random.Random) -> str:
    """A run of two to four sentences of a section."""
    sentences = sentences_of([_Whole(section)])
    first = draw.randrange(max(1, len(sentences) - 1))
    last = min(len(sentences), first + draw.randint(2, 4)) - 1
    return section[sentences[first].start : sentences[last].end] if sentences else section
