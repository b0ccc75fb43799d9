"""Judge: says of each answer whether it is right, as the papers' GPT-4 score does.

The prompts are files beside this one. Verdicts are kept on disk by model, prompt and answer, so
that none is paid for twice. A judge is only as good as its model: its agreement with token F1 is
reported beside its scores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any

from lift_app.bench.documents import Asked
from lift_app.bench.judging.models import JudgeModel
from lift_app.bench.runs.kept import Kept, digest
from lift_app.bench.runs.summary import Scored

PROMPTS = {
    form: (files(__package__) / f"{name}.txt").read_text(encoding="utf-8")
    for form, name in (("short", "qa"), ("long", "summary"), ("written", "question"))
}
"""Form of the answer -> prompt; other forms need no judge. `written` is a synthetic question with
its answer, whose only reference is the passage."""
RIGHT_F1 = 0.5
"""Token F1 from which on an answer counts as right, where the judge is compared with it."""


class Judge:
    """Verdicts of one model.

    Args:
        model: who is asked.
        path: where verdicts are kept.
    """

    def __init__(self, model: JudgeModel, path: Path) -> None:
        self.name = model.name
        self._model = model
        self._kept = Kept(path)

    def score(self, asked: Asked, answer: str) -> float | None:
        """0 to 1; None for a form that needs no judge, or a verdict that cannot be read.

        Raises:
            LiftError: the judge cannot be reached.
        """
        if asked.form not in PROMPTS:
            return None
        if not answer.strip():
            return 0.0
        references = "; ".join(asked.answers) if asked.form == "short" else asked.answers[0]
        prompt = PROMPTS[asked.form].format(
            question=asked.question, references=references, answer=answer
        )
        of = digest([self.name, prompt])
        record = self._kept.get(of)
        if record is None:
            record = {"judge": self.name, "said": self._model.say(prompt)}
            self._kept.put(of, record)
        return _verdict(asked.form, record["said"])


def _verdict(form: str, said: str) -> float | None:
    if form != "long":
        word = re.search(r"\b(true|false)\b", said, re.IGNORECASE)
        return None if word is None else float(word[1].lower() == "true")
    number = re.search(r"\d+(?:\.\d+)?", said)
    return None if number is None else min(1.0, float(number[0]) / 100)


def with_verdicts(
    judge: Judge, scored: Sequence[Scored], progress: Callable[[str], None]
) -> list[Scored]:
    """The same answers, each with its score `judge` where there is a verdict."""
    found = []
    for number, one in enumerate(scored, 1):
        progress(f"judging answer {number} of {len(scored)}")
        verdict = judge.score(one.asked, one.said.answer)
        scores = one.scores if verdict is None else {**one.scores, "judge": verdict}
        found.append(replace(one, scores=scores))
    return found


@dataclass(frozen=True)
class Agreement:
    """How a judge and token F1 agree on short answers."""

    judge: str
    answers: int
    """Short answers with a verdict."""
    unreadable: int
    """Answers that got no verdict that can be read."""
    share: float
    """Of the answers, those on which judge and F1 (right from 0.5) say the same."""
    kappa: float
    """Cohen's kappa: the same beyond chance; 0 where either says the same of every answer."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict, with a sentence that says it."""
        return {
            "judge": self.judge,
            "answers": self.answers,
            "unreadable": self.unreadable,
            "agreement": round(self.share, 4),
            "kappa": round(self.kappa, 4),
            "sentence": f"Judge {self.judge} at temperature 0: agrees with token F1 (right from "
            f"{RIGHT_F1:g}) on {self.share:.0%} of {self.answers} short answers (kappa "
            f"{self.kappa:.2f}); {self.unreadable} verdicts could not be read.",
        }


def agreement(judge: Judge, scored: Sequence[Scored]) -> Agreement:
    """Compare the verdicts on short answers with token F1."""
    short = [one for one in scored if one.asked.form == "short"]
    pairs = [
        (one.scores["judge"] >= 0.5, one.scores["f1"] >= RIGHT_F1)
        for one in short
        if "judge" in one.scores
    ]
    wanted = sum(one.asked.form in PROMPTS for one in scored)
    unreadable = wanted - sum("judge" in one.scores for one in scored)
    if not pairs:
        return Agreement(judge.name, 0, unreadable, 0.0, 0.0)
    same = fmean(a == b for a, b in pairs)
    ours, theirs = fmean(a for a, _ in pairs), fmean(b for _, b in pairs)
    chance = ours * theirs + (1 - ours) * (1 - theirs)
    kappa = (same - chance) / (1 - chance) if chance < 1 else 0.0
    return Agreement(judge.name, len(pairs), unreadable, same, kappa)
