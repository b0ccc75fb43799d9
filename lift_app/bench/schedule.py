"""The schedule bench: how soon each way through a book has learned what the papers' way does.

The papers' recipe runs in the plain loop, every schedule in the product's own trainer, over the
same documents in one process. Both are stopped now and then to ask for the held-out probe: the
negative log-likelihood of gold answers to questions that nothing was trained on, with head and tail
of the document in the context. Only training counts as time, in CPU seconds without a GPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lift_app.bench.documents import BenchDocument
from lift_app.bench.intervals import paired
from lift_app.bench.recipe import Variant
from lift_app.bench.runs.kept import Kept, digest
from lift_app.bench.speed import make_host, model_of
from lift_app.lifting.recipe import RECIPES, Recipe, resolve_recipe
from lift_app.reading.book import Book, Page, Report
from lift_app.settings import Settings
from lift_app.template import build_messages

if TYPE_CHECKING:
    from lift_app.lifting.packing import Packed
    from lift_app.models.base_model import BaseModel

PLAIN = "paper in the plain loop"
"""What everything is measured by."""
SCHEDULES = (
    "standard",
    "quick",
    "quick:epochs=2,fresh_cuts=true",
    "quick:carried_tokens=160",
    "standard:upper_layers=0.5",
    "quick:upper_layers=0.5",
    "quick:carried_tokens=160,upper_layers=0.5",
)
"""What is compared by default; the first has the papers' stride of 3/8."""
LOOKS = 8
"""Looks in a lift, evenly apart; the last one is after the last step."""
SLOT = "bench"


@dataclass(frozen=True)
class Look:
    """What the probe said at a moment."""

    seconds: float
    """Of training until then."""
    nll: tuple[float, ...]
    """Of the gold answer to each question, in nats a token."""


def run(
    settings: Settings,
    documents: Sequence[BenchDocument],
    variants: Sequence[Variant],
    *,
    plain: bool = True,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Learn every document by the papers' recipe in the plain loop, and by every variant.

    What was measured is kept in the home, so that the same command goes on after an interruption.

    Args:
        settings: name the model, the strength of the product's adapters (the plain loop's is on in
            full, as in the papers) and the tokens of head and tail.
        documents: with questions.
        variants: schedules; at least one.
        plain: whether the plain loop comes first; without it the first variant is the yardstick.
        progress: told what is being done.

    Returns:
        `seconds` (which they are), `before` (mean NLL with nothing learned), `rows` ({"variant",
        "curve" ([seconds, mean NLL] at each look, means over documents), "reached" (seconds until
        the best value of the first; None if never, or if that is no better than nothing learned),
        "sooner" (how many times), "against_first" (its best) and "against_none" (differences of the
        last look with 95 % intervals)}), `machine`.
    """
    host, machine = make_host(settings, None)
    base = host.base
    clock = time.process_time if base.device.type == "cpu" else time.perf_counter
    kept = Kept(settings.home / "schedules.jsonl")
    found: dict[str, list[list[Look]]] = {}
    before: list[Look] = []
    for document in documents:
        probe = Probing(base, document, settings)
        with host.disabled() as model:
            before.append(Look(0.0, probe.look(model)))
        for name, recipe in _lineup(variants, base.window, plain):
            of = digest(
                [
                    [name, recipe.to_json(), settings.strength, settings.context_tokens, machine],
                    [document.id, document.text, [q.question for q in document.questions]],
                ]
            )
            if (known := kept.get(of)) is None:
                tell = f"{document.title}: {name}"
                progress(tell)
                learn = _plain if name == PLAIN else _ours
                looks = learn(settings, host, document, recipe, probe, clock, progress)
                known = {"looks": [[look.seconds, look.nll] for look in looks]}
                kept.put(of, known)
            found.setdefault(name, []).append([Look(s, tuple(n)) for s, n in known["looks"]])
    clusters = [one.id for one in documents for _ in one.questions]
    return {
        "suite": "schedule",
        "documents": len(documents),
        "questions": len(clusters),
        "seconds": "CPU seconds" if base.device.type == "cpu" else "seconds",
        "before": round(_mean(before), 4),
        "rows": _rows(found, before, clusters),
        "machine": machine,
    }


class Probing:
    """The questions to a document, ready to be put to a model.

    Args:
        base: its tokenizer and chat template.
        document: with questions.
        settings: how much head and tail stand before them.
    """

    def __init__(self, base: BaseModel, document: BenchDocument, settings: Settings) -> None:
        from lift_app.answering.manner import manner_of
        from lift_app.lifting.packing import pack, spoken

        ids = base.text_tokens(document.text)
        half = min(settings.context_tokens, len(ids)) // 2
        head, tail = (base.tokenizer.decode(part) for part in (ids[:half], ids[len(ids) - half :]))
        rows = []
        for asked in document.questions:
            messages = build_messages(
                title=document.title,
                question=asked.question,
                head=head,
                tail=tail,
                examples=manner_of(base.identity).examples,
            )
            rows.append(spoken(base, messages, asked.told))
        self._packed: Packed = pack(rows, base.device)

    def look(self, model: Any) -> tuple[float, ...]:
        """NLL of each gold answer as an answer is told, with whatever is on."""
        import torch

        from lift_app.lifting.packing import row_means

        with torch.no_grad():
            return tuple(round(value, 5) for value in row_means(model, self._packed).tolist())


def _lineup(variants: Sequence[Variant], window: int, plain: bool) -> Iterator[tuple[str, Recipe]]:
    if plain:
        yield PLAIN, resolve_recipe(RECIPES["paper"][0].name, window=window)
    for variant in variants:
        yield variant.text, resolve_recipe(variant.recipe, window=window, values=variant.values)


def _due(steps: int) -> set[int]:
    """After which steps there is a look."""
    return {max(1, round(steps * look / LOOKS)) for look in range(1, LOOKS + 1)}


def _plain(
    settings: Settings,
    host: Any,
    document: BenchDocument,
    recipe: Recipe,
    probe: Probing,
    clock: Callable[[], float],
    progress: Callable[[str], None],
) -> list[Look]:
    """The papers' recipe in transformers' Trainer, on a model of its own."""
    import torch

    from lift_app.bench.plain_loop import PlainLoop
    from lift_app.lifting.segments import segment_bounds

    model = model_of(settings)
    ids = torch.tensor(host.base.text_tokens(document.text))
    bounds = segment_bounds(len(ids), recipe.segment_length, recipe.stride)
    loop = PlainLoop(
        model,
        torch.tensor([], dtype=torch.long),
        [ids[start:end] for start, end in bounds],
        recipe.rank,
        recipe.learning_rate,
    )
    due = _due(len(bounds) * recipe.epochs)
    looks: list[Look] = []

    def look(step: int, seconds: float, cpu_seconds: float) -> None:
        progress(f"{document.title}: {PLAIN}, step {step} of {max(due)}")
        if step in due:
            loop.model.eval()
            spent = cpu_seconds if clock is time.process_time else seconds
            looks.append(Look(round(spent, 3), probe.look(loop.model)))
            loop.model.train()

    loop.learn(recipe.batch_segments, recipe.epochs, look, recipe.seed)
    return looks


def _ours(
    settings: Settings,
    host: Any,
    document: BenchDocument,
    recipe: Recipe,
    probe: Probing,
    clock: Callable[[], float],
    progress: Callable[[str], None],
) -> list[Look]:
    """A schedule in the product's own trainer."""
    import torch

    from lift_app.lifting.auxiliary import general_beside
    from lift_app.lifting.framing import prefix_tokens
    from lift_app.lifting.segments import Segment, segment_bounds
    from lift_app.lifting.trainer import Trainer

    ids = host.base.text_tokens(document.text)
    page = Page(1, "1", document.text)
    book = Book(document.id, document.title, "", (page,), (), Report("text", 1, 0))
    bounds = segment_bounds(len(ids), recipe.segment_length, recipe.stride)
    segments = [Segment(k, start, end, 0, 0) for k, (start, end) in enumerate(bounds)]
    prefix = prefix_tokens(host.base, recipe, book)
    trainer = Trainer(host, SLOT, torch.tensor(ids), segments, recipe, prefix)
    due = _due(trainer.schedule.steps)
    looks: list[Look] = []
    spent = 0.0
    while not trainer.finished:
        began = clock()
        trainer.step(general_beside(host.base, recipe, trainer.step_done))
        spent += clock() - began
        if trainer.step_done in due:
            with host.active(SLOT, settings.strength) as model:
                looks.append(Look(round(spent, 3), probe.look(model)))
    host.drop(SLOT)
    return looks


def _mean(looks: Sequence[Look]) -> float:
    """Mean over questions of one look at each document."""
    return fmean(value for look in looks for value in look.nll)


def _rows(
    found: Mapping[str, Sequence[Sequence[Look]]], before: Sequence[Look], clusters: Sequence[str]
) -> list[dict[str, Any]]:
    curves = {
        name: [
            (fmean(look.seconds for look in looks), _mean(looks))
            for looks in _together(of_documents)
        ]
        for name, of_documents in found.items()
    }
    first = next(iter(found))
    wanted, at = min((nll, seconds) for seconds, nll in curves[first])
    learned = wanted < _mean(before)  # otherwise there is nothing to reach
    best = next(looks for looks in _together(found[first]) if _mean(looks) == wanted)
    rows = []
    for name, of_documents in found.items():
        below = (seconds for seconds, nll in curves[name] if learned and nll <= wanted)
        reached = next(below, None)
        last = [looks[-1] for looks in of_documents]
        rows.append(
            {
                "variant": name,
                "curve": [[round(seconds, 2), round(nll, 4)] for seconds, nll in curves[name]],
                "reached": None if reached is None else round(reached, 2),
                "sooner": None if reached is None else round(at / reached, 2),
                "against_first": _difference(name, last, first, best, clusters),
                "against_none": _difference(name, last, "none", before, clusters),
            }
        )
    return rows


def _together(of_documents: Sequence[Sequence[Look]]) -> list[tuple[Look, ...]]:
    """The looks of all documents that were taken at the same share of their lifts.

    A short document has fewer steps than looks: its last one then stands for those it lacks.
    """
    most = max(map(len, of_documents))
    return [
        tuple(looks[-(-len(looks) * (place + 1) // most) - 1] for looks in of_documents)
        for place in range(most)
    ]


def _difference(
    a: str, left: Sequence[Look], b: str, right: Sequence[Look], clusters: Sequence[str]
) -> dict[str, Any]:
    values = [[value for look in looks for value in look.nll] for looks in (left, right)]
    return paired(a, values[0], b, values[1], metric="nll", clusters=clusters).to_json()


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    first = result["rows"][0]["variant"]
    lines = [
        f"| schedule | {result['seconds']} in all | NLL at the end | best of `{first}` after | "
        "times sooner | at the end − that best | − nothing learned |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        seconds, nll = row["curve"][-1]
        reached = "never" if row["reached"] is None else f"{row['reached']:.1f}"
        sooner = "–" if row["sooner"] is None else f"{row['sooner']:.1f}"
        pairs = [
            f"{pair['difference']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]"
            for pair in (row["against_first"], row["against_none"])
        ]
        lines.append(
            f"| {row['variant']} | {seconds:.1f} | {nll:.3f} | {reached} | {sooner} | "
            + " | ".join(pairs)
            + " |"
        )
    if all(row["reached"] is None for row in result["rows"]):
        lines += ["", f"`{first}` never got below nothing learned: there is nothing to reach."]
    lines += [
        "",
        f"{result['questions']} questions to {result['documents']} documents; with nothing learned "
        f"the NLL is {result['before']:.3f}. {result['machine']['sentence']}",
    ]
    return "\n".join(lines)
