"""Scoring: how likely a model finds a given answer, under the very prompt that answers see.

For the bench, and for probes during a lift. Lower is better; compare only within one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lift_app.answering.assembly import assemble
from lift_app.answering.lookup import look_up
from lift_app.answering.prompt import Message
from lift_app.answering.question import ADAPTER_ARMS, Question
from lift_app.errors import CallerError

if TYPE_CHECKING:
    from lift_app.library import BookRow, Library
    from lift_app.models.base_model import BaseModel
    from lift_app.models.lora import AdapterHost
    from lift_app.settings import Settings


def answer_nll(base: BaseModel, messages: Sequence[Message], answer: str) -> tuple[float, int]:
    """Mean negative log-likelihood of an answer after messages, in nats a token, and its tokens.

    The adapter is whatever the caller has switched on. The end of the answer is not scored.

    Raises:
        CallerError: the answer is empty, or it does not fit the window together with the messages.
    """
    return tokens_nll(base, base.chat_tokens(messages), answer)


def tokens_nll(base: BaseModel, prompt: Sequence[int], answer: str) -> tuple[float, int]:
    """The same after token ids."""
    import torch

    target = base.text_tokens(answer)
    if not target:
        raise CallerError("The answer to be scored is empty.")
    if len(prompt) + len(target) > base.window:
        raise CallerError(
            f"Prompt and answer have {len(prompt) + len(target)} tokens, more than the window of "
            f"{base.window}."
        )
    ids = torch.tensor([[*prompt, *target]], device=base.device)
    with torch.no_grad():
        logits = base.model(input_ids=ids, logits_to_keep=len(target) + 1).logits[0, :-1]
    chosen = torch.log_softmax(logits.float(), dim=-1).gather(1, ids[0, -len(target) :, None])
    return -chosen.mean().item(), len(target)


def score(
    library: Library,
    host: AdapterHost,
    row: BookRow,
    question: Question,
    answer: str,
    *,
    slot: str | None,
    settings: Settings | None = None,
) -> tuple[float, int]:
    """`answer_nll` of an answer to a question, in the question's arm, with or without evidence.

    Args:
        library: books and passages.
        host: the model.
        row: the book.
        question: its `max_tokens` must leave room for the answer.
        answer: the gold answer.
        slot: where the host holds the adapter; None for the arm ICL.
        settings: those of the library if None.

    Raises:
        CallerError: the arm needs an adapter and `slot` is None, or the answer is empty.
    """
    base = host.base
    lookup = look_up(library.passages, row.id, question.text, question.history)
    prompt = assemble(base, library, settings or library.settings, row, question, lookup)
    if question.arm not in ADAPTER_ARMS:
        with host.disabled():
            return tokens_nll(base, prompt.tokens, answer)
    if slot is None:
        raise CallerError(f"The arm {question.arm} needs an adapter.", code="no_adapter")
    with host.active(slot, question.strength):
        return tokens_nll(base, prompt.tokens, answer)
