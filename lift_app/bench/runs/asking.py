"""Asking: one arm answers the questions of one document, in a turn of the engine.

What all prompts of the document begin with is read once and kept, for every arm alike: this is the
prefix-cached ICL baseline, and the same favour for the others. Greedy; the same prompt, budget and
length in every arm. Knows nothing of suites, files or metrics.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lift_app.answering.assembly import assemble
from lift_app.answering.lookup import look_up
from lift_app.answering.sentences import first_sentence_end
from lift_app.bench.arms import Arm
from lift_app.bench.documents import Asked
from lift_app.bench.metrics.scoring import Said
from lift_app.bench.runs.lineup import (
    ANSWER_TOKENS,
    GOLD_TOKENS,
    ONE_SENTENCE,
    needs_adapter,
    question,
)
from lift_app.models.generation import generate
from lift_app.sequences import shared_length

if TYPE_CHECKING:
    from lift_app.library import BookRow, Library
    from lift_app.models.base_model import BaseModel
    from lift_app.models.lora import AdapterHost
    from lift_app.settings import Settings


@dataclass(frozen=True)
class _Prompts:
    asked: Asked
    tokens: tuple[int, ...]
    """Up to where the gold answer, or an option, begins."""
    letters: tuple[int, ...] | None
    """The same with the options listed, for a multiple choice."""


def ask_all(
    library: Library,
    host: AdapterHost,
    settings: Settings,
    row: BookRow,
    arm: Arm,
    asked: Sequence[Asked],
    *,
    slot: str | None,
    strength: float,
    keep: Callable[[Asked, Said], None],
    stop: threading.Event,
) -> None:
    """Ask every question and hand each answer on as it comes.

    Args:
        library: books and passages.
        host: the model.
        settings: budgets of the context.
        row: the document.
        arm: which arm.
        asked: its questions.
        slot: where the host holds the adapter; None for an arm without one.
        strength: of the adapter.
        keep: gets each question with its answer.
        stop: looked at between two questions.
    """
    import torch

    base = host.base
    prompts = []
    for one in asked:
        found = [
            assemble(
                base,
                library,
                settings,
                row,
                wanted,
                look_up(library.passages, row.id, wanted.text, ()),
            )
            for wanted in (
                question(one, arm, strength),
                *([question(one, arm, strength, letters=True)] if one.options else []),
            )
        ]
        prompts.append(_Prompts(one, found[0].tokens, found[1].tokens if one.options else None))
    every = [tokens for p in prompts for tokens in (p.tokens, p.letters) if tokens is not None]
    shared = shared_length(every)
    with (
        host.active(slot or "", strength) if needs_adapter(arm) else host.disabled(),
        torch.no_grad(),
    ):
        began = time.perf_counter()
        cache = _Cache(base, every[0][:shared])
        reading = time.perf_counter() - began
        for one_prompts in prompts:
            if stop.is_set():
                return
            keep(one_prompts.asked, _ask(base, cache, one_prompts, shared, reading))


def _ask(base: BaseModel, cache: _Cache, prompts: _Prompts, shared: int, reading: float) -> Said:
    asked = prompts.asked
    rest = list(prompts.tokens[shared:])
    room = base.window - len(prompts.tokens)
    nll = cache.nll(rest, asked.told, room)
    options = tuple(cache.nll(rest, option, room) for option in asked.options)
    written = rest if prompts.letters is None else list(prompts.letters[shared:])
    began = time.perf_counter()
    answer = cache.write(written, asked)
    return Said(
        answer=answer,
        nll=nll,
        options=options,
        seconds=time.perf_counter() - began,
        reading_seconds=reading,
        prompt_tokens=len(prompts.tokens),
    )


class _Cache:
    """Keys and values of what all prompts begin with; whatever is added is taken off again."""

    def __init__(self, base: BaseModel, shared: Sequence[int]) -> None:
        import torch
        from transformers import DynamicCache

        self._base = base
        self._kept: Any = DynamicCache(config=base.model.config)
        self._length = len(shared)
        if shared:
            ids = torch.tensor([list(shared)], device=base.device)
            base.model(input_ids=ids, past_key_values=self._kept, use_cache=True, logits_to_keep=1)

    def nll(self, prompt: Sequence[int], gold: str, room: int) -> float:
        """Mean negative log-likelihood of a gold answer after a prompt, in nats a token."""
        import torch

        target = self._base.text_tokens(gold)[: max(1, min(GOLD_TOKENS, room))]
        ids = torch.tensor([[*prompt, *target]], device=self._base.device)
        logits = self._base.model(
            input_ids=ids,
            past_key_values=self._kept,
            use_cache=True,
            logits_to_keep=len(target) + 1,
        ).logits[0, :-1]
        self._crop()
        chosen = torch.log_softmax(logits.float(), dim=-1)
        return -chosen.gather(1, ids[0, -len(target) :, None]).mean().item()

    def write(self, prompt: Sequence[int], asked: Asked) -> str:
        """The greedy answer to a prompt."""
        written = generate(
            self._base.model,
            prompt,
            tokenizer=self._base.tokenizer,
            end_tokens=self._base.end_tokens,
            max_tokens=ANSWER_TOKENS[asked.form],
            on_text=lambda _: None,
            stop=threading.Event(),
            end_of=first_sentence_end if asked.form in ONE_SENTENCE else lambda text: None,
            cache=self._kept,
        )
        self._crop()
        return written.text.strip()

    def _crop(self) -> None:
        if longer := self._kept.get_seq_length() - self._length:
            self._kept.crop(-longer)  # a negative number takes so many tokens off the end
