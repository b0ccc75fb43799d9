"""General prompts: what a lift is held to besides the book, so that it forgets nothing else.

They come with the project, have nothing to do with any book, and are none of those that the probe
or the benches measure harm by.
"""

from __future__ import annotations

import json
import random
from functools import cache
from importlib import resources

from lift_app.lifting.packing import Row, spoken
from lift_app.models.base_model import BaseModel

AT_ONCE = 2
"""General prompts that a group of tasks brings with it."""


def general_rows(base: BaseModel, seed: int, group: int) -> list[Row]:
    """The general prompts of a group of tasks; the same group is the same prompts.

    Args:
        base: its tokenizer and chat template.
        seed: of the choice.
        group: 0-based.
    """
    chosen = random.Random(f"{seed}/general/{group}").sample(_prompts(), AT_ONCE)
    return [
        spoken(base, [{"role": "user", "content": question}], answer) for question, answer in chosen
    ]


@cache
def _prompts() -> list[tuple[str, str]]:
    file = resources.files("lift_app.lifting").joinpath("general.json")
    return [(p["question"], p["answer"]) for p in json.loads(file.read_text(encoding="utf-8"))]
