"""Recipes side by side: what each is worth on the same documents, and what harm it does.

Each variant is a recipe with some of its numbers changed. It lifts every document, is scored in the
arms that tell most, and its adapters are put to prompts that have nothing to do with their books.
So a default is chosen, and each switch of a recipe is shown on and off (an ablation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from lift_app.bench import arms
from lift_app.bench.documents import BenchDocument
from lift_app.bench.harm import (
    Prompt,
    general_prompts,
    harms,
    reading_prompts,
    surprises,
    with_evidence,
)
from lift_app.bench.machine import describe_machine
from lift_app.errors import CallerError
from lift_app.models.catalogue import split_start
from lift_app.reader import Reader

ARMS = (
    "ICL",
    "LIFT_only",
    "LIFT+ICL",
    "LIFT+ICL (wrong book)",
    "ICL+evidence",
    "LIFT+ICL+evidence",
)
AGAINST_FIRST = ("LIFT+ICL", "LIFT+ICL+evidence")
"""Arms in which each variant is compared with the first."""
READING = 40
"""Passages that harm to reading is measured on, at most."""


@dataclass(frozen=True)
class Variant:
    """A recipe with some numbers changed."""

    text: str
    """As it was written: `standard:epochs=2,rank=32`."""
    recipe: str
    values: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> Variant:
        """Read `RECIPE` or `RECIPE:FIELD=VALUE,FIELD=VALUE`.

        Raises:
            CallerError: a change is not written FIELD=VALUE.
        """
        recipe, _, changes = text.partition(":")
        values = {}
        for change in filter(None, changes.split(",")):
            name, sign, value = change.partition("=")
            if not sign:
                raise CallerError(f"--variant {text}: {change!r} is not written FIELD=VALUE.")
            values[name.strip()] = value.strip()
        return cls(text, recipe.strip(), values)


def run(
    reader: Reader,
    documents: Sequence[BenchDocument],
    others: Mapping[str, Sequence[BenchDocument]],
    variants: Sequence[Variant],
    *,
    suite: str,
    strength: float | None = None,
    passages: int = READING,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Lift the documents by every variant and measure.

    Args:
        reader: with a home of the bench's own.
        documents: what is lifted and asked; at least two.
        others: documents that no variant lifts, for context-reading prompts, by their file's name.
        variants: at least one.
        suite: name of the questions.
        strength: of the adapters; by default what the product would use.
        passages: that harm to reading is measured on, at most, of each file.
        progress: told what is being done.

    Raises:
        CallerError: fewer than two documents, or a recipe that does not exist.

    Returns:
        `suite`, `documents`, `variants` ({"variant", "steps", "seconds", "strength", "strengths",
        "tokens_trained", "arms", "pairs", "against_first", "harm"}), `run`. `against_first` has
        pairs whose `a` and `b` are variants, one for each arm of `AGAINST_FIRST`.
    """
    stands = split_start(reader.settings.model)[1] is not None
    chosen = tuple(arms.ARMS[(arms.SFT if stands else "") + name] for name in ARMS)
    prompts = general_prompts()
    for name, of_file in others.items():
        progress(f"looking for evidence in {name}")
        read = [with_evidence(reader, document) for document in of_file[:passages]]
        kind = "reading" if len(others) == 1 else f"reading {name}"
        prompts += reading_prompts(read, passages, kind)
    rows: list[dict[str, Any]] = []
    first: Mapping[str, Sequence[arms.Measured]] = {}
    for variant in variants:
        plan = arms.Plan(chosen, variant.recipe, variant.values, {}, strength, write=False)
        tell = partial(_tell, progress, variant)
        found = arms.measure(reader, documents, plan, progress=tell)
        first = first or found
        scored = arms.summary(reader, plan, found, suite=suite)
        lifted = [arms.lift_document(reader, d, chosen[2], plan, tell)[0] for d in documents]
        tell(f"{len(prompts)} prompts that are not about the books")
        rows.append(
            {"variant": variant.text}
            | _lifts(reader, lifted)
            | {"arms": scored["arms"], "pairs": scored["pairs"]}
            | {"against_first": _against(variants[0], first, variant, found) if rows else []}
            | _harm(reader, lifted, strength, prompts)
        )
    return {
        "suite": suite,
        "documents": len(documents),
        "variants": rows,
        "run": describe_machine(reader),
    }


def _against(
    first: Variant,
    before: Mapping[str, Sequence[arms.Measured]],
    variant: Variant,
    found: Mapping[str, Sequence[arms.Measured]],
) -> list[dict[str, Any]]:
    """What a variant makes better or worse than the first one, question by question."""
    return [
        {"arm": name.removeprefix(arms.SFT)}
        | arms.difference(
            variant.text, found[name], first.text, before[name], metric="nll"
        ).to_json()
        for name in found
        if name.removeprefix(arms.SFT) in AGAINST_FIRST
    ]


def _tell(progress: Callable[[str], None], variant: Variant, text: str) -> None:
    progress(f"{variant.text}: {text}")


def _lifts(reader: Reader, keys: Sequence[str]) -> dict[str, Any]:
    """What the lifts cost, as means over the documents."""
    summaries = [row.summary for key in keys if (row := reader.library.adapters.find(key))]
    return {
        "steps": round(fmean(s["steps"] for s in summaries), 1),
        "seconds": round(fmean(s["seconds"] for s in summaries), 1),
        "tokens_trained": sum(s["tokens_trained"] for s in summaries),
    }


def _harm(
    reader: Reader, keys: Sequence[str], strength: float | None, prompts: Sequence[Prompt]
) -> dict[str, Any]:
    """Harm at the strength that the product would use, or at the one that is given."""
    base = _surprises(reader, None, 0.0, prompts)
    strengths = [arms.strength_of(reader, key, evidence=False, given=strength) for key in keys]
    adapted = [_surprises(reader, *pair, prompts) for pair in zip(keys, strengths, strict=True)]
    return {
        "strength": round(fmean(strengths), 3),
        "strengths": strengths,
        "harm": [harm.to_json() for harm in harms(prompts, base, adapted)],
    }


def _surprises(
    reader: Reader, key: str | None, strength: float, prompts: Sequence[Prompt]
) -> list[float]:
    engine = reader.engine()

    def turn(host: Any) -> list[float]:
        slot = engine.slot_for(host, key)
        with host.disabled() if slot is None else host.active(slot, strength):
            return surprises(host, prompts)

    return engine.submit(turn, model=reader.settings.model).result()


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    kinds = [harm["kind"] for harm in result["variants"][0]["harm"]]
    lines = [
        "| variant | steps | seconds | strength | LIFT+ICL − ICL | − wrong book | with evidence | "
        + " | ".join(f"harm: {kind}" for kind in kinds)
        + " |",
        "|---" * (7 + len(kinds)) + "|",
    ]
    for row in result["variants"]:
        pairs = {
            (pair["a"].removeprefix(arms.SFT), pair["b"].removeprefix(arms.SFT)): pair
            for pair in row["pairs"]
        }
        cells = [
            _interval(pairs[a, b])
            for a, b in (
                ("LIFT+ICL", "ICL"),
                ("LIFT+ICL", "LIFT+ICL (wrong book)"),
                ("LIFT+ICL+evidence", "ICL+evidence"),
            )
        ]
        cells += [
            f"{100 * harm['share']:+.2f} % [{100 * harm['low']:+.2f}, {100 * harm['high']:+.2f}]"
            for harm in row["harm"]
        ]
        lines.append(
            f"| {row['variant']} | {row['steps']:g} | {row['seconds']:.0f} | {row['strength']:g} | "
            + " | ".join(cells)
            + " |"
        )
    compared = [row for row in result["variants"] if row["against_first"]]
    if compared:
        lines += ["", "| variant − the first | LIFT+ICL | with evidence |", "|---|---|---|"]
    for row in compared:
        pairs_of = {pair["arm"]: _interval(pair) for pair in row["against_first"]}
        both = " | ".join(pairs_of[name] for name in AGAINST_FIRST)
        lines.append(f"| {row['variant']} | {both} |")
    return "\n".join([*lines, "", result["run"]["sentence"]])


def _interval(pair: Mapping[str, Any]) -> str:
    return f"{pair['difference']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]"
