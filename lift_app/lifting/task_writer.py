"""TaskWriter: the base model asks about extracts of the book, and weak questions are left out.

The adapter is off while it writes, so the tasks of a lift depend on the book, the base and the
seed alone. Knows the book as extracts; knows nothing of jobs or files.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from itertools import takewhile

import torch

from lift_app.library.splitting import UNSPACED_LETTERS
from lift_app.lifting.auxiliary import TaskRows
from lift_app.lifting.packing import Row, pack, row_means, spoken
from lift_app.lifting.probe import held_out
from lift_app.lifting.tasks import Extract, Task, plain_tasks
from lift_app.models.lora import AdapterHost
from lift_app.models.openings import continue_openings
from lift_app.template import ask, ask_back, instruct

OPENINGS = ("Who", "What", "Where", "Why", "How", "When")
"""What the questions to an extract begin with: so they differ, and each kind is asked."""
LEAST_GAIN = 0.5
"""By how much the extract must lower the NLL of an answer, in nats a token."""
_OPENER = re.compile(
    r"an?|and|as|at|because|by|for|from|he|her|his|in|is|its?|of|on|or|she|so|that|the|their|they|to"
    r"|was|were|with"
)
"""A word that an answer may begin with without saying anything by it."""
SHORT_WORDS = 3
"""Letters up to which a word says nothing by itself, in a script that puts spaces between words."""
LONGEST = 64
"""Most tokens of a question and its answer."""

_WORD = re.compile(rf"[{UNSPACED_LETTERS}]|[^\W_{UNSPACED_LETTERS}]+")


class TaskWriter:
    """Writes one group of tasks an extract, the extracts in an order that the seed draws.

    Those that the probe measures memory by are left out.

    Args:
        host: the base model.
        title: title of the book.
        extracts: of the book; not empty.
        seed: of the order, and of the choice of gaps.
        asks: whether the base asks, too; only one on a start has learned to.
    """

    def __init__(
        self,
        host: AdapterHost,
        title: str,
        extracts: Sequence[Extract],
        seed: int,
        *,
        asks: bool = True,
    ) -> None:
        self._host = host
        self._title = title
        self._extracts = extracts
        self._seed = seed
        self._asks = asks and host.base.identity.start is not None
        kept = {extract.number for extract in held_out(extracts, seed)}
        self._order = [extract.number for extract in extracts if extract.number not in kept]
        random.Random(f"{seed}/tasks").shuffle(self._order)

    def write(self, group: int, known: Collection[str]) -> list[Task]:
        """Tasks of group `group`; after the last extract the first comes again, with other gaps.

        Args:
            group: 0-based; the same group is the same tasks.
            known: questions that were asked before, in small letters.
        """
        extract = self._extracts[self._order[group % len(self._order)]]
        draw = random.Random(f"{self._seed}/tasks/{group}")
        later = self._extracts[extract.number + 1 :]
        tasks = plain_tasks(extract, draw.choice(later) if later else None, draw)
        if self._asks and group < len(self._order):
            tasks += self._ask(extract)
        return [task for task in tasks if task.question.lower() not in known]

    def rows(self, tasks: Sequence[Task]) -> TaskRows:
        """What tasks put before the model."""
        opened, closed = (tuple(self._rows(tasks, open_book=o)) for o in (True, False))
        # By the extract, too: the kinds stand in the same order in each group.
        labelled_open = tuple((n + task.extract) % 2 == 1 for n, task in enumerate(tasks))
        return TaskRows(opened, closed, labelled_open)

    def _rows(self, tasks: Sequence[Task], *, open_book: bool) -> list[Row]:
        """Prompts and answers of tasks, with the extract in the context or without."""
        rows = []
        for task in tasks:
            evidence = [self._extracts[n].text for n in task.extracts] if open_book else []
            message = {"role": "user", "content": ask(task.question, evidence)}
            rows.append(spoken(self._host.base, [instruct(self._title), message], task.answer))
        return rows

    def _ask(self, extract: Extract) -> list[Task]:
        """The questions that the base asks about an extract, those that are worth asking."""
        base = self._host.base
        message = {"role": "user", "content": ask_back([extract.text])}
        with self._host.disabled() as model:
            written = continue_openings(
                model,
                base.chat_tokens([instruct(self._title), message]),
                [base.text_tokens(opening) for opening in OPENINGS],
                end_tokens=base.end_tokens,
                max_tokens=LONGEST,
            )
        tasks = [task for ids in written if (task := self._parsed(ids, extract))]
        return [
            task for task, gain in zip(tasks, self._gains(tasks), strict=True) if gain >= LEAST_GAIN
        ]

    def _parsed(self, ids: Sequence[int], extract: Extract) -> Task | None:
        """A question and its answer, unless it is none or the extract does not hold the answer."""
        text = self._host.base.tokenizer.decode(ids, skip_special_tokens=True)
        question, _, answer = (part.strip() for part in text.partition("\n"))
        if not question.endswith("?") or not answer or "\n" in answer:
            return None
        if not held(answer, extract.text):
            return None
        return Task("question", question, answer, extract.number)

    def _gains(self, tasks: Sequence[Task]) -> list[float]:
        """How much the extract lowers the NLL of each answer."""
        if not tasks:
            return []
        with self._host.disabled() as model, torch.no_grad():
            closed, opened = (
                row_means(model, pack(self._rows(tasks, open_book=o), self._host.base.device))
                for o in (False, True)
            )
        return (closed - opened).tolist()


def held(answer: str, extract: str) -> bool:
    """Whether an answer is a verbatim part of the extract: what is made up must not be learned.

    The same words in another order can say that the priest sold what the miller did.
    """
    said, there = _words(answer), _words(extract)
    if not any(len(word) > SHORT_WORDS or not word.isascii() or word.isdigit() for word in said):
        return False
    ends = [place for place, word in enumerate(there) if word == said[-1]]
    size = max((_shared_end(said, there[: end + 1]) for end in ends), default=0)
    return size > 0 and all(_OPENER.fullmatch(word) for word in said[: len(said) - size])


def _shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two texts have in common at their ends."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
