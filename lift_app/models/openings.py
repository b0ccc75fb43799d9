"""Openings: several continuations of one prompt, written side by side.

Each begins with an opening of its own ("Who", "Why") and goes on greedily, so they differ without
any random number. On a processor a step over several rows costs little more than one over a single
row, because reading the weights is what takes the time. Knows a model and token ids, no text.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

from lift_app.sequences import by_length


def continue_openings(
    model: Any,
    prompt: Sequence[int],
    openings: Sequence[Sequence[int]],
    *,
    end_tokens: Collection[int],
    max_tokens: int,
) -> list[list[int]]:
    """Go on with each opening after the same prompt, greedily.

    Args:
        model: a causal language model as transformers has it.
        prompt: token ids; not empty; read once.
        openings: token ids that each continuation begins with; none empty.
        end_tokens: ids that end a continuation; they are not part of it.
        max_tokens: most tokens of a continuation, its opening among them.

    Returns:
        Token ids of each continuation, its opening first, in the order of `openings`.
    """
    import torch

    device = next(model.parameters()).device
    found: list[list[int]] = [list(opening) for opening in openings]
    with torch.no_grad():
        read = model(
            input_ids=torch.tensor([list(prompt)], device=device), use_cache=True, logits_to_keep=1
        ).past_key_values
        for places in by_length(openings):
            cache = copy.deepcopy(read)
            cache.batch_repeat_interleave(len(places))
            step = torch.tensor([found[place] for place in places], device=device)
            going = set(places)
            while going:
                out = model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
                chosen = out.logits[:, -1].argmax(dim=-1)
                for place, token in zip(places, chosen.tolist(), strict=True):
                    if place not in going:
                        continue
                    if token in end_tokens or len(found[place]) >= max_tokens:
                        going.discard(place)
                    else:
                        found[place].append(token)
                step = chosen[:, None]
    return found
