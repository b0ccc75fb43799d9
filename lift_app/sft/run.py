"""One pre-LIFT SFT from a corpus to a start, with checkpoints; call it again to go on."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lift_app.library import effects, folders
from lift_app.lifting.checkpoint import drop_checkpoint, load_checkpoint, save_checkpoint
from lift_app.lifting.values import with_values
from lift_app.models.lora import AdapterHost
from lift_app.models.starts import CARD, WEIGHTS
from lift_app.settings import Settings
from lift_app.sft.corpus import Document, read_corpus
from lift_app.sft.lessons import Lesson, LessonWriter
from lift_app.sft.team import Team, find_team
from lift_app.sft.trainer import SLOT, SftRecipe, SftTrainer, measure

Event = dict[str, Any]

MEASURED_LESSONS = 40
"""Lessons from the documents that are held out."""


def hold_out(
    documents: Sequence[Document], recipe: SftRecipe
) -> tuple[list[Document], list[Document]]:
    """Documents to train on, and those to measure on: at most a fifth."""
    count = min(recipe.held_out, len(documents) // 5)
    kept = set(random.Random(recipe.seed).sample(range(len(documents)), count))
    return (
        [d for i, d in enumerate(documents) if i not in kept],
        [d for i, d in enumerate(documents) if i in kept],
    )


def train_start(
    host: AdapterHost,
    documents: Sequence[Document],
    recipe: SftRecipe,
    target: Path,
    *,
    checkpoint_seconds: float = 60,
    team: Team | None = None,
) -> Iterator[Event]:
    """Train a start and write it to `target`.

    Args:
        host: the base model, without a start.
        documents: the corpus.
        recipe: every number.
        target: folder of the start; replaced when the new one is whole. The checkpoint lies
            beside it until then, and a call with the same recipe and documents goes on from it.
        checkpoint_seconds: between two checkpoints.
        team: who trains; this process alone by default. All of a team call this; the first one
            measures and writes, and what it finds is where all go on.

    Yields:
        Events as of a lift: `stage` (`measuring`, `training`, `done`), `step`, `steps`, `loss`,
        `tokens_per_second`, `eta_seconds`; the last one has `start` and `card`.

    Raises:
        LiftError: the training went astray, or the disk is full.
    """
    team = team or Team()
    trained_on, held_out = hold_out(documents, recipe)
    writer = LessonWriter(host.base, trained_on, recipe.seed)
    probe: list[Lesson] = []
    if held_out and team.is_first:
        other = LessonWriter(host.base, held_out, recipe.seed)
        probe = [other.write(number) for number in range(MEASURED_LESSONS)]
    trainer = SftTrainer(host, writer, recipe, team)
    steps = recipe.steps
    work = target.parent / f".{target.name}"
    identity = _identity(host, documents, recipe)
    saved = team.first_says(load_checkpoint(work) if team.is_first else None)
    if saved and saved["identity"] == identity:
        trainer.load_state(saved["trainer"])
        before, seconds = saved["before"], saved["seconds"]
    else:
        yield {"stage": "measuring", "step": 0, "steps": steps}
        before, seconds = measure(host, probe, trained=False), 0.0

    def keep() -> None:
        state = {"identity": identity, "before": before, "seconds": seconds}
        save_checkpoint(work, {**state, "trainer": trainer.state()})

    kept_at = time.monotonic()
    while not trainer.finished:
        result = trainer.step()
        seconds += result.seconds
        yield {
            "stage": "training",
            "step": result.step,
            "steps": steps,
            "loss": round(result.loss, 4),
            "tokens_per_second": round(trainer.pace.tokens_per_second or 0, 1),
            "eta_seconds": round(seconds / result.step * (steps - result.step)),
        }
        due = time.monotonic() - kept_at >= checkpoint_seconds or trainer.finished
        if due and team.is_first:
            keep()
            kept_at = time.monotonic()
    if not team.is_first:
        return
    yield {"stage": "measuring", "step": steps, "steps": steps}
    card = {
        "base": host.base.identity.name,
        "base_sha256": host.base.identity.weights_sha256,
        "recipe": recipe.to_json(),
        "documents": len(trained_on),
        "held_out": [document.id for document in held_out],
        "seconds": round(seconds),
        "processes": team.size,
        "precision": host.base.choice.label,
        "device": host.base.choice.device,
        "nll": {"before": before, "after": measure(host, probe, trained=True)},
    }
    _write(host, target, card)
    drop_checkpoint(work)
    yield {"stage": "done", "step": steps, "steps": steps, "start": target.name, "card": card}


def train_in_turns(
    submit: Callable[[Callable[[AdapterHost], Event | None]], Future[Event | None]],
    corpus: Path,
    target: Path,
    values: Mapping[str, Any],
) -> Iterator[Event]:
    """`train_start` on the thread that owns the model, a turn an event: questions go in between.

    Where a launcher started several processes, this is for the first of them.

    Args:
        submit: queues work for the model without a start.
        corpus: folder of documents.
        target: folder of the start.
        values: fields of `SftRecipe` to change.

    Raises:
        CallerError: no documents, or a number that cannot be.
    """
    recipe, documents = with_values(SftRecipe(), values, "start"), read_corpus(corpus)
    team = find_team()
    events: Iterator[Event] | None = None

    def turn(host: AdapterHost) -> Event | None:
        nonlocal events
        events = events or train_start(host, documents, recipe, target, team=team)
        return next(events, None)

    while (event := submit(turn).result()) is not None:
        yield event


def train_beside(
    settings: Settings, model: str, corpus: Path, target: Path, values: Mapping[str, Any]
) -> None:
    """Train as one of several launched processes, but not the first: writes and says nothing.

    Args:
        settings: name device and models; the library is not needed.
        model: base model without a start; fetched if it is not here.
        corpus: folder of documents, the same for all.
        target: folder of the start.
        values: fields of `SftRecipe` to change.

    Raises:
        LiftError: as `train_start`.
    """
    from lift_app.models.base_model import BaseModel
    from lift_app.models.device import choose_device
    from lift_app.models.provision import ensure_model

    recipe, documents = with_values(SftRecipe(), values, "start"), read_corpus(corpus)
    folder = ensure_model(model, settings)
    base = BaseModel.load(folder, choose_device(settings, folder.parameters), settings)
    for _ in train_start(AdapterHost(base), documents, recipe, target, team=find_team()):
        pass


def _identity(host: AdapterHost, documents: Sequence[Document], recipe: SftRecipe) -> str:
    """Two runs with the same identity are the same run."""
    parts = [host.base.identity.weights_sha256, recipe.to_json(), [asdict(d) for d in documents]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _write(host: AdapterHost, target: Path, card: dict[str, Any]) -> None:
    """Put the start where it is found, completely or not at all."""
    fresh = target.parent / f".{target.name}.new"
    with folders.explained("The start could not be written"):
        effects.remove(fresh)
        host.save(SLOT, fresh, half=True)
        card["weights_sha256"] = hashlib.sha256((fresh / WEIGHTS).read_bytes()).hexdigest()
        texts = {CARD: json.dumps(card, indent=2), "README.md": model_card(target.name, card)}
        for name, text in texts.items():
            effects.write_file(fresh / name, [f"{text}\n".encode()])
        effects.remove(target)
        effects.rename(fresh, target)


def model_card(name: str, card: dict[str, Any]) -> str:
    """The card of a start in Markdown: what it is for, how it was made, what was measured."""
    recipe = card["recipe"]
    rows = [
        f"| {kind} | {before:.2f} | {card['nll']['after'][kind]:.2f} |"
        for kind, before in card["nll"]["before"].items()
    ]
    lines = [
        f"# Start: {name}",
        "",
        f"A LoRA (rank {recipe['rank']}, all linear layers) for {card['base']}, trained by "
        "`lift sft` (pre-LIFT SFT). It teaches the base to answer briefly from passages, to say "
        "when they hold no answer, and to ask about them. LIFT Reader lays it into the weights "
        "when the model is loaded. It knows nothing of any reader's book.",
        "",
        f"{recipe['lessons']} lessons from {card['documents']} documents, learning rate "
        f"{recipe['learning_rate']:g}, seed {recipe['seed']}, {card['precision']} on "
        f"{card['device']}, {card['seconds'] / 60:.0f} minutes.",
        "",
        f"Mean negative log-likelihood of what is to be said, on lessons from "
        f"{len(card['held_out'])} documents that were held out:",
        "",
        "| kind of lesson | base | with the start |",
        "|---|---|---|",
        *rows,
    ]
    return "\n".join(lines)
