"""Questions about a book as a whole: a few passages cannot answer them."""

from __future__ import annotations

import re

ABOUT = "This book is about"
"""What an answer begins with that says what a book is about."""

_BOOK = r"(?:book|story|tale|text|document|paper|novel|article|report)"
_THE_BOOK = rf"(?:this|the) (?:whole |entire )?{_BOOK}"
_MAINLY = r"(?:mainly |mostly |really |all )?"
_LAST = r"(?=\W*$)"
"""Nothing more is asked: "the paper that Anna signed" is a thing in a book."""
_TELLS = (
    rf"(?:what(?:'s|’s| is| was) (?:it|this|{_THE_BOOK})|{_THE_BOOK} (?:is|was)) {_MAINLY}about"
)
_DESCRIBE = rf"(?:tell me about|describe|explain) {_THE_BOOK}{_LAST}"
_PLOT = rf"(?:(?:the|its|this|your) )?(?:plot|{_BOOK})"
_ABOUT = re.compile(
    rf"\b{_TELLS}{_LAST}"
    rf"|\b(?:themes?|topic|subject|plot) of {_THE_BOOK}{_LAST}"
    rf"|\b(?:what(?:'s|’s| is)|tell me|explain|describe) (?:the|its) "
    rf"(?:main |overall )?(?:idea|topic|theme|plot){_LAST}"
    rf"|^\W*(?:please )?(?:summari[sz]e|recap|sum up)(?: (?:it|this|{_PLOT}))?(?:,? please)?{_LAST}"
    rf"|\b(?:summary|overview|synopsis|recap)(?: of (?:it|this|{_PLOT}))?(?:,? please)?{_LAST}"
    rf"|\b{_DESCRIBE}",
    re.IGNORECASE,
)
"""Asks what a book is about, and nothing more."""
_WHOLE_BOOK = re.compile(
    r"\b(?:"
    r"summar(?:y|i[sz]e[sd]?)|recap|overview|synopsis|timeline|chronolog(?:y|ical(?:ly)?)"
    r"|main (?:idea|point|theme|topic|character|argument|event|message|plot)s?"
    rf"|themes|(?:theme|outline|moral|plot) of {_THE_BOOK}|moral of it"
    rf"|(?:the|its|this|overall|whole) plot(?:{_LAST}| to me)|(?:book|story|tale|novel)['’]s plot"
    rf"|summari[sz]e the plot|{_THE_BOOK} (?:begin|end|start)s?"
    rf"|{_TELLS}(?! to)"
    rf"|(?:happen(?:s|ed)?|going on) in {_THE_BOOK}{_LAST}"
    rf"|{_DESCRIBE}"
    rf"|(?:order|sequence|course) of (?:the )?events(?:{_LAST}| in {_THE_BOOK})"
    r"|events (?:in|by) (?:their )?order"
    rf"|(?:title|author) of {_THE_BOOK}"
    rf"|who wrote (?:this|{_THE_BOOK}){_LAST}"
    r")(?!\w)",
    re.IGNORECASE,
)


def asks_for_whole(question: str) -> bool:
    """Whether a question is about the book as a whole, which no sentence of it can support."""
    return bool(_WHOLE_BOOK.search(question))


def opening_of(question: str) -> str:
    """What a start's answer to a question about the whole book begins with; empty to leave it free.

    It has learned to decline what no sentence in front of it says, and no sentence says what a book
    is about. Yet every book is about something: with these words in its mouth it tells what. How a
    book ends and who wrote it may truly be unsaid.
    """
    return ABOUT if asks_for_whole(question) and _ABOUT.search(question) else ""
