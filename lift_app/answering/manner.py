"""Manner: how a model is asked and how far it is trusted, by whether it has learned to read.

A base as it comes is shown how to answer, gets few passages, and is held to the book by its words
alone. A start (pre-LIFT SFT) has learned to answer briefly, to find its way in more passages and to
decline by itself, so the look-up needs to refuse less and its answers say more about where they
come from. The figures behind both are in docs/answering.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_app.models.identity import ModelFolder


@dataclass(frozen=True)
class Manner:
    """Numbers of the way from a question to a cited answer."""

    examples: bool
    """Whether two worked examples stand in the prompt."""
    pieces: int
    """Sentences that are looked up and widened by their neighbours, at most."""
    least_support: float
    """Least support of the best sentence for a question to be put to the model, 0 to 1."""
    declines: bool
    """Whether the model has learned to decline: then the likelier of answer and refusal counts."""
    answer_weight: float
    """What the words of the answer count beside those of the question in finding its citation."""
    verifies: bool
    """Whether the base reads a quote alone before it is cited: it must bear the answer out."""
    most_surprise: float = 0.5
    """At how many nats a token a quote still bears an answer out."""
    least_lead: float = 0.5
    """By how many nats the answer must then be likelier than to decline."""


PLAIN = Manner(
    examples=True,
    pieces=2,
    least_support=0.45,
    declines=False,
    answer_weight=0.15,
    verifies=False,
)
"""For a base as it comes."""
STARTED = Manner(
    examples=False,
    pieces=4,
    least_support=0.2,
    declines=True,
    answer_weight=0.5,
    verifies=True,
)
"""For a base that stands on a start."""


def manner_of(identity: ModelFolder) -> Manner:
    """The manner for a model."""
    return STARTED if identity.start else PLAIN
