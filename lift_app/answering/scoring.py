"""Scoring: how likely a model finds a given answer, under the very prompt that answers see.

Without the first words that an answer may be given. For the bench, and for probes during a lift.
Lower is better; compare only within one model.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lift_app.answering.assembly import assemble
from lift_app.answering.lookup import look_up
from lift_app.answering.question import ADAPTER_ARMS, Question
from lift_app.answering.sentences import first_sentence_end
from lift_app.errors import CallerError
from lift_app.models.generation import generate, read_tokens
from lift_app.sequences import shared_length

if TYPE_CHECKING:
    from lift_app.library import BookRow, Library
    from lift_app.models.base_model import BaseModel
    from lift_app.models.lora import AdapterHost
    from lift_app.settings import Settings


def answers_nll(
    base: BaseModel, prompts: Sequence[Sequence[int]], answers: Sequence[str]
) -> list[float]:
    """Mean negative log-likelihood of each answer after its prompt, in nats a token.

    What all prompts begin with (the book's head and tail, above all) is read once.

    Args:
        base: the model; the adapter is whatever the caller has switched on.
        prompts: token ids up to where the answer begins.
        answers: as many texts.

    Raises:
        CallerError: an answer is empty, or does not fit the window together with its prompt.
    """
    import torch

    shared = shared_length(prompts)
    with torch.no_grad():
        kept = _read(base, prompts[0][:shared]) if shared else None
        return [
            _nll(base, kept, prompt[shared:], answer, room=base.window - shared)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]


def answers_written(
    base: BaseModel, prompts: Sequence[Sequence[int]], max_tokens: int
) -> list[str]:
    """The greedy answer to each prompt, up to the end of its first sentence.

    What all prompts begin with is read once. Nothing checks these answers against the book: they
    are what an arm says, not what a reader is shown.

    Args:
        base: the model; the adapter is whatever the caller has switched on.
        prompts: token ids up to where the answer begins.
        max_tokens: longest answer.
    """
    import torch

    shared = shared_length(prompts)
    never = threading.Event()
    texts = []
    with torch.no_grad():
        kept = _read(base, prompts[0][:shared]) if shared else None
        for prompt in prompts:
            written = generate(
                base.model,
                prompt[shared:],
                tokenizer=base.tokenizer,
                end_tokens=base.end_tokens,
                max_tokens=max_tokens,
                on_text=lambda _: None,
                stop=never,
                end_of=first_sentence_end,
                cache=kept,
            )
            texts.append(written.text.strip())
            if kept is not None and (longer := kept.get_seq_length() - shared):
                kept.crop(-longer)
    return texts


@dataclass(frozen=True)
class Score:
    """How one question of an arm went."""

    nll: float
    """Negative log-likelihood of the gold answer, in nats a token."""
    answer: str
    """What the arm says; empty if that was not wanted."""


def score(
    library: Library,
    host: AdapterHost,
    row: BookRow,
    questions: Sequence[Question],
    answers: Sequence[str],
    *,
    slot: str | None,
    settings: Settings | None = None,
    write: bool = False,
) -> list[Score]:
    """Score the gold answers to questions of one arm, with or without evidence.

    Args:
        library: books and passages.
        host: the model.
        row: the book.
        questions: all of the same arm and strength; `max_tokens` must leave room for the answer.
        answers: the gold answers.
        slot: where the host holds the adapter; None for an arm without one.
        settings: those of the library if None.
        write: also let the arm answer.

    Raises:
        CallerError: the arm needs an adapter and `slot` is None, or an answer is empty.
    """
    base = host.base
    prompts = []
    for question in questions:
        lookup = look_up(library.passages, row.id, question.text, question.history)
        found = assemble(base, library, settings or library.settings, row, question, lookup)
        prompts.append(found.tokens)
    first = questions[0]
    adapted = first.arm in ADAPTER_ARMS
    if adapted and slot is None:
        raise CallerError(f"The arm {first.arm} needs an adapter.", code="no_adapter")
    with host.active(slot or "", first.strength) if adapted else host.disabled():
        nll = answers_nll(base, prompts, answers)
        said = answers_written(base, prompts, first.max_tokens) if write else [""] * len(nll)
    return [Score(*pair) for pair in zip(nll, said, strict=True)]


def _read(base: BaseModel, tokens: Sequence[int]) -> Any:
    """Keys and values of tokens."""
    _, kept = read_tokens(base.model, tokens, threading.Event())
    return kept


def _nll(base: BaseModel, kept: Any, prompt: Sequence[int], answer: str, *, room: int) -> float:
    import torch

    target = base.text_tokens(answer)
    if not target:
        raise CallerError("The answer to be scored is empty.")
    if len(prompt) + len(target) > room:
        raise CallerError(
            f"Prompt and answer have {len(prompt) + len(target)} tokens, more than the {room} that "
            "the window has left."
        )
    ids = torch.tensor([[*prompt, *target]], device=base.device)
    last = ids.shape[1] - 1
    logits = base.model(
        input_ids=ids,
        past_key_values=kept,
        use_cache=kept is not None,
        # By index: a slice is not contiguous, and its product takes twice as long.
        logits_to_keep=torch.arange(last - len(target), last, device=base.device),
    ).logits[0]
    if kept is not None:
        kept.crop(-ids.shape[1])  # a negative number takes so many tokens off the end
    chosen = torch.log_softmax(logits.float(), dim=-1).gather(1, ids[0, -len(target) :, None])
    return -chosen.mean().item()
