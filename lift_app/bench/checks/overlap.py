"""Overlap: how much neighbouring segments must share so that the order of events is kept.

A document is lifted with segments that share nothing, a quarter, three eighths, half and three
quarters. What it then knows of the order is measured without any question: of two neighbouring
sentences, is the pair likelier in the order of the book than reversed? The base without an adapter
answers the same, because grammar alone gives much of the order away. What it knows of the facts is
the NLL of gold answers without a context.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from lift_app.bench.arms import ARMS, Plan, add_document
from lift_app.bench.documents import BenchDocument
from lift_app.bench.intervals import bootstrap, paired
from lift_app.bench.runs.kept import Kept, digest
from lift_app.bench.runs.run import collect, describe
from lift_app.lifting.recipe import resolve_recipe
from lift_app.lifting.tasks import sentences_in
from lift_app.models.provision import find_local
from lift_app.reader import Reader
from lift_app.template import instruct

OVERLAPS = (0.0, 0.25, 0.375, 0.5, 0.75)
"""Shares of a segment that its neighbour has too."""
ARTICLES = ("multifieldqa_en",)
"""Task of LongBench whose documents are the expository ones, short enough for so many lifts."""
PAIRS = 60
"""Most pairs of sentences a document."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Known:
    """What is known of one document at one overlap."""

    document: str
    kind: str
    overlap: float | None
    """None for the base without an adapter."""
    order: tuple[float, ...]
    """1 for each pair that is likelier in the order of the book."""
    nll: tuple[float, ...]
    trained: int
    seconds: float


def run(
    reader: Reader,
    documents: Mapping[str, Sequence[BenchDocument]],
    *,
    recipe: str,
    values: Mapping[str, Any],
    progress: Progress,
    overlaps: Sequence[float] = OVERLAPS,
) -> dict[str, Any]:
    """Lift every document at every overlap and look what it knows.

    Args:
        reader: with a home of the bench's own.
        documents: by kind, such as narrative and expository.
        recipe: its segment length stays, its stride is what changes.
        values: fields of it to change.
        progress: told what is being done.
        overlaps: shares of a segment.

    Returns:
        `check`, `rows` ({"kind", "overlap", "order": {"mean", "low", "high"}, "nll", ...}),
        `least` ({kind: the least overlap whose order is not below the best's, or None}), `run`.
    """
    for _ in reader.fetch_model():
        pass
    window = _folder(reader).window
    whole = {**values, "stride": 1}  # whatever the stride was, it is what changes here
    length = resolve_recipe(recipe, window=window, values=whole).segment_length
    known: list[_Known] = []
    last = None
    for kind, some in documents.items():
        for document in some:
            add_document(reader, document)
            known.append(_measure(reader, document, kind, None, None, (), 0, 0.0))
            for overlap in overlaps:
                stride = max(1, round(length * (1 - overlap)))
                plan = Plan((ARMS["SFT+LIFT_only"],), recipe, {**values, "stride": stride}, {})
                if not _folder(reader).start:
                    plan = Plan((ARMS["LIFT_only"],), recipe, {**values, "stride": stride}, {})
                progress(f"{kind}, {overlap:.0%} shared: {document.title[:40]}")
                last = found = collect(reader, [document], plan, progress)
                (key, summary), *_ = found.lifts.items()
                nll = [one.said.nll for one in found.scored]
                trained, seconds = summary["tokens_trained"], summary["seconds"]
                one = _measure(reader, document, kind, overlap, key, nll, trained, seconds)
                known.append(one)
    assert last is not None
    rows = [_row(kind, overlap, known) for kind in documents for overlap in (None, *overlaps)]
    return {
        "check": "overlap",
        "segment_length": length,
        "rows": rows,
        "least": {kind: _least(kind, known, overlaps) for kind in documents},
        "run": describe(reader, plan, last),
    }


def _folder(reader: Reader) -> Any:
    return find_local(reader.settings.model, reader.settings)


def _measure(
    reader: Reader,
    document: BenchDocument,
    kind: str,
    overlap: float | None,
    key: str | None,
    nll: Sequence[float],
    trained: int,
    seconds: float,
) -> _Known:
    """What one adapter (or the base) knows of the order; from the disk if it was measured."""
    kept = Kept(reader.settings.home / "orders.jsonl")
    folder = _folder(reader)
    of = digest([document.text, key, folder.weights_sha256, folder.start_sha256, PAIRS])
    record = kept.get(of)
    if record is None:
        engine = reader.engine()
        pairs = sentence_pairs(document)
        turn = engine.submit(
            lambda host: _orders(host, document.title, pairs, engine.slot_for(host, key)),
            model=reader.settings.model,
        )
        record = {"order": turn.result()}
        kept.put(of, record)
    order = tuple(record["order"])
    return _Known(document.id, kind, overlap, order, tuple(nll), trained, seconds)


def sentence_pairs(document: BenchDocument) -> list[tuple[str, str]]:
    """Neighbouring sentences of a document, at most `PAIRS`, drawn by its id."""
    sentences = sentences_in(" ".join(document.text.split()))
    pairs = list(pairwise(sentences))
    draw = random.Random(f"0/{document.id}")
    return sorted(draw.sample(pairs, min(PAIRS, len(pairs))), key=pairs.index)


def _orders(
    host: Any, title: str, pairs: Sequence[tuple[str, str]], slot: str | None
) -> list[float]:
    """1 for each pair that is likelier as it stands than reversed."""
    import torch

    from lift_app.lifting.packing import Row, pack, packed_losses

    base = host.base
    before = tuple(base.chat_tokens([instruct(title), {"role": "user", "content": "Go on."}]))
    found = []
    with host.active(slot, 1.0) if slot else host.disabled() as model, torch.no_grad():
        for first, second in pairs:
            rows = [
                Row(before, tuple(base.text_tokens(" ".join(pair))))
                for pair in ((first, second), (second, first))
            ]
            layout = pack(rows, base.device)
            losses = packed_losses(model, layout)
            right, turned = (losses[layout.row == number].sum() for number in (0, 1))
            found.append(float(right < turned))
    return found


def _row(kind: str, overlap: float | None, known: Sequence[_Known]) -> dict[str, Any]:
    own = [one for one in known if (one.kind, one.overlap) == (kind, overlap)]
    order = [(one.document, 100 * value) for one in own for value in one.order]
    low, high = bootstrap([v for _, v in order], clusters=[d for d, _ in order])
    nll = [value for one in own for value in one.nll]
    return {
        "kind": kind,
        "overlap": overlap,
        "documents": len(own),
        "order": {
            "mean": round(fmean(v for _, v in order), 1),
            "low": round(low, 1),
            "high": round(high, 1),
        },
        "nll": round(fmean(nll), 3) if nll else None,
        "tokens_trained": sum(one.trained for one in own),
        "seconds": round(sum(one.seconds for one in own), 1),
    }


def _least(kind: str, known: Sequence[_Known], overlaps: Sequence[float]) -> float | None:
    """The least overlap that keeps the order as well as the best does, within the interval.

    None where even the best keeps it no better than the base does.
    """

    def orders(overlap: float | None) -> list[tuple[str, float]]:
        own = [one for one in known if (one.kind, one.overlap) == (kind, overlap)]
        return [(one.document, value) for one in own for value in one.order]

    def low_and_high(a: float | None, b: float | None) -> tuple[float, float]:
        left, right = orders(a), orders(b)
        pair = paired(
            "a",
            [v for _, v in left],
            "b",
            [v for _, v in right],
            metric="order",
            clusters=[d for d, _ in left],
        )
        return pair.low, pair.high

    best = max(overlaps, key=lambda overlap: fmean(v for _, v in orders(overlap)))
    if low_and_high(best, None)[0] <= 0:
        return None
    return min(overlap for overlap in overlaps if low_and_high(overlap, best)[1] >= 0)


def markdown(result: Mapping[str, Any]) -> str:
    """The check as Markdown."""
    lines = [
        "| kind | shared | order kept, % | NLL of gold answers, no context | tokens trained | s |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        shared = "base, not lifted" if row["overlap"] is None else f"{row['overlap']:.1%}"
        order = "{mean} [{low}, {high}]".format(**row["order"])
        nll = "–" if row["nll"] is None else f"{row['nll']:.2f}"
        lines.append(
            f"| {row['kind']} | {shared} | {order} | {nll} | {row['tokens_trained']:,} | "
            f"{row['seconds']:.0f} |"
        )
    lines.append("")
    for kind, least in result["least"].items():
        said = (
            "no lift keeps the order better than the base knows it"
            if least is None
            else f"the least overlap that keeps the order as well as the best is {least:.1%}"
        )
        lines.append(f"{kind}: {said}.")
    return "\n".join([*lines, "", result["run"]["sentence"]])
