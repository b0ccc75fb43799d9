"""Answering: a question to a book becomes an Answer with citations.

Nothing here imports torch before it computes, so the words of this folder are cheap to import.
"""

from lift_app.answering.answer import Answer, Citation, ContextSize, EvidencePassage, Timing
from lift_app.answering.answerer import Answerer
from lift_app.answering.question import ARMS, Question

__all__ = [
    "ARMS",
    "Answer",
    "Answerer",
    "Citation",
    "ContextSize",
    "EvidencePassage",
    "Question",
    "Timing",
]
