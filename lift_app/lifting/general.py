"""General prompts: what a lift is held to besides the book, so that it forgets nothing else.

Short passages of all kinds with questions that they answer or do not answer, and small talk: how
the base reads, declines and speaks is to stay. They come with the project, have nothing to do with
any book, and are none of those that the probe or the benches measure harm by.
"""

from __future__ import annotations

import json
import random
from functools import cache
from importlib import resources
from typing import Any

from lift_app.lifting.packing import Row, spoken
from lift_app.models.base_model import BaseModel
from lift_app.template import NOT_SAID, ask, instruct

TALK_EVERY = 4
"""Groups from one with small talk to the next; those between have a passage."""
TALK_AT_ONCE = 4
"""Prompts of such a group."""
TITLES = ("A Handbook", "Old Tales", "The Winter Papers", "Reports and Letters")
"""Of the books that the passages are said to be from."""


def general_rows(base: BaseModel, seed: int, group: int) -> list[Row]:
    """One group of general prompts: they begin alike.

    Passages come in an order that the seed draws, and none again before all have been there.

    Args:
        base: its tokenizer and chat template.
        seed: of every choice.
        group: 0-based; the same group is the same prompts.
    """
    data = _prompts()
    if group % TALK_EVERY == TALK_EVERY - 1:
        chosen = random.Random(f"{seed}/talk/{group}").sample(data["general"], TALK_AT_ONCE)
        return [
            spoken(base, [{"role": "user", "content": one["question"]}], one["answer"])
            for one in chosen
        ]
    number = group - group // TALK_EVERY
    around, place = divmod(number, len(data["reading"]))
    draw = random.Random(f"{seed}/reading/{around}")
    passage = draw.sample(data["reading"], len(data["reading"]))[place]
    title = random.Random(f"{seed}/title/{group}").choice(TITLES)
    return [
        spoken(
            base,
            [
                instruct(title),
                {"role": "user", "content": ask(one["question"], [passage["passage"]])},
            ],
            one["answer"] or NOT_SAID,
        )
        for one in passage["questions"]
    ]


@cache
def _prompts() -> dict[str, Any]:
    file = resources.files("lift_app.lifting").joinpath("general.json")
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data
