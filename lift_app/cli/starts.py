"""Commands about starts: sft."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lift_app.cli.lifts import changed_values
from lift_app.cli.output import (
    StatusLine,
    close_on_sigterm,
    duration,
    json_option,
    print_json,
    reports_errors,
)
from lift_app.reader import Reader


@click.command("sft")
@click.argument("corpus", type=click.Path(path_type=Path))
@click.option("--name", default="own", show_default=True, help="What the start is called.")
@click.option("--lessons", type=int, help="Optimizer steps; each is a lesson of several answers.")
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
    """
    close_on_sigterm()
    values: dict[str, Any] = changed_values(changes)
    if lessons is not None:
        values["lessons"] = lessons
    line = StatusLine()
    last: dict[str, Any] = {}
    with Reader() as reader:
        for last in reader.train_start(corpus, name=name, model=model, values=values):
            if as_json:
                print_json(last)
            elif "loss" in last:
                line.show(
                    f"lesson {last['step']} of {last['steps']} · loss {last['loss']:.2f} · "
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
