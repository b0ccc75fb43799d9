"""Commands that time the program: `lift bench answer` and `lift bench speed`."""

from __future__ import annotations

from dataclasses import replace

import click

from lift_app.cli.lifts import changed_values, recipe_options
from lift_app.cli.output import StatusLine, json_option, print_json, reports_errors
from lift_app.reader import Reader
from lift_app.settings import Settings


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

    settings = Settings.from_environment()
    settings = replace(settings, model=model or settings.model, start=start or settings.start)
    line = StatusLine()
    with Reader(settings) as reader:
        result = answer.run(
            reader,
            recipe=recipe or settings.recipe,
            values=changed_values(changes),
            questions=questions,
            progress=line.show,
        )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(answer.table(result))
