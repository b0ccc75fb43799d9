"""Framing: what stands before a segment while it is learned (recipe field `framing`).

`excerpt` puts a segment where excerpts of the book stand when a question is asked, so that training
and answering see one form; `raw` is the papers' bare text. What the two are worth is measured in
docs/recipe.md.
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
