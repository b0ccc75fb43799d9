"""Commands that time the program: `lift bench answer`, `speed`, `length` and `load`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from lift_app.cli.bench_settings import bench_settings
from lift_app.cli.lifts import changed_values, recipe_options
from lift_app.cli.output import StatusLine, json_option, print_json, reports_errors
from lift_app.cli.questions import server_option
from lift_app.lifting.recipe import resolve_recipe
from lift_app.reader import Reader

LARGEST_WINDOW = 8192
"""Window that a timed recipe is fitted to."""


@click.command("answer")
@recipe_options
@click.option(
    "--questions",
    type=click.IntRange(2),
    default=10,
    show_default=True,
    help="How many questions of the sample book are asked.",
)
@json_option
@reports_errors
def answer_command(
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    questions: int,
    as_json: bool,
) -> None:
    """Seconds to a first word, with and without the kept prefix, idle and beside a lift."""
    from lift_app.bench import answer

    line = StatusLine()
    with Reader(bench_settings(model, start)) as reader:
        result = answer.run(
            reader,
            recipe=recipe or reader.settings.recipe,
            values=changed_values(changes),
            questions=questions,
            progress=line.show,
        )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(answer.table(result))


@click.command("speed")
@recipe_options
@click.option("--shape", help="Random weights of this shape: llama-3-8b or tiny.")
@click.option("--against", type=click.Choice(["plain"]), help="Take turns with the plain loop.")
@click.option("--segments", type=click.IntRange(1), default=8, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@json_option
@reports_errors
def speed_command(
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    shape: str | None,
    against: str | None,
    segments: int,
    rounds: int,
    as_json: bool,
) -> None:
    """Tokens a second of a training step, on random tokens; --against plain compares.

    The plain loop is transformers' Trainer with PEFT at its own fastest batch.
    """
    from lift_app.bench import speed

    settings = bench_settings(model, start)
    name = recipe or settings.recipe
    chosen = resolve_recipe(name, window=LARGEST_WINDOW, values=changed_values(changes))
    plan = speed.Plan(chosen, segments, rounds, against == "plain", shape)
    line = StatusLine()
    result = speed.run(settings, plan, line.show)
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(speed.table(result))


@click.command("length")
@recipe_options
@click.option("--shape", help="Random weights of this shape: llama-3-8b or tiny.")
@click.option("--longest", type=click.IntRange(30_000), default=1_000_000, show_default=True)
@click.option("--steps", type=click.IntRange(1), help="So many steps; whole lifts by default.")
@click.option("--figure", type=click.Path(path_type=Path), help="Draw it: an SVG or PNG.")
@json_option
@reports_errors
def length_command(
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    shape: str | None,
    longest: int,
    steps: int | None,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Time and peak memory of lifts of 10,000 to a million tokens."""
    from lift_app.bench import length

    settings = bench_settings(model, start)
    name = recipe or settings.recipe
    line = StatusLine()
    result = length.run(
        settings,
        recipe=resolve_recipe(name, window=LARGEST_WINDOW, values=changed_values(changes)),
        lengths=[tokens for tokens in length.LENGTHS if tokens <= longest],
        shape=shape,
        steps=steps,
        progress=line.show,
    )
    line.end()
    if figure is not None:
        length.draw(result, figure)
    if as_json:
        print_json(result)
    else:
        click.echo(length.table(result))


@click.command("load")
@recipe_options
@server_option
@click.option("--books", default=10, show_default=True, help="How many small books are lifted.")
@click.option("--questions", default=50, show_default=True, help="Asked at once, over all books.")
@click.option("--arm", help="LIFT+ICL by default.")
@json_option
@reports_errors
def load_command(
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    server: str | None,
    books: int,
    questions: int,
    arm: str | None,
    as_json: bool,
) -> None:
    """Many readers at once: questions a second by a server and by this process."""
    from lift_app.bench import load

    settings = bench_settings(model, start)
    line = StatusLine()
    result = load.run(
        settings if server is None else replace(settings, server=server),
        books=books,
        questions=questions,
        recipe=recipe or "quick",
        values=changed_values(changes),
        arm=arm,
        progress=line.show,
    )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(load.table(result))
