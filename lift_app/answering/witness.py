"""Witness: whether a quote, read alone, gives an answer.

The base reads the quote with the adapter off: what a book's adapter remembers is no witness to
what a quote says. Only a start has learned to read well enough to be asked (`manner`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lift_app.template import NOT_SAID, build_messages

if TYPE_CHECKING:
    from lift_app.answering.manner import Manner
    from lift_app.answering.question import Question
    from lift_app.answering.voice import Voice


LONGEST_HEARD = 1000
"""Characters of a question, and of each half of the turn before it: a quote is read beside them."""


class Witness:
    """Asked about one answer, quote after quote.

    Args:
        voice: the base, on a start.
        title: title of the book.
        question: what was asked; the turn before it is heard, too.
        answer: what was written.
        manner: how sure the base has to be.
    """

    def __init__(
        self, voice: Voice, title: str, question: Question, answer: str, manner: Manner
    ) -> None:
        self._voice = voice
        self._title = title
        self._question = question.text[:LONGEST_HEARD]
        self._history = [
            (asked[:LONGEST_HEARD], said[:LONGEST_HEARD]) for asked, said in question.history[-1:]
        ]
        self._answer = answer
        self._manner = manner

    def bears_out(self, quote: str) -> bool:
        """Whether the answer is likely after the quote, and likelier than to decline."""
        # Not above: what only looks at the shelf must not load torch.
        from lift_app.lifting.packing import spoken

        messages = build_messages(
            title=self._title,
            question=self._question,
            evidence=[quote],
            history=self._history,
            examples=False,
        )
        base = self._voice.base
        rows = [spoken(base, messages, said) for said in (self._answer, NOT_SAID)]
        answered, declined = self._voice.losses(rows)
        return (
            sum(answered) / len(answered) <= self._manner.most_surprise
            and sum(declined) - sum(answered) >= self._manner.least_lead
        )
