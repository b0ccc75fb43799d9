"""Guard: keeps the best state at a strength that surely does little harm, and stops what goes
nowhere."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_app.bench.guard import in_one_turn
from lift_app.lifting.guard import PATIENCE, TRIED, Guard, Verdict
from lift_app.lifting.looks import LOOKS, STRENGTHS_TRIED, TOKENS
from lift_app.lifting.probe import MOST_EXTRACTS, SURE, Probe, held_out
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


ALLOWED = 0.01


class FakeProbe:
    """Harm reaches what is allowed at the strength that the script says; memory likewise, look by
    look."""

    remembers = True
    passes = 10
    unread = 0

    def __init__(self, harmless: list[float], memory: list[float]) -> None:
        self.harmless, self.remembered = harmless, memory
        self.look = 0
        self.measured = 0

    def harm(self, slot: str, strength: float) -> Iterator[None]:
        self.measured += 1
        yield
        least = self.harmless[self.look]
        return ALLOWED * strength / least if least else math.inf

    def memory(self, slot: str, strength: float) -> float:
        return self.remembered[self.look]


def looks(harmless: list[float], memory: list[float]) -> tuple[Guard, list[bool]]:
    probe = FakeProbe(harmless, memory)
    guard = Guard(probe, "lift", steps=100, allowed=ALLOWED)  # type: ignore[arg-type]
    better = []
    for number in range(len(memory)):
        probe.look = number
        before = guard.best
        list(guard.look(25 * (number + 1)))
        better.append(guard.best is not before)
    return guard, better


def looks_due(steps: int, readings: int = 1, probe: Any = None) -> list[int]:
    guard = Guard(probe or FakeProbe([], []), "lift", steps, ALLOWED, readings)
    return [step for step in range(1, steps + 1) if guard.is_due(step)]


def test_what_looks_still_read_is_told_beforehand() -> None:
    """So that the time left counts them: a look takes as long as to learn a short story."""
    probe = FakeProbe([0.3], [-1.0])
    guard = Guard(probe, "lift", steps=100, allowed=ALLOWED)  # type: ignore[arg-type]
    one = STRENGTHS_TRIED * probe.passes
    assert guard.passes_left(0) == guard.passes_left(24) == pytest.approx(4 * one)
    left = [guard.passes_left(25, turns) for turns in range(14)]
    assert left[:12] == pytest.approx([4 * one - turns for turns in range(12)])
    assert left[12:] == pytest.approx([3 * one + 8, 3 * one + 7])  # a second strength after all
    assert guard.passes_left(25, 2 * probe.passes) == pytest.approx(3 * one)
    list(guard.look(25))
    assert guard.passes_left(25) == pytest.approx(3 * one)
    assert guard.passes_left(99) == pytest.approx(one)
    probe.unread = 5
    assert guard.passes_left(99) == pytest.approx(one + 5)
    assert guard.passes_left(101) == 0


def harm(probe: Probe, strength: float = 1.0) -> float:
    return in_one_turn(probe.harm("lift", strength))


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    choice = Choice("cpu", "fp32", None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


@pytest.mark.parametrize("least", [0.0, 0.004, 0.05, 0.134, 0.2, 0.35, 0.6, 0.9])
def test_the_highest_strength_that_is_surely_harmless_is_chosen(least: float) -> None:
    guard, _ = looks([least], [-1.0])
    assert guard.best is not None
    assert guard.best.strength == pytest.approx(
        min(math.floor(100 * least + 1e-6) / 100, TRIED[-1])
    )
    assert 0 <= guard.best.harm <= ALLOWED + 1e-9
    assert (guard.best.memory == 0) == (guard.best.strength == 0)


def test_more_harm_that_is_allowed_is_more_strength() -> None:
    for share, chosen in ((0.0, 0.0), (0.5, 0.05), (1.0, 0.1), (1.5, 0.15), (3.5, 0.35)):
        probe = FakeProbe([0.1], [-1.0])
        guard = Guard(probe, "lift", 24, share * ALLOWED)  # type: ignore[arg-type]
        list(guard.look(24))
        assert guard.best is not None and guard.best.strength == pytest.approx(chosen)


def test_a_look_tries_one_or_two_strengths() -> None:
    """Each costs as much as some steps, and an estimate counts on it."""
    for least, tried in ((0.0, 1), (0.1, 1), (0.2, 2), (0.6, 2)):
        probe = FakeProbe([least], [-1.0])
        list(Guard(probe, "lift", 24, ALLOWED).look(24))  # type: ignore[arg-type]
        assert probe.measured == tried
    assert 1 <= STRENGTHS_TRIED <= 2


def test_the_best_state_is_kept_and_a_lift_that_gets_no_better_is_stopped() -> None:
    guard, better = looks([0.6] * 4, [-0.5, -0.8, -0.79, -0.3])
    assert better == [True, True, False, False]
    assert guard.best == Verdict(50, 0.6, pytest.approx(ALLOWED), -0.8)
    assert guard.stops
    assert PATIENCE == 2
    going, _ = looks([0.6] * 3, [-0.5, -0.5, -0.9])
    assert not going.stops
    assert not Guard(FakeProbe([], []), "lift", 8, ALLOWED).stops  # type: ignore[arg-type]


def test_a_look_at_a_low_strength_is_better_by_less() -> None:
    """A part of the strength remembers a part, so that a book is not learned in vain for it."""
    guard, better = looks([0.0, 0.03], [-1.0, -0.009])
    assert better == [True, True]
    guard, better = looks([0.1, 0.1], [-0.02, -0.0215])
    assert better == [True, False]
    assert guard.best is not None and guard.best.strength == pytest.approx(0.1)


def test_between_two_strengths_harm_is_on_the_line_between_them() -> None:
    class Bent(FakeProbe):
        def harm(self, slot: str, strength: float) -> Iterator[None]:
            yield
            return {TRIED[0]: -0.005, TRIED[1]: 0.015}[strength]

    guard = Guard(Bent([], [-1.0]), "lift", 24, 0.005)  # type: ignore[arg-type]
    list(guard.look(24))
    assert guard.verdicts == [Verdict(24, pytest.approx(0.4), pytest.approx(0.005), -1.0)]


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
    guard = Guard(FakeProbe([0.3], [-1.0]), "lift", 100, ALLOWED)  # type: ignore[arg-type]
    turns = guard.look(25)
    next(turns)
    assert guard.verdicts == []
    assert guard.is_due(25)
    assert len(list(turns)) >= 1
    assert not guard.is_due(25)


def test_a_resumed_guard_remembers_its_looks() -> None:
    guard, _ = looks([0.6] * 2, [-0.5, -0.8])
    again = Guard(FakeProbe([], []), "lift", 100, ALLOWED)  # type: ignore[arg-type]
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


def test_a_probe_goes_in_turns(host: AdapterHost) -> None:
    """A question that comes meanwhile waits for one pass, not for all of them."""
    probe = Probe(host, "Lanterns", EXTRACTS, seed=0)
    host.reset("lift", 4, 8, seed=0)
    passes = [len(part) for part in probe._parts]
    assert len(passes) == 3  # small talk, articles, short passages
    assert probe.passes == probe.unread == sum(passes)
    assert len(list(probe.harm("lift"))) == sum(passes)
    assert probe.unread == 0


def with_losses(probe: Probe, part: int, losses: list[float]) -> None:
    """Let one part of a probe have these likelihoods, 1 without the adapter, and the others 1."""
    for readings in probe._parts:
        for reading in readings:
            reading._base = [1.0]
            reading.nll = lambda *_: [1.0]  # type: ignore[method-assign]
    for reading, loss in zip(probe._parts[part], losses, strict=True):
        reading.nll = lambda *_, loss=loss: [loss]  # type: ignore[misc, method-assign]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_harm_is_the_most_that_there_may_be(host: AdapterHost, part: int) -> None:
    """Prompts that are answered now better, now worse, do not show that a strength is harmless."""
    probe = Probe(host, "Lanterns", EXTRACTS, seed=0)
    host.reset("lift", 4, 8, seed=0)
    count = len(probe._parts[part])
    with_losses(probe, part, [1.03] * count)
    assert harm(probe) == pytest.approx(0.03)
    with_losses(probe, part, [1.13, 0.93] * (count // 2))
    error = 0.1 / math.sqrt(count - 1)
    assert harm(probe) == pytest.approx(0.03 + SURE * error)
    with_losses(probe, part, [0.5] * count)
    assert harm(probe) == pytest.approx(0.0)  # the other parts
    with_losses(probe, part, [math.inf] + [1.0] * (count - 1))
    assert harm(probe) == math.inf


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


def test_what_the_base_says_is_read_once_a_host_and_let_go_with_it(
    tiny_model: Path, tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = Choice("cpu", "fp32", None, "a test")
    host = AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))
    host.reset("lift", 4, 8, seed=0)
    first = harm(Probe(host, "Lanterns", EXTRACTS, seed=0))
    with monkeypatch.context() as patch:
        patch.setattr(AdapterHost, "disabled", None)
        assert harm(Probe(host, "Boats", [], seed=1)) == first
    gone = weakref.ref(host)
    del host
    gc.collect()
    assert gone() is None


def test_what_is_no_number_is_harm(host: AdapterHost) -> None:
    host.reset("lift", 4, 8, seed=0)
    broken = {name: torch.full_like(t, math.nan) for name, t in host.state("lift").items()}
    host.load_state("lift", broken)
    guard = Guard(Probe(host, "Lanterns", EXTRACTS, seed=0), "lift", 24, ALLOWED)
    list(guard.look(24))
    assert guard.best == Verdict(24, 0.0, 0.0, 0.0)


def test_no_task_is_written_about_what_the_probe_asks(host: AdapterHost) -> None:
    kept = {extract.number for extract in held_out(EXTRACTS, 0)}
    assert len(kept) == min(MOST_EXTRACTS, len(EXTRACTS) // 4)
    writer = TaskWriter(host, "Lanterns", EXTRACTS, seed=0)
    asked = {task.extract for group in range(40) for task in writer.write(group, set())}
    assert asked == set(range(20)) - kept
    assert held_out(EXTRACTS[:3], 0) == []
