"""Framing: what stands before a segment while it is learned (recipe field `framing`).

A chat model that learns bare text drifts away from its chat form, and its answers with it. Learned
at the place of the prompt where excerpts stand, the text changes what the model expects of the
book, and little else. Figures are in docs/recipe.md.
"""

from __future__ import annotations

from lift_app.lifting.recipe import Recipe
from lift_app.models.base_model import BaseModel
from lift_app.template import build_messages

_PLACE = "PLACE-OF-THE-SEGMENT"


def prefix_tokens(base: BaseModel, recipe: Recipe, title: str) -> list[int]:
    """Token ids that stand before every segment; none for the framing `raw`.

    Args:
        base: its tokenizer and chat template.
        recipe: says which framing.
        title: title of the book, as questions will name it.
    """
    if recipe.framing == "raw":
        return []
    return base.tokens_before(build_messages(title=title, question="", head=_PLACE), _PLACE)
