"""General prompts: what a lift is held to besides the book, so that it forgets nothing else.

Small talk of all kinds, and short passages with questions that they answer or do not answer: how
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

AT_ONCE = 2
"""General prompts that a group of tasks brings with it, beside one passage with its questions."""
TITLES = ("A Handbook", "Old Tales", "The Winter Papers", "Reports and Letters")
"""Of the books that the passages are said to be from."""


def general_rows(base: BaseModel, seed: int, group: int) -> tuple[list[Row], list[Row]]:
    """The general prompts of a group of tasks, and its passage: each begins alike.

    Args:
        base: its tokenizer and chat template.
        seed: of the choice.
        group: 0-based; the same group is the same prompts.
    """
    draw = random.Random(f"{seed}/general/{group}")
    data = _prompts()
    spoken_to = [
        spoken(base, [{"role": "user", "content": one["question"]}], one["answer"])
        for one in draw.sample(data["general"], AT_ONCE)
    ]
    passage, title = draw.choice(data["reading"]), draw.choice(TITLES)
    read = [
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
    return spoken_to, read


@cache
def _prompts() -> dict[str, Any]:
    file = resources.files("lift_app.lifting").joinpath("general.json")
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data
