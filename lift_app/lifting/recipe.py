"""Recipe: every number that shapes a lift.

Frozen and hashable, because it is part of an adapter's key. Torch-free, because finding a lifted
book on the shelf must not load a model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from lift_app.errors import CallerError
from lift_app.lifting.segments import trained_tokens
from lift_app.lifting.values import with_values

FRAMINGS = ("excerpt", "context", "raw")
_LATER = (
    "general_weight",
    "general_every",
    "allowed_harm",
    "fresh_cuts",
    "carried_tokens",
    "upper_layers",
)
"""Fields that came after adapters had been kept. As long as one has its default it is left out of
the hash, so those adapters keep their keys."""


@dataclass(frozen=True)
class Recipe:
    """Numbers of one lift. Lengths are in tokens, rates are per optimizer step."""

    name: str = "standard"
    """What a reader calls it. Not part of the hash: the numbers alone decide."""
    segment_length: int = 256
    """l: tokens in a segment."""
    stride: int = 96
    """s: tokens between the starts of two segments; 3/8 l in the papers."""
    epochs: int = 1
    """How often every segment is seen."""
    batch_segments: int = 1
    """Segments in an optimizer step. Many small updates beat few large ones (docs/recipe.md)."""
    rank: int = 16
    """LoRA rank."""
    alpha: int = 32
    """LoRA alpha; the update is scaled by alpha / rank."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW."""
    warmup: float = 0.1
    """Share of the steps in which the rate rises linearly."""
    final_rate: float = 0.1
    """Share of the peak rate at which the cosine decay ends."""
    weight_decay: float = 0.0
    """AdamW's weight decay."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    framing: str = "excerpt"
    """What stands before a segment: `excerpt`, the prompt's own beginning, so that the book is
    learned where its excerpts will stand when a question is asked; `context`, also head and tail of
    the book (arXiv 2502.14644 v3); or `raw`, nothing, as in the papers. The loss is on the segment
    alone."""
    context_tokens: int = 0
    """Tokens of head and tail that stand before a segment, in the framing `context`."""
    task_weight: float = 0.0
    """gamma: weight of the loss on the answers of auxiliary tasks (AT); 0 leaves them out."""
    open_book: bool = False
    """Every second task is learned with its extract in the context, not only without."""
    distillation_weight: float = 0.0
    """Weight of the distance to a teacher that sees the extract, where the student does not."""
    retention_weight: float = 0.0
    """Weight of the distance to the base where both see the extract (open-book retention)."""
    general_weight: float = 0.0
    """Weight of the distance to the base on passages that have nothing to do with the book, so that
    the lift does no harm to how other things are read (`lifting/general.py`)."""
    general_every: int = 1
    """Steps from one group of general prompts to the next: they cost about as much as a segment of
    256 tokens."""
    asks: bool = False
    """Whether the base asks questions of its own, where it stands on a start that has learned to;
    otherwise all tasks are made of the text itself, which costs no writing."""
    tasks_every: int = 1
    """Steps from one group of tasks to the next; a group is the tasks of one extract."""
    guard: bool = False
    """Whether a probe watches the lift: keeps its best state, stops it, chooses the strength. Of a
    text too short to hold anything out the strength alone is chosen."""
    allowed_harm: float = 0.005
    """Most harm that there may be at the adapter's strength as far as the guard's probe can tell,
    as a share of the base's NLL (docs/recipe.md)."""
    fresh_cuts: bool = False
    """Every epoch cuts the book at other places, drawn by the seed. With a stride of a whole
    segment each token is learned once an epoch, and beside others each time."""
    carried_tokens: int = 0
    """Tokens of the book that stand before a segment and are read without being learned: the
    context that an overlap gives, for a third of the work. Nothing is computed backwards there."""
    upper_layers: float = 1.0
    """Share of the layers that learn, from the last one down. Below them nothing is computed
    backwards."""
    seed: int = 0
    """Seed of the adapter's first weights and of the order of the segments."""

    def __post_init__(self) -> None:
        positive = ("segment_length", "stride", "epochs", "batch_segments", "rank", "alpha")
        for name in positive:
            if getattr(self, name) < 1:
                raise CallerError(f"Recipe: {name} must be at least 1, not {getattr(self, name)}.")
        if self.stride > self.segment_length:
            raise CallerError(
                f"Recipe: stride ({self.stride}) must not exceed segment_length "
                f"({self.segment_length}), or tokens would be lost."
            )
        if (self.framing == "context") != (self.context_tokens > 0):
            raise CallerError("Recipe: the framing context, and it alone, needs context_tokens.")
        if self.framing not in FRAMINGS:
            raise CallerError(f"Recipe: framing is one of {', '.join(FRAMINGS)}.")
        weights = (
            self.task_weight,
            self.distillation_weight,
            self.retention_weight,
            self.general_weight,
        )
        if min(weights) < 0 or self.context_tokens < 0 or not 0 <= self.allowed_harm < 1:
            raise CallerError(
                "Recipe: weights and context_tokens are at least 0, allowed_harm is a share."
            )
        if self.tasks_every < 1 or self.general_every < 1:
            raise CallerError("Recipe: tasks_every and general_every are at least 1.")
        if self.carried_tokens < 0 or not 0 < self.upper_layers <= 1:
            raise CallerError(
                "Recipe: carried_tokens is at least 0, upper_layers a share above 0, at most 1."
            )
        if self.learning_rate <= 0 or self.gradient_clip <= 0:
            raise CallerError("Recipe: learning_rate and gradient_clip must be above 0.")
        if not (0 <= self.warmup <= 1 and 0 <= self.final_rate <= 1):
            raise CallerError("Recipe: warmup and final_rate are shares between 0 and 1.")

    def to_json(self) -> dict[str, Any]:
        """All fields as a plain dict."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """The inverse of `to_json`.

        Raises:
            CallerError: a field is unknown or has the wrong type.
        """
        return cls().with_values(data)

    def with_values(self, values: Mapping[str, Any]) -> Recipe:
        """This recipe with some fields changed; numbers may be given as text.

        Raises:
            CallerError: a field is unknown or its value is no number.
        """
        return with_values(self, values, "recipe")

    @property
    def sha256(self) -> str:
        """Hash of every number, in hex. Recipes of different names can be the same recipe."""
        numbers = {key: value for key, value in asdict(self).items() if key != "name"}
        for name in _LATER:
            if numbers[name] == type(self).__dataclass_fields__[name].default:
                del numbers[name]
        if self.retention_weight:  # it once held a lift to general prompts as well: another lift
            numbers["retention_weight"] = [self.retention_weight, "open book alone"]
        return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()

    @property
    def has_tasks(self) -> bool:
        """Whether any loss on tasks about the book is wanted."""
        return max(self.task_weight, self.distillation_weight, self.retention_weight) > 0

    def trained_tokens(self, tokens: int) -> int:
        """Tokens trained for a book of `tokens` tokens, over all epochs."""
        return self.epochs * trained_tokens(tokens, self.segment_length, self.stride)


RECIPES: dict[str, tuple[Recipe, str]] = {
    "quick": (
        Recipe(
            name="quick",
            stride=256,
            general_weight=1.0,
            general_every=8,
            guard=True,
        ),
        "Reads every line once, without overlap: the fastest.",
    ),
    "standard": (
        Recipe(name="standard", general_weight=1.0, guard=True),
        "One reading with overlap: every line is seen two or three times, and hardly anything "
        "else is forgotten.",
    ),
    "deep": (
        Recipe(name="deep", epochs=2, general_weight=1.0, guard=True),
        "Reads everything twice, with overlap, in twice the standard time.",
    ),
    "paper": (
        Recipe(
            name="paper",
            segment_length=2048,
            stride=768,
            epochs=8,
            batch_segments=1,
            learning_rate=2e-4,
            framing="raw",
            guard=True,
            allowed_harm=0.0025,  # without general prompts there may be more than the probe shows
        ),
        "The papers' own segments: 2,048 tokens every 768. Slow without a GPU.",
    ),
}
"""Recipes by name, each with the reason a reader is shown."""

WITH_TASKS: Mapping[str, Any] = {"task_weight": 1.0, "asks": True, "tasks_every": 8}
"""Fields that add auxiliary tasks (AT) to a recipe (docs/recipe.md)."""


def resolve_recipe(name: str, *, window: int, values: Mapping[str, Any] | None = None) -> Recipe:
    """Find a recipe and fit it to a model's window.

    Segments that do not fit into the window (with what stands before them) are shortened, and the
    stride in the same proportion.

    Args:
        name: a key of `RECIPES`.
        window: tokens that the base model can see at once.
        values: fields to change.

    Raises:
        CallerError: no such recipe or field.
    """
    if name not in RECIPES:
        raise CallerError(f"There is no recipe {name!r}. Choose one of: {', '.join(RECIPES)}.")
    recipe = RECIPES[name][0].with_values(values or {})
    before = recipe.context_tokens + recipe.carried_tokens
    room = (window if recipe.framing == "raw" else window * 7 // 8) - before
    if room < 2:
        raise CallerError(f"Recipe: {before} tokens of context fill the window.")
    if recipe.segment_length <= room:
        return recipe
    stride = max(1, recipe.stride * room // recipe.segment_length)
    return replace(recipe, segment_length=room, stride=stride)
