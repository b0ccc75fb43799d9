"""METEOR: words matched exactly, then by stem, then by synonym; with a penalty for broken order.

NLTK's METEOR with its weights. Synonyms need WordNet, which is a download: they are used where it
is already on this machine and left out otherwise; `has_synonyms` says which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from lift_app.bench.metrics.token_f1 import normalise


class _NoSynonyms:
    """Stands in for WordNet where there is none."""

    def synsets(self, word: str) -> list[Any]:
        return []


@lru_cache(maxsize=1)
def _wordnet() -> Any:
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return _NoSynonyms()
    return wordnet


def has_synonyms() -> bool:
    """Whether WordNet is on this machine."""
    return not isinstance(_wordnet(), _NoSynonyms)


def meteor(answer: str, golds: Sequence[str]) -> float:
    """METEOR against the reference that fits best, 0 to 1."""
    from nltk.translate.meteor_score import single_meteor_score

    said = normalise(answer).split()
    if not said:
        return 0.0
    return max(single_meteor_score(normalise(g).split(), said, wordnet=_wordnet()) for g in golds)
