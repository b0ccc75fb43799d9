"""Guard: keeps a lift from doing harm, and from going on for nothing.

Looks at the adapter a few times during a lift, through a probe that the lift never trains on. The
state that remembers most at a strength that surely harms less than the recipe allows is kept; the
lift stops early when it gets no better, and that strength is the adapter's own from then on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lift_app.lifting.looks import STRENGTHS_TRIED, TOKENS, looks_of
from lift_app.lifting.probe import Probe

TRIED = (0.2, 0.6)
"""Strengths that are tried, the second where the first is surely harmless; the highest is the one
that answers use at most. Between them none has to be: harm grows faster than the strength
(docs/recipe.md), so it stays below the line from one that was tried to the next."""
BETTER = 0.02
"""By how much a look must be better than the best before it: in nats a token, at full strength."""
PATIENCE = 2
"""Looks in a row that are no better before the lift is stopped."""


@dataclass(frozen=True)
class Verdict:
    """What one look found."""

    step: int
    """Steps finished at that time."""
    strength: float
    """The highest that surely does no more harm than is allowed; 0 remembers nothing."""
    harm: float
    """At that strength, the most that there may be as far as the probe can tell (`Probe.harm`):
    of one between those that were tried, on the line between them."""
    memory: float
    """At that strength: NLL of tasks about the book beside the base, below 0 is better."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict, numbers rounded to four places."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


class Guard:
    """The looks of one lift.

    Args:
        probe: what is looked at.
        slot: the adapter that learns.
        steps: optimizer steps of the whole lift.
        allowed: most harm at the chosen strength, as a share of the base's NLL.
        readings: how often the lift reads the book.
    """

    def __init__(
        self, probe: Probe, slot: str, steps: int, allowed: float, readings: int = 1
    ) -> None:
        self._probe = probe
        self._slot = slot
        self._allowed = allowed
        # Where there is nothing to choose a state by, the last is kept, and its strength matters.
        looks = looks_of(steps, readings) if probe.remembers else 1
        self._due = {round(steps * look / looks) for look in range(1, looks + 1)}
        self.verdicts: list[Verdict] = []

    def is_due(self, step: int) -> bool:
        """Whether to look after step `step`, if that has not been done before a kill."""
        return step in self._due and all(verdict.step != step for verdict in self.verdicts)

    @property
    def pass_tokens(self) -> float:
        """About how many tokens a pass of a look reads."""
        return TOKENS / self._probe.passes

    @property
    def unread(self) -> int:
        """Passes in which the base is still to be read, beside the adapter."""
        return self._probe.unread

    def passes_left(self, step: int, turns: int = 0) -> float:
        """About how many passes are still to come in looks, if the lift goes on to its end.

        Args:
            step: steps finished.
            turns: so many of the look that is due now are done.
        """
        passes = self._probe.passes
        left = STRENGTHS_TRIED * passes * sum(self.is_due(due) for due in self._due if due > step)
        if self.is_due(step):
            # The turn after those of the first strength may be the one that measures memory.
            tried = STRENGTHS_TRIED if turns <= passes + 1 else len(TRIED)
            left += max(0.0, tried * passes - turns)
        return left + (self.unread if left else 0)

    def look(self, step: int) -> Iterator[None]:
        """Look at the adapter; each `yield` ends a turn, and the verdict comes after the last."""
        strength, harm, memory = 0.0, 0.0, 0.0
        for tried in TRIED:
            most = yield from self._probe.harm(self._slot, tried)
            if most <= self._allowed:
                strength, harm = tried, most
                continue
            if math.isfinite(most):  # along the line between them, down to a hundredth
                slope = (most - harm) / (tried - strength)
                more = math.floor(100 * (self._allowed - harm) / slope + 1e-9) / 100
                strength, harm = strength + more, harm + more * slope
            break
        if strength:
            memory = self._probe.memory(self._slot, strength)
            yield
        self.verdicts.append(Verdict(step, strength, harm, memory))

    @property
    def best(self) -> Verdict | None:
        """The look that remembered most; of two that are about as good, the earlier."""
        best: Verdict | None = None
        for verdict in self.verdicts:
            if best is None or verdict.memory < best.memory - BETTER * verdict.strength:
                best = verdict
        return best

    @property
    def stops(self) -> bool:
        """Whether going on is for nothing."""
        best = self.best
        if best is None:
            return False
        return len(self.verdicts) - 1 - self.verdicts.index(best) >= PATIENCE

    def state(self) -> list[dict[str, Any]]:
        """What a resumed lift needs."""
        return [asdict(verdict) for verdict in self.verdicts]

    def load_state(self, state: list[dict[str, Any]]) -> None:
        """Continue where `state()` was taken."""
        self.verdicts = [Verdict(**verdict) for verdict in state]
