"""Line-up: which arms a run has, at which strength, and what each question may use.

The closed-book arm (the question alone, no adapter) is always among them: a famous book is known
without reading, and no other figure can be read without knowing how much.
"""

from __future__ import annotations

from lift_app.answering.question import ADAPTER_ARMS, Question
from lift_app.bench.arms import PAIRS, SFT, Arm, find_arms
from lift_app.bench.documents import Asked
from lift_app.bench.metrics.choice import with_letters
from lift_app.models.starts import NONE

CLOSED = "closed book"
ANSWER_TOKENS = {
    "short": 48,
    "long": 160,
    "order": 32,
    "choice": 12,
    "retrieval": 16,
    "cloze": 64,
    "needle": 48,
}
"""Longest answer of a form, the same in every arm."""
GOLD_TOKENS = 256
"""Of a gold answer, the tokens whose likelihood is measured; a summary may be longer."""
ONE_SENTENCE = frozenset({"short", "needle"})
"""Forms whose answer ends with its first sentence."""


def line_up(names: str | None) -> tuple[Arm, ...]:
    """Arms by their names with commas between, after the closed-book arm of each base.

    Raises:
        CallerError: there is no such arm.
    """
    asked = [name for name in (names or "ICL,LIFT+ICL").split(",") if not _is_closed(name)]
    chosen = find_arms(",".join(asked)) if asked else ()
    bases = sorted({arm.start for arm in chosen}) or [False]
    return (*(closed(start) for start in bases), *chosen)


def closed(start: bool) -> Arm:
    """The closed-book arm of the base, or of the base on its start."""
    return Arm((SFT if start else "") + CLOSED, "LIFT_only", adapter="none", start=start)


def needs_adapter(arm: Arm) -> bool:
    """Whether an adapter is on."""
    return arm.arm in ADAPTER_ARMS and arm.adapter != "none"


def start_of(arm: Arm) -> str | None:
    """What the base of an arm stands on: the settings' start, or none."""
    return None if arm.start else NONE


def pairs_of(arms: tuple[Arm, ...]) -> list[tuple[str, str]]:
    """What is compared among these arms: the papers' pairs, and each first arm with no book."""
    names = {arm.name for arm in arms}
    pairs = [(a, b) for a, b in PAIRS if {a, b} <= names]
    for prefix in ("", SFT):
        first = next((arm.name for arm in arms if arm.name == f"{prefix}ICL"), None)
        if first and f"{prefix}{CLOSED}" in names:
            pairs.append((first, f"{prefix}{CLOSED}"))
    return pairs


def question(asked: Asked, arm: Arm, strength: float, *, letters: bool = False) -> Question:
    """A question of a suite as an arm asks it.

    Args:
        asked: the question.
        arm: decides what stands in the context.
        strength: of the adapter.
        letters: list the options of a multiple choice.
    """
    return Question(
        with_letters(asked.question, asked.options) if letters else asked.question,
        arm.arm,
        evidence=arm.evidence == "retrieved",
        strength=strength,
        gold=asked.gold if arm.evidence == "gold" else (),
        max_tokens=max(ANSWER_TOKENS[asked.form], GOLD_TOKENS),
    )


def _is_closed(name: str) -> bool:
    return name.strip().removeprefix(SFT) == CLOSED
