"""Guard: keeps the best state at a strength that does no harm, and stops what goes nowhere."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_app.bench.guard import in_one_turn
from lift_app.lifting.guard import PATIENCE, STRENGTHS, Guard, Verdict
from lift_app.lifting.looks import LOOKS, STRENGTHS_TRIED, TOKENS
from lift_app.lifting.probe import ENOUGH, MOST_EXTRACTS, Probe, held_out
from lift_app.lifting.task_writer import TaskWriter
from lift_app.lifting.tasks import Extract
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.lora import AdapterHost
from lift_app.settings import Settings

EXTRACTS = [
    Extract(n, 1, f"In 19{n:02} the keeper Orla Venn lit {n} lanterns. She told Tobias Rook of it.")
    for n in range(20)
]


class FakeProbe:
    """No harm up to the strength that the script says; memory likewise, look by look."""

    remembers = True

    def __init__(self, harmless: list[float], memory: list[float]) -> None:
        self.harmless, self.remembered = harmless, memory
        self.look = 0
        self.measured = 0

    def harm(self, slot: str, strength: float, allowed: float) -> Iterator[None]:
        self.measured += 1
        yield
        return strength - self.harmless[self.look]

    def memory(self, slot: str, strength: float) -> float:
        return self.remembered[self.look]


def looks(harmless: list[float], memory: list[float]) -> tuple[Guard, list[bool]]:
    probe = FakeProbe(harmless, memory)
    guard = Guard(probe, "lift", steps=100)  # type: ignore[arg-type]
    better = []
    for number in range(len(memory)):
        probe.look = number
        before = guard.best
        list(guard.look(25 * (number + 1)))
        better.append(guard.best is not before)
    return guard, better


def looks_due(steps: int, readings: int = 1, probe: Any = None) -> list[int]:
    guard = Guard(probe or FakeProbe([], []), "lift", steps, readings=readings)
    return [step for step in range(1, steps + 1) if guard.is_due(step)]


def harm(probe: Probe, strength: float = 1.0) -> float:
    return in_one_turn(probe.harm("lift", strength))


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    choice = Choice("cpu", "fp32", None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


def test_the_highest_strength_without_harm_is_chosen() -> None:
    for least in STRENGTHS:
        guard, _ = looks([least + 0.05], [-1.0])
        assert guard.best is not None
        assert guard.best.strength == least
        assert guard.best.harm <= 0


def test_a_little_harm_is_borne_where_the_recipe_allows_it() -> None:
    for allowed, chosen in ((0.0, 0.1), (0.09, 0.1), (0.11, 0.2), (0.36, 0.45)):
        guard = Guard(FakeProbe([0.1], [-1.0]), "lift", 24, allowed)  # type: ignore[arg-type]
        list(guard.look(24))
        assert guard.best is not None and guard.best.strength == chosen


def test_a_look_tries_two_or_three_strengths() -> None:
    """Each costs as much as some steps, and an estimate counts on it."""
    for least in STRENGTHS:
        probe = FakeProbe([least], [-1.0])
        list(Guard(probe, "lift", steps=24).look(24))  # type: ignore[arg-type]
        assert abs(probe.measured - STRENGTHS_TRIED) <= 0.5


def test_the_best_state_is_kept_and_a_lift_that_gets_no_better_is_stopped() -> None:
    guard, better = looks([0.6] * 4, [-0.5, -0.8, -0.79, -0.3])
    assert better == [True, True, False, False]
    assert guard.best == Verdict(50, 0.6, 0.0, -0.8)
    assert guard.stops
    assert PATIENCE == 2
    going, _ = looks([0.6] * 3, [-0.5, -0.5, -0.9])
    assert not going.stops
    assert not Guard(FakeProbe([], []), "lift", 8).stops  # type: ignore[arg-type]


def test_looks_are_evenly_apart_and_the_last_is_at_the_end() -> None:
    for steps, count in ((620, LOOKS), (62, 2), (24, 1), (5, 1)):
        due = looks_due(steps)
        assert len(due) == count
        assert due[-1] == steps
    assert looks_due(1) == [1]


@pytest.mark.parametrize("steps", [12, 30, 400])
def test_a_lift_that_is_four_times_too_long_can_be_stopped_before_its_end(steps: int) -> None:
    """Looks stand where they stood in the lift of the right length."""
    once, often = looks_due(steps), looks_due(4 * steps, readings=4)
    assert often[: len(once)] == once
    assert often[len(once) - 1 + PATIENCE] < 4 * steps


def test_many_short_readings_are_not_looked_at_one_by_one() -> None:
    assert looks_due(16, readings=8) == [16]


def test_a_text_of_which_nothing_is_held_out_has_its_strength_chosen(host: AdapterHost) -> None:
    assert looks_due(620, probe=Probe(host, "Lanterns", [], seed=0)) == [620]


def test_a_look_is_several_turns_and_is_not_due_again() -> None:
    """A question need not wait for all strengths; a look that a kill broke off is made anew."""
    guard = Guard(FakeProbe([0.3], [-1.0]), "lift", steps=100)  # type: ignore[arg-type]
    turns = guard.look(25)
    next(turns)
    assert guard.verdicts == []
    assert guard.is_due(25)
    assert len(list(turns)) >= 1
    assert not guard.is_due(25)


def test_a_resumed_guard_remembers_its_looks() -> None:
    guard, _ = looks([0.6] * 2, [-0.5, -0.8])
    again = Guard(FakeProbe([], []), "lift", steps=100)  # type: ignore[arg-type]
    again.load_state(guard.state())
    assert again.best == guard.best


def test_the_probe_sees_harm_and_memory_and_no_adapter_is_neither(host: AdapterHost) -> None:
    probe = Probe(host, "Lanterns", EXTRACTS, seed=0)
    host.reset("lift", 4, 8, seed=0)
    assert harm(probe) == probe.memory("lift") == 0  # a fresh adapter changes nothing
    read = sum(reading._packed.ids.numel() for part in probe._parts for reading in part)
    # What estimates reckon with; the tiny tokenizer makes several tokens of a word.
    assert TOKENS / 2 < read < 8 * TOKENS
    draw = torch.Generator().manual_seed(0)
    wild = {name: t.normal_(std=0.5, generator=draw) for name, t in host.state("lift").items()}
    host.load_state("lift", wild)
    assert 0 != harm(probe) != harm(probe, 0.1) != 0
    assert probe.memory("lift") != 0
    assert not Probe(host, "Lanterns", [], seed=0).remembers
    assert probe.remembers


def test_a_probe_goes_in_turns_and_ends_at_the_first_harm(host: AdapterHost) -> None:
    """A question that comes meanwhile waits for one pass, not for all of them."""
    probe = Probe(host, "Lanterns", EXTRACTS, seed=0)
    host.reset("lift", 4, 8, seed=0)
    general, passages = probe._parts
    assert len(list(probe.harm("lift"))) == len(general) + len(passages)
    assert len(list(probe.harm("lift", allowed=-1.0))) == len(general)


def test_plain_harm_to_reading_is_seen_in_a_few_passages(host: AdapterHost) -> None:
    probe = Probe(host, "Lanterns", EXTRACTS, seed=0)
    host.reset("lift", 4, 8, seed=0)
    general, passages = probe._parts
    for reading in general + passages:
        reading.base = [1.0]
    harmed = {"plain": [1.1 + 0.001 * n for n in range(32)], "doubtful": [1.4, 0.7] * 16}
    for name, losses in harmed.items():
        for reading in general:
            reading.nll = lambda *_: [1.0]  # type: ignore[method-assign]
        for reading, loss in zip(passages, losses, strict=True):
            reading.nll = lambda *_, loss=loss: [loss]  # type: ignore[misc, method-assign]
        read = len(list(probe.harm("lift", allowed=0.02))) - len(general)
        assert read == (ENOUGH if name == "plain" else len(passages))
        assert harm(probe) == pytest.approx(sum(losses) / len(losses) - 1)


def test_what_stands_between_two_turns_changes_nothing(host: AdapterHost) -> None:
    probe = Probe(host, "Lanterns", EXTRACTS, seed=0)
    draw = torch.Generator().manual_seed(0)
    for slot in ("lift", "other"):
        host.reset(slot, 4, 8, seed=0)
        wild = {name: t.normal_(std=0.5, generator=draw) for name, t in host.state(slot).items()}
        host.load_state(slot, wild)
    undisturbed = harm(probe)

    def with_a_question_each_turn() -> Generator[None, None, float]:
        turns = Probe(host, "Lanterns", EXTRACTS, seed=0).harm("lift")
        while True:
            with host.active("other", 0.3):
                pass
            try:
                next(turns)
            except StopIteration as end:
                return end.value
            yield

    assert in_one_turn(with_a_question_each_turn()) == undisturbed


def test_what_is_no_number_is_harm(host: AdapterHost) -> None:
    host.reset("lift", 4, 8, seed=0)
    broken = {name: torch.full_like(t, math.nan) for name, t in host.state("lift").items()}
    host.load_state("lift", broken)
    guard = Guard(Probe(host, "Lanterns", EXTRACTS, seed=0), "lift", steps=24)
    list(guard.look(24))
    assert guard.best == Verdict(24, 0.0, 0.0, 0.0)


def test_no_task_is_written_about_what_the_probe_asks(host: AdapterHost) -> None:
    kept = {extract.number for extract in held_out(EXTRACTS, 0)}
    assert len(kept) == min(MOST_EXTRACTS, len(EXTRACTS) // 4)
    writer = TaskWriter(host, "Lanterns", EXTRACTS, seed=0)
    asked = {task.extract for group in range(40) for task in writer.write(group, set())}
    assert asked == set(range(20)) - kept
    assert held_out(EXTRACTS[:3], 0) == []
