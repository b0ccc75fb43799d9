"""Commands that measure: `lift bench sample`."""

from __future__ import annotations

import click

from lift_app.cli.lifts import changed_values, recipe_options
from lift_app.cli.output import StatusLine, json_option, print_json, reports_errors
from lift_app.reader import Reader


@click.group("bench")
def bench_command() -> None:
    """Measure answers and citations on this machine."""


@bench_command.command("sample")
@recipe_options
@click.option(
    "--part",
    type=click.Choice(["questions", "development"]),
    default="questions",
    show_default=True,
    help="Questions for reporting, or those for choosing a recipe or a prompt.",
)
@click.option("--strength", type=float, help="Of the adapter, in every arm.")
@click.option(
    "--citations/--no-citations", default=True, show_default=True, help="Also answer and cite."
)
@json_option
@reports_errors
def sample_command(
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    part: str,
    strength: float | None,
    citations: bool,
    as_json: bool,
) -> None:
    """The 30 questions of the sample book: every arm, the wrong-book control, the citations."""
    from dataclasses import replace

    from lift_app.bench import sample
    from lift_app.settings import Settings

    settings = Settings.from_environment()
    settings = replace(settings, model=model or settings.model)
    line = StatusLine()
    with Reader(settings) as reader:
        result = sample.run(
            reader,
            recipe=recipe or settings.recipe,
            values=changed_values(changes),
            progress=line.show,
            part=part,
            strength=strength,
            citations=citations,
        )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(sample.table(result))
