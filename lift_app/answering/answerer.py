"""The Answerer: one question to a book becomes an Answer. Read it top-down.

Looks the question up, decides whether the book supports an answer, assembles the prompt, generates
with the adapter as the arm says, and cites. Everything but reading the prompt and writing the
answer stays under a tenth of a second for a novel. Whose voice writes it, a model here or a
server's, is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain, repeat
from typing import TYPE_CHECKING

from lift_app.answering.answer import Answer, Citation, ContextSize, Timing
from lift_app.answering.assembly import assemble
from lift_app.answering.citations import cite, declines
from lift_app.answering.grounds import stands
from lift_app.answering.lookup import Lookup, look_up
from lift_app.answering.manner import manner_of
from lift_app.answering.question import ADAPTER_ARMS, Question
from lift_app.answering.sentences import first_sentence_end
from lift_app.answering.support import judge
from lift_app.answering.whole import asks_for_whole
from lift_app.answering.witness import Witness
from lift_app.errors import CallerError
from lift_app.models.generation import StopFlag
from lift_app.template import NOT_SAID

if TYPE_CHECKING:
    from lift_app.answering.voice import Voice
    from lift_app.library import BookRow, Library
    from lift_app.settings import Settings


class Answerer:
    """Answers questions about the books of a library with one model.

    Args:
        library: books and passages.
        voice: the model; whoever may call `answer` on which thread is its affair.
        settings: budgets; those of the library if None.
    """

    def __init__(self, library: Library, voice: Voice, settings: Settings | None = None) -> None:
        self._library = library
        self._voice = voice
        self._settings = settings or library.settings

    def answer(
        self,
        row: BookRow,
        question: Question,
        *,
        slot: str | None,
        adapter_key: str | None,
        on_text: Callable[[str], None],
        stop: StopFlag,
    ) -> Answer:
        """Answer a question.

        A question that the book does not support gets a plain sentence, no citation, and costs no
        generation; that holds in every arm, because memory may invent. An answer that turns out to
        stand on nothing in the book is replaced by the same sentence: the Answer has the last
        word, not what was streamed.

        Args:
            row: the book.
            question: what is asked, and how.
            slot: what the voice calls the book's adapter; None for the arm ICL.
            adapter_key: named in the answer if the adapter was on.
            on_text: gets each new piece of the answer.
            stop: ends the answer early; what was written so far is kept.

        Raises:
            CallerError: the arm needs an adapter and `slot` is None.
            NotFound: there is no such book.
        """
        started = time.perf_counter()
        adapted = question.arm in ADAPTER_ARMS
        if adapted and slot is None:
            raise CallerError(
                f"The arm {question.arm} needs an adapter, and this book has not been learned. "
                "Learn it first, or ask with the arm ICL.",
                code="no_adapter",
            )
        key = adapter_key if adapted else None
        lookup = look_up(self._library.passages, row.id, question.text, question.history)
        whole = asks_for_whole(question.text)
        base = self._voice.base
        manner = manner_of(base.identity)
        if not whole and not judge(lookup, manner.least_support).supported:
            on_text(NOT_SAID)
            return Answer(
                answer=NOT_SAID,
                arm=question.arm,
                adapter=key,
                supported=False,
                timing=Timing(seconds=time.perf_counter() - started),
                context=ContextSize(question=len(base.text_tokens(question.text))),
            )
        prompt = assemble(base, self._library, self._settings, row, question, lookup)
        # It is shown with the first word: until then nothing has been said.
        before = chain([prompt.opening and f"{prompt.opening} "], repeat(""))
        begun = [*prompt.tokens, *base.text_tokens(prompt.opening)]
        prepared = time.perf_counter() - started
        written = self._voice.write(
            begun,
            prompt.constant,
            slot=slot if adapted else None,
            strength=question.strength,
            max_tokens=min(question.max_tokens, base.window - len(begun)),
            on_text=lambda piece: on_text(next(before) + piece),
            stop=stop,
            # A small model goes on, and what it adds is seldom in the book.
            end_of=(lambda text: None) if whole and not prompt.opening else first_sentence_end,
            rival=[*base.text_tokens(NOT_SAID), base.tokenizer.eos_token_id]
            if manner.declines and not whole
            else (),
        )
        text = written.text.strip()
        supported = _supported(text, question.text, lookup, whole=whole)
        if text and prompt.opening:
            text = f"{prompt.opening} {text}"
        # A start has learned to decline: it may think that the likelier thing to say, even where
        # another first word was the likeliest.
        if written.rival is not None and written.rival > written.likelihood:
            supported = False
        if not supported and not written.stopped:
            text = NOT_SAID
        cited = supported and not whole
        first = written.first_token_seconds
        return Answer(
            answer=text,
            arm=question.arm,
            citations=self._cite(row, question, lookup, text, stop) if cited else (),
            context=prompt.size,
            adapter=key,
            supported=supported or written.stopped,
            evidence=prompt.evidence,
            stopped=written.stopped,
            timing=Timing(
                first_token_seconds=None if first is None else prepared + first,
                tokens_per_second=written.tokens_per_second,
                seconds=time.perf_counter() - started,
            ),
        )

    def _cite(
        self, row: BookRow, question: Question, lookup: Lookup, text: str, stop: StopFlag
    ) -> tuple[Citation, ...]:
        """The citation of an answer, borne out by the base alone where it has learned to read."""
        manner = manner_of(self._voice.base.identity)
        witness = Witness(self._voice, row.title, question, text, manner)

        def bears_out(quote: str) -> bool:
            return not stop.is_set() and witness.bears_out(quote)

        asked = bears_out if manner.verifies else None
        return cite(self._library, row, lookup, text, manner.answer_weight, asked)


def _supported(text: str, question: str, lookup: Lookup, *, whole: bool) -> bool:
    """Whether what was written is an answer that the book bears out."""
    if not text or declines(text):
        return False
    return whole or stands(text, question, lookup)
