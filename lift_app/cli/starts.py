"""Commands about starts: sft."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from lift_app.cli.lifts import changed_values
from lift_app.cli.output import (
    StatusLine,
    close_on_sigterm,
    duration,
    json_option,
    note,
    print_json,
    reports_errors,
)
from lift_app.errors import LiftError
from lift_app.models.starts import NONE, folder_of, reference
from lift_app.reader import Reader
from lift_app.settings import Settings


@click.command("sft")
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--name", default="own", show_default=True, help="What the start is called.")
@click.option("--lessons", type=int, help="How many lessons, each of several answers.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a number of the training; may be repeated.",
)
@click.option("--model", help="Base model: a name of `lift models`, a folder, or a hub id.")
@json_option
@reports_errors
def sft_command(
    corpus: Path,
    name: str,
    lessons: int | None,
    changes: tuple[str, ...],
    model: str | None,
    as_json: bool,
) -> None:
    """Train a start on CORPUS, a folder of documents with questions (pre-LIFT SFT).

    The base model learns to read passages, to say when they hold no answer, and to ask. Later
    lifts stand on it with `--start NAME`. Interrupted, the same command goes on where it was.

    On several GPUs: accelerate launch --multi_gpu -m lift_app.cli sft CORPUS --set batch=N
    """
    close_on_sigterm()
    values: dict[str, Any] = changed_values(changes)
    if lessons is not None:
        values["lessons"] = lessons
    from lift_app.sft.team import find_team

    if not find_team().is_first:
        _train_beside(corpus, name, model, values)
        return
    line = StatusLine()
    last: dict[str, Any] = {}
    with Reader() as reader:
        for last in reader.train_start(corpus, name=name, model=model, values=values):
            if as_json:
                print_json(last)
            elif "loss" in last:
                line.show(
                    f"step {last['step']} of {last['steps']} · loss {last['loss']:.2f} · "
                    f"{last['tokens_per_second']:,.0f} tokens/s · "
                    f"{duration(last['eta_seconds'])} left",
                    last["step"] / last["steps"],
                )
            else:
                line.show(str(last.get("message", last["stage"])), None)
    line.end()
    if not as_json:
        click.echo(f"trained: start {last['start']} (use it with --start {last['start']})")
        for kind, before in last["card"]["nll"]["before"].items():
            after = last["card"]["nll"]["after"][kind]
            click.echo(f"  {kind}: held-out NLL {before:.2f} → {after:.2f}")


def _train_beside(corpus: Path, name: str, model: str | None, values: dict[str, Any]) -> None:
    """What a launched process does that is not the first: that one alone prints."""
    from lift_app.sft.run import train_beside

    settings = Settings.from_environment()
    base = reference(model or settings.model, NONE)
    try:
        train_beside(settings, base, corpus, folder_of(name, settings), values)
    except LiftError as error:
        note(f"lift, in another process: {error}")
        sys.exit(error.exit_status)
