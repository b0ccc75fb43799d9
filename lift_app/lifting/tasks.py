"""Auxiliary tasks (AT): questions about short extracts of the book (arXiv 2412.13626, section 3.2).

A task is always written from one extract, never from the whole book. Kinds that need no writer
come from the text itself; `task_writer` has the model ask. Torch-free.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lift_app.library import effects
from lift_app.library.splitting import split_page, words_in
from lift_app.reading.book import Book

LEAST_WORDS = 25
"""Shorter extracts (titles, lists of contents) give no tasks."""
LONGEST_SENTENCE = 240
"""Characters of a sentence that a task may quote."""

_SENTENCE = re.compile(r"[^.!?…。！？]+(?:[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』”’]*)")
_NUMBER = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Extract:
    """A short piece of the book."""

    number: int
    page: int
    """1-based page number."""
    text: str
    chapter: str = ""
    """Title of its chapter; empty where the book has none there."""


@dataclass(frozen=True)
class Task:
    """A question with its answer, and the extract that proves it."""

    kind: str
    """`question` (written by the model), `cloze`, `next`, `order` or `note`."""
    question: str
    answer: str
    extract: int
    """Number of the extract."""
    later: int | None = None
    """Number of a second extract, which the order of events needs."""

    @property
    def extracts(self) -> tuple[int, ...]:
        """Numbers of all extracts that prove the answer, in reading order."""
        return (self.extract,) if self.later is None else (self.extract, self.later)


def extracts_of(book: Book) -> tuple[Extract, ...]:
    """The book in pieces of about 85 words, in reading order, without those too short to ask of."""
    found: list[Extract] = []
    for page in book.pages:
        chapter = "" if page.chapter is None else book.chapters[page.chapter].title
        for start, end in split_page(page.text):
            text = re.sub(r"\s*\n\s*", " ", page.text[start:end])
            if words_in(text) >= LEAST_WORDS:
                found.append(Extract(len(found), page.number, text, chapter))
    return tuple(found)


def plain_tasks(extract: Extract, following: Extract | None, draw: random.Random) -> list[Task]:
    """Tasks that need no writer, at most one of each kind.

    Args:
        extract: what is asked about.
        following: an extract further on in the book, for the order of events.
        draw: chooses among sentences and gaps.
    """
    sentences = sentences_in(extract.text)
    makers = (
        _cloze(extract, sentences, draw),
        _next(extract, sentences, draw),
        _note(extract, sentences, draw),
    )
    tasks = [task for task in makers if task]
    if following and sentences and (later := sentences_in(following.text)):
        pair = [sentences[0], later[0]]
        draw.shuffle(pair)
        question = f"Which comes first in the book, “{pair[0]}” or “{pair[1]}”?"
        tasks.append(Task("order", question, sentences[0], extract.number, following.number))
    return tasks


def sentences_in(text: str) -> list[str]:
    """Sentences of a text that are short enough to be quoted."""
    found = [match.group().strip() for match in _SENTENCE.finditer(text)]
    return [s for s in found if words_in(s) >= 4 and len(s) <= LONGEST_SENTENCE]


def _cloze(extract: Extract, sentences: Sequence[str], draw: random.Random) -> Task | None:
    gaps = [
        (sentence, gap)
        for sentence in sentences
        for gap in [*(number.span() for number in _NUMBER.finditer(sentence)), *_names(sentence)]
    ]
    if not gaps:
        return None
    sentence, (start, end) = draw.choice(gaps)
    question = f"What belongs in the gap? “{sentence[:start]}___{sentence[end:]}”"
    return Task("cloze", question, f"{sentence[start:end]}.", extract.number)


def _names(sentence: str) -> list[tuple[int, int]]:
    """Where names stand: words with a capital, unless they begin the sentence."""
    found: list[tuple[int, int]] = []
    for word in _WORD.finditer(sentence):
        text, start = word.group(), word.start()
        if not (text[0].isupper() and text[1:].islower() and sentence[start - 1 : start] == " "):
            continue
        before = sentence[start - 2 : start - 1]
        if found and found[-1][1] == start - 1:
            found[-1] = found[-1][0], word.end()
        elif before.islower() or before in (",", ";"):
            found.append((start, word.end()))
    return found


def _next(extract: Extract, sentences: Sequence[str], draw: random.Random) -> Task | None:
    if len(sentences) < 2:
        return None
    place = draw.randrange(len(sentences) - 1)
    return Task(
        "next", f"What comes after “{sentences[place]}”?", sentences[place + 1], extract.number
    )


def _note(extract: Extract, sentences: Sequence[str], draw: random.Random) -> Task | None:
    """What the book says of somebody, or in a chapter: a sentence of its own, not a summary."""
    told = [
        (f"What does the book say of {sentence[start:end]}?", sentence)
        for sentence in sentences
        for start, end in _names(sentence)
    ]
    if extract.chapter:
        told += [
            (f"What is told in the chapter “{extract.chapter}”?", sentence)
            for sentence in sentences[:1]
        ]
    return Task("note", *draw.choice(told), extract.number) if told else None


class TaskFile:
    """Groups of tasks on disk, one JSON line each: stored before the step that learns them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.groups: list[tuple[Task, ...]] = list(self._read())

    @property
    def questions(self) -> set[str]:
        """Every question there is, in small letters."""
        return {task.question.lower() for group in self.groups for task in group}

    def add(self, group: Sequence[Task]) -> None:
        """Store the next group; it is on the disk when this returns."""
        self.groups.append(tuple(group))
        lines = [json.dumps([asdict(task) for task in one]) + "\n" for one in self.groups]
        effects.make_folder(self._path.parent)
        effects.replace_file(self._path, ["".join(lines).encode("utf-8")])

    def _read(self) -> Iterator[tuple[Task, ...]]:
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8").split("\n"):
            if line:
                yield tuple(Task(**task) for task in json.loads(line))
