"""Commands of the papers' benchmarks: `lift bench run`, `table`, `figure` and `check`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lift_app.cli.lifts import changed_values, recipe_options
from lift_app.cli.output import (
    StatusLine,
    close_on_sigterm,
    json_option,
    note,
    print_json,
    reports_errors,
)
from lift_app.reader import Reader
from lift_app.settings import Settings


def size_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--data`, `--limit`, `--questions` and `--context`."""
    for option in (
        click.option(
            "--context", type=int, help="Tokens of head and tail; the setting by default."
        ),
        click.option(
            "--questions",
            default=20,
            show_default=True,
            help="Most questions a document, drawn by the seed; 0 for all.",
        ),
        click.option("--limit", type=int, help="Only the shortest documents, so many."),
        click.option(
            "--data",
            required=True,
            type=click.Path(path_type=Path),
            help="Folder or file of the benchmark; nothing is downloaded.",
        ),
    ):
        command = option(command)
    return command


@click.command("run")
@click.argument("suite")
@size_options
@click.option("--arms", default="ICL,LIFT+ICL", show_default=True, help="Names, commas between.")
@recipe_options
@click.option("--judge", help="MODEL@URL of an OpenAI-compatible endpoint, or a model's name.")
@json_option
@reports_errors
def run_command(
    suite: str,
    data: Path,
    limit: int | None,
    questions: int,
    context: int | None,
    arms: str,
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    judge: str | None,
    as_json: bool,
) -> None:
    """One of the papers' benchmarks in every arm: fairytaleqa, quality, loogle, longbench, bamboo,
    literaryqa, qmsum, squality or niah.

    A closed-book arm is always among them. Answers are kept as they come: the same command goes on
    after an interruption, and repeats nothing.
    """
    from lift_app.bench.arms import TASKS, Plan
    from lift_app.bench.judging.judge import Judge
    from lift_app.bench.judging.models import find_judge
    from lift_app.bench.runs import lineup, summary
    from lift_app.bench.runs.run import run
    from lift_app.bench.suites.suite import load, shortest

    close_on_sigterm()
    chosen = lineup.line_up(arms)
    line = StatusLine()
    with Reader(bench_settings(model, start, context)) as reader:
        found = load(suite, data, token_counter(reader, line.show))
        documents = shortest(found, limit=limit, questions=questions or None)
        values = changed_values(changes)
        plan = Plan(chosen, recipe or reader.settings.recipe, values, TASKS)
        judges = (
            Judge(find_judge(judge, reader), reader.settings.home / "verdicts.jsonl")
            if judge
            else None
        )
        result = run(reader, documents, plan, suite=suite, progress=line.show, judge=judges)
    line.end()
    show(result, summary.markdown(result), as_json)


def bench_settings(model: str | None, start: str | None, context: int | None) -> Settings:
    """The settings with a home of the bench's own: its documents stay off the reader's shelf."""
    settings = Settings.from_environment()
    return replace(
        settings,
        home=settings.home / "bench",
        model=model or settings.model,
        start=start or settings.start,
        context_tokens=settings.context_tokens if context is None else context,
    )


def token_counter(reader: Reader, progress: Callable[[str], None]) -> Callable[[str], int]:
    """Tokens of a text for the model that is asked; fetches the model if it is not here."""
    from lift_app.models.provision import find_local
    from lift_app.models.tokens import count_tokens

    def count(text: str) -> int:
        folder = find_local(reader.settings.model, reader.settings)
        if folder is None:
            for event in reader.fetch_model():
                progress(str(event.get("message", "")))
            return count(text)
        return count_tokens(folder.path, text)

    return count


def show(result: dict[str, Any], text: str, as_json: bool) -> None:
    """Print a result: JSON on stdout with its table on stderr, or the table on stdout."""
    if as_json:
        note(text)
        print_json(result)
    else:
        click.echo(text)
