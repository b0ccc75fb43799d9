"""Commands about time and size: `lift bench answer`, `speed`, `schedule`, `estimate` and others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from lift_app.cli.bench_settings import bench_settings, whole_numbers
from lift_app.cli.lifts import changed_values, recipe_options
from lift_app.cli.options import model_options, variant_option
from lift_app.cli.output import StatusLine, json_option, print_json, reports_errors
from lift_app.cli.questions import server_option
from lift_app.lifting.recipe import resolve_recipe
from lift_app.lifting.values import with_values
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
    settings = bench_settings(model, start)
    # In a home of its own: the sample book comes learned there, and in that of the other benches
    # it would be taken for a lift of theirs.
    with TemporaryDirectory() as home, Reader(replace(settings, home=Path(home))) as reader:
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


@click.command("schedule")
@click.argument("file", type=click.Path(path_type=Path))
@variant_option()
@click.option("--documents", default=2, show_default=True, help="Most documents of FILE.")
@click.option("--skip", default=0, show_default=True, help="Documents to leave out before them.")
@click.option("--questions", default=20, show_default=True, help="Most questions a document.")
@click.option("--least-words", default=1900, show_default=True, help="Shorter ones are left out.")
@click.option("--context", default=512, show_default=True, help="Tokens of head and tail.")
@click.option(
    "--plain/--no-plain",
    default=True,
    help="The plain loop first; without it all is compared with the first variant.",
)
@model_options
@json_option
@reports_errors
def schedule_command(
    file: Path,
    variants: tuple[str, ...],
    documents: int,
    skip: int,
    questions: int,
    least_words: int,
    context: int,
    plain: bool,
    model: str | None,
    start: str | None,
    as_json: bool,
) -> None:
    """How soon each schedule knows what the papers' recipe in a plain loop learns, on FILE."""
    from lift_app.bench import schedule
    from lift_app.bench.documents import read_documents, some_questions
    from lift_app.bench.recipe import Variant

    found = read_documents(file, least_words=least_words)[skip : skip + documents]
    line = StatusLine()
    result = schedule.run(
        bench_settings(model, start, context),
        [some_questions(document, questions, seed=0) for document in found],
        [Variant.parse(text) for text in variants or schedule.SCHEDULES],
        plain=plain,
        progress=line.show,
    )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(schedule.table(result))


@click.command("estimate")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=("quick", "standard"),
    show_default=True,
    help="May be repeated.",
)
@click.option("--tokens", default="2000,6000", show_default=True, help="Books, commas between.")
@model_options
@json_option
@reports_errors
def estimate_command(
    recipes: tuple[str, ...], tokens: str, model: str | None, start: str | None, as_json: bool
) -> None:
    """Minutes and memory as they are estimated before a lift, against what it takes."""
    from lift_app.bench import estimate

    line = StatusLine()
    result = estimate.run(
        bench_settings(model, start),
        recipes=recipes,
        lengths=whole_numbers(tokens),
        progress=line.show,
    )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(estimate.table(result))


@click.command("scale")
@click.option("--recipe", default="standard", show_default=True, help="Recipe of every lift.")
@click.option("--shape", default="llama-3-8b", show_default=True, help="Shape of the base model.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a number of the load, as readers=500; may be repeated.",
)
@click.option("--speed", type=float, help="Tokens a second of `lift bench speed` on one such GPU.")
@json_option
@reports_errors
def scale_command(
    recipe: str, shape: str, changes: tuple[str, ...], speed: float | None, as_json: bool
) -> None:
    """What 10,000 readers with 1,000,000 books need: a paper estimate, with its inputs."""
    from lift_app.bench import scale

    load = with_values(scale.Load(), changed_values(changes), "load")
    chosen = resolve_recipe(recipe, window=LARGEST_WINDOW)
    found = scale.estimate(load, shape=shape, recipe=chosen, tokens_per_second=speed)
    if as_json:
        print_json(found)
    else:
        click.echo(scale.table(found))


@click.command("waits")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--tokens", type=click.IntRange(1000), default=1_000_000, show_default=True)
@model_options
@json_option
@reports_errors
def waits_command(
    file: Path | None, tokens: int, model: str | None, start: str | None, as_json: bool
) -> None:
    """Everything else a reader waits for: commands, adding FILE, passages, another book."""
    from lift_app.bench import waits

    line = StatusLine()
    result = waits.run(bench_settings(model, start), tokens=tokens, file=file, progress=line.show)
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(waits.table(result))


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
