"""Generation: greedy decoding with a kept cache, streamed piece by piece, stoppable.

Knows a model, tokens and a clock; knows nothing about books, prompts or adapters (who calls has
switched those). Draws no random numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

PREFILL_CHUNK = 512
"""Tokens read at once: between two chunks a stop is noticed."""
REPEAT_GRAM = 5
"""No run of so many tokens is written twice in one answer: a small model falls into loops."""


class StopFlag(Protocol):
    """Anything with `is_set`, such as `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop now."""


@dataclass(frozen=True)
class Generated:
    """What was written."""

    text: str
    tokens: int
    first_token_seconds: float | None
    """From the call to the first token; None if there was none."""
    tokens_per_second: float | None
    """After the first token; None with fewer than two."""
    stopped: bool
    """The stop flag ended it."""
    likelihood: float = 0.0
    """Log-likelihood of what was written, its end among it where the model ended it, in nats."""
    rival: float | None = None
    """Log-likelihood of the rival; None without one."""


def generate(
    model: Any,
    prompt: Sequence[int],
    *,
    tokenizer: Any,
    end_tokens: Collection[int],
    max_tokens: int,
    on_text: Callable[[str], None],
    stop: StopFlag,
    end_of: Callable[[str], int | None] = lambda text: None,
    cache: Any = None,
    rival: Sequence[int] = (),
) -> Generated:
    """Write an answer, greedily.

    Args:
        model: a causal language model as transformers has it.
        prompt: token ids; not empty.
        tokenizer: decodes ids.
        end_tokens: ids that end the answer; they are not part of it.
        max_tokens: most tokens to write.
        on_text: gets each new piece of text; the pieces joined are `Generated.text`.
        stop: looked at before each step.
        end_of: given what is written so far, where the answer ends in it; None to go on.
        cache: keys and values of what stands before the prompt; what is read and written is
            appended to it.
        rival: token ids of something else that could be said here, whose likelihood is wanted.
    """
    import torch

    started = time.perf_counter()
    written: list[int] = []
    text = shown = ""
    ended = False
    first: float | None = None
    likelihood = aside = 0.0
    rivals: float | None = None
    device = next(model.parameters()).device
    with torch.no_grad():
        logits, cache = read_tokens(model, prompt, stop, cache)
        while logits is not None and len(written) < max_tokens and not stop.is_set():
            token = _next_token(logits, written)
            likelihood += torch.log_softmax(logits.float(), dim=-1)[token].item()
            ended = token in end_tokens
            if not ended:
                written.append(token)
                if first is None:
                    first = time.perf_counter() - started
                text = tokenizer.decode(written, skip_special_tokens=True).lstrip()
                end = end_of(text)
                ended = end is not None
                text = text[:end]
                shown = show(text, shown, on_text, final=ended)
            if rival and rivals is None:  # only now: nobody should wait for a first word for it
                began = time.perf_counter()
                rivals = _likelihood(model, rival, logits, cache, device)
                aside = time.perf_counter() - began
            if ended:
                break
            if len(written) < max_tokens:
                out = model(
                    input_ids=torch.tensor([[token]], device=device),
                    past_key_values=cache,
                    use_cache=True,
                )
                logits, cache = out.logits[0, -1], out.past_key_values
    rest = time.perf_counter() - started - aside - (first or 0.0)
    return Generated(
        text=show(text, shown, on_text, final=True),
        tokens=len(written),
        first_token_seconds=first,
        tokens_per_second=(len(written) - 1) / rest if len(written) > 1 and rest > 0 else None,
        stopped=stop.is_set() and not ended,
        likelihood=likelihood,
        rival=rivals,
    )


def read_tokens(
    model: Any, tokens: Sequence[int], stop: StopFlag, cache: Any = None
) -> tuple[Any, Any]:
    """Read tokens in chunks.

    Args:
        model: a causal language model as transformers has it.
        tokens: token ids; not empty.
        stop: looked at before each chunk.
        cache: keys and values of what stands before; what is read is appended to it.

    Returns:
        Logits after the last token, of shape (vocabulary,), and the cache; None twice if it was
        stopped before.
    """
    import torch

    device = next(model.parameters()).device
    logits = None
    last = torch.tensor([-1], device=device)  # a slice, not contiguous, takes twice as long
    for start in range(0, len(tokens), PREFILL_CHUNK):
        if stop.is_set():
            return None, None
        out = model(
            input_ids=torch.tensor([tokens[start : start + PREFILL_CHUNK]], device=device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=last,
        )
        cache, logits = out.past_key_values, out.logits[0, -1]
    return logits, cache


def _likelihood(model: Any, ids: Sequence[int], logits: Any, cache: Any, device: Any) -> float:
    """Log-likelihood of `ids` after a prompt, whose logits and cache these are; both stay so."""
    import torch

    found = [logits[None]]
    if len(ids) > 1:
        before = torch.tensor([list(ids[:-1])], device=device)
        out = model(input_ids=before, past_key_values=cache, use_cache=True)
        found.append(out.logits[0])
        cache.crop(-(len(ids) - 1))  # a negative number takes so many tokens off the end
    chances = torch.log_softmax(torch.cat(found).float(), dim=-1)
    return chances.gather(1, torch.tensor(list(ids), device=device)[:, None]).sum().item()


def _next_token(logits: Any, written: list[int]) -> int:
    """The likeliest token that does not repeat a run of `REPEAT_GRAM` tokens."""
    if banned := repeating(written):
        logits = logits.clone()
        logits[list(banned)] = float("-inf")
    return int(logits.argmax())


def repeating(written: Sequence[int]) -> set[int]:
    """Tokens that would now repeat a run of `REPEAT_GRAM` tokens."""
    tail = tuple(written[len(written) - REPEAT_GRAM + 1 :]) if REPEAT_GRAM > 1 else ()
    return {
        written[i + REPEAT_GRAM - 1]
        for i in range(len(written) - REPEAT_GRAM + 1)
        if tuple(written[i : i + REPEAT_GRAM - 1]) == tail
    }


def show(text: str, shown: str, on_text: Callable[[str], None], *, final: bool) -> str:
    """Hand on what is new; half a character waits for its other half."""
    if text.endswith("\ufffd") and not final:
        return shown
    if text.startswith(shown) and len(text) > len(shown):
        on_text(text[len(shown) :])
        return text
    return shown
