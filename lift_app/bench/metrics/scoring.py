"""Scoring: the metrics of an answer, by the form of its question.

Knows the forms and which metric leads for each; knows nothing of models or arms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lift_app.bench.documents import Asked
from lift_app.bench.metrics.bertscore import find_bertscore
from lift_app.bench.metrics.choice import letter_said, likeliest
from lift_app.bench.metrics.cloze import cloze
from lift_app.bench.metrics.meteor import meteor
from lift_app.bench.metrics.needle import needle_found
from lift_app.bench.metrics.ordering import concordance, deviations, said_order
from lift_app.bench.metrics.retrieval import retrieval
from lift_app.bench.metrics.rouge import rouge_l
from lift_app.bench.metrics.token_f1 import best_f1, exact_match

LEADING = {
    "short": "f1",
    "long": "rouge_l",
    "order": "concordance",
    "choice": "accuracy",
    "retrieval": "retrieval",
    "cloze": "exact",
    "needle": "found",
}
"""The metric that a form is reported by first."""
LOWER_IS_BETTER = frozenset({"nll", "lsd", "lmd", "sd", "sdd"})
PLAIN_NUMBERS = LOWER_IS_BETTER
"""Metrics that are no shares: they are shown as they are, the others in per cent."""


@dataclass(frozen=True)
class Said:
    """What an arm answered to one question, and what it cost."""

    answer: str
    """The text; for a multiple choice what was written after the letters."""
    nll: float
    """Negative log-likelihood of the gold answer, nats a token."""
    seconds: float
    """From the question to the end of the answer, the document being in the cache."""
    reading_seconds: float
    """To read what all prompts of this document share; once a document and arm."""
    prompt_tokens: int
    options: tuple[float, ...] = ()
    """NLL a token of each option of a multiple choice."""


def score(asked: Asked, said: Said) -> dict[str, float]:
    """The metrics of one answer by name; shares between 0 and 1, the rest as `PLAIN_NUMBERS`."""
    return {**_SCORERS[asked.form](asked, said), "nll": said.nll}


def _text(asked: Asked, said: Said) -> dict[str, float]:
    answer, golds = said.answer, asked.answers
    scores = {
        "f1": best_f1(answer, golds),
        "em": exact_match(answer, golds),
        "rouge_l": rouge_l(answer, golds),
        "meteor": meteor(answer, golds),
    }
    if (bertscore := find_bertscore()) is not None:
        scores["bertscore"] = bertscore(answer, golds)
    return scores


def _long(asked: Asked, said: Said) -> dict[str, float]:
    scores = _text(asked, said)
    del scores["em"]  # two summaries are never the same
    return scores


def _order(asked: Asked, said: Said) -> dict[str, float]:
    order = said_order(said.answer, asked.keys)
    valid = sorted(order) == sorted(asked.keys)
    return {
        "concordance": concordance(order, asked.keys),
        "valid": float(valid),
        **deviations(order, asked.keys),
    }


def _choice(asked: Asked, said: Said) -> dict[str, float]:
    right = asked.options.index(asked.answers[0])
    return {
        "accuracy": float(likeliest(said.options) == right),
        "accuracy_letter": float(letter_said(said.answer, len(asked.options)) == right),
    }


def _cloze(asked: Asked, said: Said) -> dict[str, float]:
    exact, partial = cloze(said.answer, asked.answers, asked.keys)
    return {"exact": exact, "partial": partial}


_SCORERS: dict[str, Callable[[Asked, Said], dict[str, float]]] = {
    "short": _text,
    "long": _long,
    "order": _order,
    "choice": _choice,
    "retrieval": lambda asked, said: {"retrieval": retrieval(said.answer, asked.answers)},
    "cloze": _cloze,
    "needle": lambda asked, said: {"found": needle_found(said.answer, asked.keys)},
}


def names_in_order(scores: Sequence[dict[str, float]]) -> list[str]:
    """Every metric that some answer has, the leading ones first and the NLL last."""
    found = dict.fromkeys(name for one in scores for name in one)
    leading = [name for name in LEADING.values() if name in found]
    rest = [name for name in found if name not in leading and name != "nll"]
    return [*dict.fromkeys(leading), *rest, *(["nll"] if "nll" in found else [])]
