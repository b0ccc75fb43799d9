"""Framing: what stands before a segment while it is learned (recipe field `framing`).

`excerpt` puts a segment where excerpts of the book stand when a question is asked, so that
training and answering see one form; `context` lets head and tail of the book stand before it (the
truncated context of arXiv 2502.14644 v3); `raw` is the papers' bare text. What they are worth is
measured in docs/recipe.md.
"""

from __future__ import annotations

from lift_app.lifting.recipe import Recipe
from lift_app.models.base_model import BaseModel
from lift_app.reading.book import Book
from lift_app.template import ask, instruct

_PLACE = "PLACE-OF-THE-SEGMENT"


def prefix_tokens(base: BaseModel, recipe: Recipe, book: Book) -> list[int]:
    """Token ids that stand before every segment; none for the framing `raw`.

    Args:
        base: its tokenizer and chat template.
        recipe: says which framing, and how many tokens of head and tail.
        book: its title, as questions will name it, and its text.
    """
    if recipe.framing == "raw":
        return []
    if recipe.framing == "excerpt":
        return excerpt_prefix(base, book.title)
    ids = base.text_tokens(book.text)
    half = min(recipe.context_tokens, len(ids)) // 2
    head, tail = (base.tokenizer.decode(part) for part in (ids[:half], ids[len(ids) - half :]))
    passages = {"role": "user", "content": ask("", [_PLACE])}
    return base.tokens_before([instruct(book.title, head, tail), passages], _PLACE)


def excerpt_prefix(base: BaseModel, title: str) -> list[int]:
    """Token ids of a prompt up to where the beginning of the book stands in it."""
    return base.tokens_before([instruct(title, _PLACE)], _PLACE)
