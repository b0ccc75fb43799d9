"""The scale bench: what many readers with many books need, on paper.

Nothing is run. Every number follows by arithmetic that stands here from inputs that are printed
beside it, so whoever has measured one of them better gets a better estimate with `--set`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from lift_app.bench.shapes import Sizes, sizes_of
from lift_app.bench.speed import PREFIX_TOKENS
from lift_app.errors import CallerError
from lift_app.lifting.recipe import Recipe

SHELF_BYTES, SERVED_BYTES = 4, 2
"""Of an adapter's weight: float32 on the shelf, 16 bit on a GPU that answers."""
BASE_BYTES = 2
"""Of a weight of the base model, and of a number that a conversation keeps of a token."""
CHECKPOINT_SHARE = 4
"""A checkpoint holds the weights, two moments of each, and the best weights so far."""
MEMORY_SHARE = 0.9
"""Share of a GPU's memory that weights, conversations and adapters may fill."""


@dataclass(frozen=True)
class Load:
    """Who reads what, and on which machines. All of it is assumed."""

    readers: int = 10_000
    books: int = 1_000_000
    """Of all shelves together. An adapter belongs to one reader: each shelf learns its own."""
    tokens: int = 100_000
    """Of a book."""
    days: int = 30
    """In which all of them are to be learned."""
    questions: int = 20
    """Of a reader on a day."""
    busiest: float = 0.125
    """Share of a day's questions that comes in its busiest hour."""
    prompt_tokens: int = 1_600
    """Head, tail, passages and question."""
    answer_tokens: int = 96
    at_once: int = 64
    """Answers that a GPU writes side by side."""
    library_bytes: float = 35.0
    """What the library keeps for a token of a book: its file, its text, the indexes, a snapshot."""
    gpu_memory_gb: float = 80.0
    gpu_tflops: float = 790.0
    """What one large product in bf16 reaches there."""
    learning_share: float = 0.4
    """Share of it that a training step reaches; not needed where a speed was measured."""
    reading_share: float = 0.4
    """Share of it that reading a prompt reaches."""
    writing_speed: float = 2_000.0
    """Tokens a second that a GPU writes, all its answers together."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value <= 0:
                raise CallerError(f"{name} must be above 0, not {value:g}.")


def estimate(
    load: Load, *, shape: str, recipe: Recipe, tokens_per_second: float | None = None
) -> dict[str, Any]:
    """What a load needs.

    Args:
        load: the inputs.
        shape: of the base model, a name of `SHAPES`.
        recipe: of every lift; its tasks are not counted.
        tokens_per_second: learned on one GPU, as `lift bench speed` measures it there; else it
            follows from the operations of a token and `learning_share`.

    Returns:
        `inputs`, and by part `adapter`, `learning`, `storage`, `answering`.
    """
    sizes = sizes_of(shape)
    weights = sizes.adapter_weights(recipe.rank)
    speed = tokens_per_second or (
        load.gpu_tflops * 1e12 * load.learning_share / operations(sizes, recipe)
    )
    trained = recipe.trained_tokens(load.tokens)
    # The check after the last step reads the book once: half of the operations of learning it.
    seconds = (trained + load.tokens / 2) / speed
    hours = load.books * seconds / 3600
    return {
        "inputs": {
            **asdict(load),
            "shape": shape,
            "recipe": recipe.name,
            "rank": recipe.rank,
            "speed_is": "measured" if tokens_per_second else "assumed",
        },
        "adapter": {
            "weights": weights,
            "shelf_bytes": weights * SHELF_BYTES,
            "served_bytes": weights * SERVED_BYTES,
            "checkpoint_bytes": weights * SHELF_BYTES * CHECKPOINT_SHARE,
        },
        "learning": {
            "gflop_a_token": operations(sizes, recipe) / 1e9,
            "tokens_per_second": speed,
            "trained_tokens": trained,
            "seconds_a_book": seconds,
            "gpu_hours": hours,
            "gpus": math.ceil(hours / 24 / load.days),
        },
        "storage": {
            "adapters_bytes": load.books * weights * SHELF_BYTES,
            "library_bytes": load.books * load.tokens * load.library_bytes,
            "bytes_a_reader": load.books
            / load.readers
            * (weights * SHELF_BYTES + load.tokens * load.library_bytes),
        },
        "answering": _answering(load, sizes, weights),
    }


def operations(sizes: Sizes, recipe: Recipe) -> float:
    """Operations that one learned token needs, as `lift bench speed` counts them."""
    read = recipe.segment_length + PREFIX_TOKENS
    attention = sizes.layers * 6 * 2 * sizes.attention_width * read / 2
    return (4 * sizes.linear + attention) * read / recipe.segment_length + 4 * sizes.output


def _answering(load: Load, sizes: Sizes, weights: int) -> dict[str, Any]:
    in_busiest = load.readers * load.questions * load.busiest
    per_second = in_busiest / 3600
    reading = load.prompt_tokens * 2 * sizes.linear / (load.gpu_tflops * 1e12 * load.reading_share)
    writing = load.answer_tokens / load.writing_speed
    length = load.prompt_tokens + load.answer_tokens
    room = load.gpu_memory_gb * 1e9 * MEMORY_SHARE - sizes.base * BASE_BYTES
    room -= load.at_once * length * sizes.kept_a_token * BASE_BYTES
    gpus = math.ceil(per_second * (reading + writing))
    return {
        "questions_a_second": per_second,
        "gpu_seconds_a_question": reading + writing,
        "gpus": gpus,
        "adapters_a_gpu": max(0, int(room // (weights * SERVED_BYTES))),
        "books_in_busiest_hour": min(load.books, round(in_busiest)),
        # Where every question is to another book than the last one that came to this GPU.
        "loaded_bytes_a_second": per_second / gpus * weights * SERVED_BYTES,
    }


def table(found: dict[str, Any]) -> str:
    """The estimate in lines, each with its arithmetic."""
    inputs, adapter, learning = found["inputs"], found["adapter"], found["learning"]
    storage, answering = found["storage"], found["answering"]
    books, tokens = inputs["books"], inputs["tokens"]
    lines = [
        f"{inputs['readers']:,} readers, {books:,} books of {tokens:,} tokens; "
        f"{inputs['shape']}, recipe {inputs['recipe']}, rank {inputs['rank']}",
        "",
        f"an adapter        {_size(adapter['shelf_bytes'])} on the shelf "
        f"({adapter['weights']:,} weights x {SHELF_BYTES} bytes), "
        f"{_size(adapter['served_bytes'])} on a GPU",
        f"a checkpoint      {_size(adapter['checkpoint_bytes'])} while a lift is under way",
        f"all adapters      {_size(storage['adapters_bytes'])}",
        f"all books         {_size(storage['library_bytes'])} "
        f"({inputs['library_bytes']:g} bytes a token)",
        f"a reader          {_size(storage['bytes_a_reader'])}",
        "",
        f"a lift            {learning['seconds_a_book']:,.1f} s of a GPU: "
        f"{learning['trained_tokens']:,} tokens learned and {tokens:,} checked at "
        f"{learning['tokens_per_second']:,.0f} tokens/s ({inputs['speed_is']}; "
        f"{learning['gflop_a_token']:.1f} GFLOP a token)",
        f"all lifts         {learning['gpu_hours']:,.0f} GPU hours: "
        f"{_gpus(learning['gpus'])} for {inputs['days']} days",
        "",
        f"the busiest hour  {answering['questions_a_second']:,.1f} questions a second, "
        f"{answering['gpu_seconds_a_question']:.3f} s of a GPU each: {_gpus(answering['gpus'])}",
        f"adapters a GPU    {answering['adapters_a_gpu']:,} in {inputs['gpu_memory_gb']:g} GB "
        f"beside the base and {inputs['at_once']} answers",
        f"adapters wanted   {answering['books_in_busiest_hour']:,} in that hour at most; "
        f"{_size(answering['loaded_bytes_a_second'])} a second to each GPU if none is asked twice",
    ]
    return "\n".join(lines)


def _gpus(count: int) -> str:
    return f"{count:,} GPU{'' if count == 1 else 's'}"


def _size(count: float) -> str:
    """Bytes in the unit that suits them (powers of ten)."""
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} PB"
