"""Questions about a book as a whole: a few passages cannot answer them."""

from __future__ import annotations

import re

_BOOK = r"(?:book|story|tale|text|document|paper|novel|article|report|chapter)"
_MAINLY = r"(?:mainly |mostly |really |all )?"
_WHOLE_BOOK = re.compile(
    r"\b(?:"
    r"summar(?:y|i[sz]e[sd]?)|recap|overview|synopsis|outline of"
    r"|timeline|chronolog(?:y|ical(?:ly)?)"
    r"|main (?:idea|point|theme|topic|character|argument|event|message)s?"
    r"|themes|theme of|moral (?:of|to)"
    r"|(?:the|its|this) plot(?! (?:of (?!(?:the|this) " + _BOOK + r")|against|to|was|had))"
    rf"|(?:this|the) {_BOOK} (?:begin|end|start)s?"
    rf"|what(?:'s|’s| is| was) (?:it|this|(?:this|the) {_BOOK}) {_MAINLY}about"
    rf"|(?:it|(?:this|the) {_BOOK}) (?:is|was) {_MAINLY}about(?! to)"
    rf"|(?:happen(?:s|ed)?|going on) in (?:this|the) {_BOOK}"
    rf"|(?:tell me about|describe|explain) (?:this|the) (?:whole )?{_BOOK}"
    r"|(?:order|sequence|course) of (?:the )?events|events (?:in|by) (?:their )?order"
    rf"|(?:title|author) of (?:this|the) {_BOOK}"
    rf"|who wrote (?:this|the {_BOOK})"
    r")(?!\w)",
    re.IGNORECASE,
)


def asks_for_whole(question: str) -> bool:
    """Whether a question is about the book as a whole, which no sentence of it can support."""
    return bool(_WHOLE_BOOK.search(question))
