"""Questions about a book as a whole: a few passages cannot answer them."""

from __future__ import annotations

import re

_WHOLE_BOOK = re.compile(
    r"\b(?:summar(?:y|i[sz]e)|overview|plot"
    r"|main (?:idea|point|theme|topic|character|argument)s?"
    r"|(?:book|story|text|document|paper|novel|article) (?:is |was )?(?:about|begin|end|start)s?"
    r"|what (?:is|was) (?:this|it) about"
    r"|(?:title|author) of (?:this|the) (?:book|story|text|document|paper|novel|article)"
    r"|who wrote (?:this|the (?:book|story|text|novel)))\b",
    re.IGNORECASE,
)


def asks_for_whole(question: str) -> bool:
    """Whether a question is about the book as a whole, which no sentence of it can support."""
    return bool(_WHOLE_BOOK.search(question))
