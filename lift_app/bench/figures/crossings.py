"""Crossing points of every schedule: from how long a book on learning it costs less than reading.

Figure 3 for each stride and schedule at once. What LIFT costs is a straight line through the book,
so a few steps of a schedule say what it costs at any length; ICL's reading is measured at several
lengths and fitted. With random weights of a shape this needs no model; and where there is no
machine for a shape, operations can be counted instead, both sides then working at the same rate.

Time ends when the last step is done: questions are answered from then on, while the check that only
measures goes over the book once more. What it costs is given beside it, and so is what the guard of
a lift reads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lift_app.bench.figures.cost import ANSWER_TOKENS, QUESTIONS
from lift_app.bench.figures.fits import Curve, crossing, fit
from lift_app.bench.shapes import SHAPES
from lift_app.bench.speed import PREFIX_TOKENS, make_host
from lift_app.errors import CallerError
from lift_app.lifting.looks import tokens_read
from lift_app.lifting.recipe import Recipe
from lift_app.settings import Settings

ASKED_TOKENS = 20
"""Tokens of a question."""
GENERAL = (132, 5, 16, 9)
"""Of a group of general prompts, on average: tokens that they begin with, prompts, tokens of
each question, and of each answer (`general_rows` with the embedded model's tokenizer)."""
GENERAL_EVERY = (4, 8)
"""Steps from one group of general prompts to the next that are compared with one."""
STEPS = 3
"""Steps of each schedule that are timed, after one that is not."""
LONG = 10_000_000
"""A book so long that its ends do not count."""


@dataclass(frozen=True)
class Costs:
    """What reading and learning cost, in one unit (seconds, or operations)."""

    unit: str
    icl_once: Curve
    """To read an input of so many tokens."""
    icl_question: Curve
    """A question after an input of so many tokens."""
    lift_question: float
    lift_once: Mapping[str, Curve]
    """To learn a book of so many tokens and to read its head and tail, by schedule."""
    check: float
    """What the check after the last step costs a token of the book."""


def schedules(recipe: Recipe) -> dict[str, Recipe]:
    """Every stride and schedule with a recipe's segments; the papers' stride of 3/8 comes first.

    Args:
        recipe: its segment length and everything else that a schedule leaves as it is; general
            prompts have rows of their own.
    """
    length = recipe.segment_length
    once = replace(recipe, epochs=1, stride=length, general_weight=0.0, general_every=1)
    carried = length * 5 // 8
    return {
        "stride 3/8": replace(once, stride=length * 3 // 8),
        "stride 3/8, 8 epochs": replace(once, stride=length * 3 // 8, epochs=8),
        "stride 1/2": replace(once, stride=length // 2),
        "stride 3/4": replace(once, stride=length * 3 // 4),
        "stride 1": once,
        "stride 3/8, general prompts": replace(once, stride=length * 3 // 8, general_weight=1.0),
        "stride 1, general prompts": replace(once, general_weight=1.0),
        **{
            f"stride 1, general prompts every {every} steps": replace(
                once, general_weight=1.0, general_every=every
            )
            for every in GENERAL_EVERY
        },
        "stride 1, fresh cuts, 2 epochs": replace(once, epochs=2, fresh_cuts=True),
        "stride 1, 5/8 carried": replace(once, carried_tokens=carried),
        "stride 1, upper half": replace(once, upper_layers=0.5),
        "stride 1, upper third": replace(once, upper_layers=1 / 3),
        "stride 1, 5/8 carried, upper half": replace(
            once, upper_layers=0.5, carried_tokens=carried
        ),
    }


def counted(shape: str, recipe: Recipe, context: int) -> dict[str, Any]:
    """Crossing points by operations alone: nothing is measured, all work goes at one rate.

    Args:
        shape: a name of `SHAPES`.
        recipe: of the segments.
        context: tokens of head and tail that LIFT answers with.

    Raises:
        CallerError: there is no such shape.
    """
    if shape not in SHAPES:
        raise CallerError(f"There is no shape {shape!r}. Choose one of: {', '.join(SHAPES)}.")
    work = _Work.of(SHAPES[shape])
    asked = ASKED_TOKENS + ANSWER_TOKENS
    costs = Costs(
        "operations",
        Curve((work.attention / 2, work.linear, 0.0)),
        Curve((asked * work.attention, asked * (work.linear + work.output))),
        work.read(0, context + asked) - work.read(0, context) + asked * work.output,
        {
            name: Curve((work.learned(one), work.read(0, context)))
            for name, one in schedules(recipe).items()
        },
        work.checked(recipe),
    )
    return _result(
        costs, shape, {"sentence": f"Operations of {shape}, counted; nothing was timed."}
    )


def measured(
    settings: Settings,
    recipe: Recipe,
    *,
    lengths: Sequence[int],
    shape: str | None,
    layers: int | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Crossing points from a few timed steps of each schedule, and ICL at several lengths.

    Args:
        settings: name the model and the tokens of head and tail.
        recipe: of the segments.
        lengths: of the inputs that ICL reads, at least three.
        shape: random weights of this shape instead of the model.
        layers: so many of the shape's layers, and twice as many, are timed and continued in a
            straight line to all of them; None for the whole shape.
        progress: told what is being done.

    Raises:
        CallerError: `layers` without a shape, or too few lengths.
    """
    if len(set(lengths)) < 3:
        raise CallerError("A curve of ICL's time needs three lengths at least.")
    if layers is None:
        costs, machine = _time(settings, recipe, lengths, shape, None, progress)
        return _result(costs, shape, machine)
    if shape is None:
        raise CallerError("--layers is for a --shape.")
    few, machine = _time(settings, recipe, lengths, shape, layers, progress)
    twice, _ = _time(settings, recipe, lengths, shape, 2 * layers, progress)
    more = SHAPES[shape]["num_hidden_layers"] / layers - 1
    machine["sentence"] += (
        f" Timed with {layers} and {2 * layers} layers and continued in a straight line to all."
    )
    return _result(_continued(few, twice, more), shape, machine)


def _continued(few: Costs, twice: Costs, more: float) -> Costs:
    """Costs of all layers: those of a few, and `more` times what as many again add."""

    def on(a: Curve, b: Curve) -> Curve:
        return a + (b + a * -1.0) * more

    return Costs(
        few.unit,
        on(few.icl_once, twice.icl_once),
        on(few.icl_question, twice.icl_question),
        few.lift_question + more * (twice.lift_question - few.lift_question),
        {name: on(few.lift_once[name], twice.lift_once[name]) for name in few.lift_once},
        few.check + more * (twice.check - few.check),
    )


def _result(costs: Costs, shape: str | None, machine: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for name, once in costs.lift_once.items():
        points: dict[str, Any] = {}
        for count in QUESTIONS:
            lift = once + Curve((costs.lift_question * count,))
            kept = costs.icl_once + costs.icl_question * count
            anew = (costs.icl_once + costs.icl_question) * count
            points[str(count)] = {
                "cached": _whole(crossing(lift, kept, after=1.0)),
                "uncached": _whole(crossing(lift, anew, after=1.0)),
            }
        checked = once + Curve((costs.check, costs.lift_question))
        watched = once + Curve((costs.check * tokens_read(LONG) + costs.lift_question,))
        reads_once = costs.icl_once + costs.icl_question
        rows.append(
            {
                "schedule": name,
                "token": once.coefficients[0],
                "crossings": points,
                "with_check": _whole(crossing(checked, reads_once, after=1.0)),
                "with_guard": _whole(crossing(watched, reads_once, after=1.0)),
            }
        )
    return {
        "suite": "crossings",
        "unit": costs.unit,
        "shape": shape,
        "icl": {
            "once": list(costs.icl_once.coefficients),
            "question": list(costs.icl_question.coefficients),
        },
        "check": costs.check,
        "rows": rows,
        "run": dict(machine),
    }


def _whole(length: float | None) -> int | None:
    return None if length is None else round(length)


@dataclass(frozen=True)
class _Work:
    """Operations of a shape."""

    linear: float
    """Of a token in all linear layers, forwards."""
    attention: float
    """Of a token with each token that it sees."""
    output: float
    """Of a token's logits."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> _Work:
        """From the configuration of a Llama."""
        width, heads = config["hidden_size"], config["num_attention_heads"]
        keys = width * config["num_key_value_heads"] // heads
        layer = 2 * width * width + 2 * width * keys + 3 * width * config["intermediate_size"]
        layers = config["num_hidden_layers"]
        return cls(2.0 * layers * layer, 4.0 * layers * width, 2.0 * config["vocab_size"] * width)

    def read(self, before: float, tokens: float) -> float:
        """To read tokens after others, forwards."""
        return tokens * (self.linear + self.attention * (before + tokens / 2))

    def learned(self, recipe: Recipe) -> float:
        """A token of the book, in all steps of a lift."""
        length, frame = recipe.segment_length, _frame(recipe)
        only_read = frame + recipe.carried_tokens if recipe.carried_tokens else 0
        graded = length + frame * (not only_read)
        step = self.read(0, only_read)
        step += (1 + recipe.upper_layers) * self.read(only_read, graded) + 2 * length * self.output
        if recipe.general_weight:  # the base reads them, then the adapter, which also learns
            before, prompts, asked, told = GENERAL
            one = self.read(before, asked + told) + told * self.output
            beside = (2 + recipe.upper_layers) * (self.read(0, before) + prompts * one)
            step += beside / recipe.general_every
        return step / length * recipe.trained_tokens(LONG) / LONG

    def checked(self, recipe: Recipe) -> float:
        """A token of the book, in the check."""
        read = _frame(recipe) + recipe.segment_length
        return self.read(0, read) / recipe.segment_length + self.output


def _frame(recipe: Recipe) -> int:
    """Tokens that stand before what is carried and what is learned."""
    return (0 if recipe.framing == "raw" else PREFIX_TOKENS) + recipe.context_tokens


def _time(
    settings: Settings,
    recipe: Recipe,
    lengths: Sequence[int],
    shape: str | None,
    layers: int | None,
    progress: Callable[[str], None],
) -> tuple[Costs, dict[str, Any]]:
    host, machine = make_host(settings, shape, layers)
    on_cpu = host.base.device.type == "cpu"
    now = time.process_time if on_cpu else _synchronised
    asked = ASKED_TOKENS + ANSWER_TOKENS
    once: dict[int, float] = {}
    question: dict[int, float] = {}
    for length in sorted(lengths):
        progress(f"ICL: {length:,} tokens")
        once[length], question[length] = _read(host, length, asked, now)
    # The context of an answer by LIFT, read once a book; with an adapter a question costs more.
    host.reset("bench", recipe.rank, recipe.alpha)
    with host.active("bench"):
        head, lift_question = _read(host, settings.context_tokens, asked, now)
    timed: dict[Recipe, tuple[float, float]] = {}

    def a_token(name: str, one: Recipe) -> float:
        if one.general_every > 1:  # some steps have general prompts beside them, most do not
            without = a_token(name, replace(one, general_every=1, general_weight=0.0))
            beside = a_token(name, replace(one, general_every=1))
            return without + (beside - without) / one.general_every
        # A stride, or another epoch, changes how many steps there are and not what one costs.
        alike = replace(one, epochs=1, stride=one.segment_length, fresh_cuts=False)
        if alike not in timed:
            progress(f"LIFT: a step as in {name}")
            timed[alike] = _learned(host, alike, now)
        return timed[alike][0]

    lift_once = {
        name: Curve((a_token(name, one) * one.trained_tokens(LONG) / LONG, head))
        for name, one in schedules(recipe).items()
    }
    check = list(timed.values())[-1][1]
    xs = list(once)
    return (
        Costs(
            "CPU seconds" if on_cpu else "seconds",
            fit(xs, [once[x] for x in xs], 2),
            fit(xs, [question[x] for x in xs], 1),
            lift_question,
            lift_once,
            check,
        ),
        machine,
    )


def _synchronised() -> float:
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def _read(host: Any, length: int, asked: int, now: Callable[[], float]) -> tuple[float, float]:
    """Time to read a prompt, and to read and write what a question needs after it.

    The question's tokens and the answer's are put in one at a time, as an answer is written.
    """
    import torch

    from lift_app.models.generation import read_tokens

    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(host.base.identity.vocabulary, (length + asked,), generator=draw).tolist()
    never = threading.Event()
    with torch.no_grad():
        began = now()
        _, cache = read_tokens(host.model, ids[:length], never)
        read = now() - began
        began = now()
        _, cache = read_tokens(host.model, ids[length : length + ASKED_TOKENS], never, cache)
        for token in ids[length + ASKED_TOKENS :]:
            _, cache = read_tokens(host.model, [token], never, cache)
        return read, now() - began


def _learned(host: Any, recipe: Recipe, now: Callable[[], float]) -> tuple[float, float]:
    """Time of a token: in the steps of a recipe, and in the check at the end."""
    import torch

    from lift_app.lifting.auxiliary import NOTHING_BESIDE
    from lift_app.lifting.memory import Memory
    from lift_app.lifting.segments import Segment
    from lift_app.lifting.trainer import Trainer

    length = recipe.segment_length
    count = (STEPS + 2) * recipe.batch_segments  # the first has nothing before it to carry
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(host.base.identity.vocabulary, (count * length,), generator=draw)
    segments = [Segment(k, k * length, (k + 1) * length, 0, 0) for k in range(count)]
    prefix = ids[: _frame(recipe)].tolist()
    trainer = Trainer(host, "bench", ids, segments, recipe, prefix)
    beside = _beside(ids.tolist()) if recipe.general_weight else NOTHING_BESIDE
    trainer.step(beside)
    began, tokens = now(), 0
    for _ in range(STEPS):
        tokens += trainer.step(beside).tokens
    learned = (now() - began) / tokens
    check = Memory(host, "bench", ids, segments, prefix)
    began = now()
    check.step()
    return learned, (now() - began) / length


def _beside(ids: Sequence[int]) -> Any:
    """As much as a group of general prompts, of the tokens of a text."""
    from lift_app.lifting.auxiliary import TaskRows
    from lift_app.lifting.packing import Row

    before, prompts, asked, told = GENERAL
    rows = []
    for at in range(prompts):  # they part after what they begin with
        own = tuple(ids[at : at + asked + told])
        rows.append(Row((*ids[:before], *own[:asked]), own[asked:]))
    return TaskRows(general=tuple(rows))


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown: the input kept between questions, and read anew."""
    lines = [
        f"| schedule | {result['unit']} a book token | 1 question | with the check | "
        "with the guard | 10, input kept | 100, input kept | 10, read anew | 100, read anew |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        found = row["crossings"]
        cells = [found["1"]["cached"], row["with_check"], row["with_guard"]]
        cells += [found[count][how] for how in ("cached", "uncached") for count in ("10", "100")]
        told = ["never" if cell is None else f"{cell:,}" for cell in cells]
        lines.append(f"| {row['schedule']} | {row['token']:.3g} | {' | '.join(told)} |")
    return "\n".join([*lines, "", result["run"]["sentence"]])
