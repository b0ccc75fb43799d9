"""Commands of the papers' benchmarks: `lift bench run`, `table`, `figure` and `check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lift_app.cli.bench_settings import bench_settings, shares, whole_numbers
from lift_app.cli.lifts import changed_values, recipe_options
from lift_app.cli.output import (
    StatusLine,
    close_on_sigterm,
    json_option,
    note,
    print_json,
    reports_errors,
)
from lift_app.errors import CallerError
from lift_app.lifting.recipe import WITH_TASKS, resolve_recipe
from lift_app.reader import Reader

if TYPE_CHECKING:
    from lift_app.bench.documents import BenchDocument
    from lift_app.bench.judging.judge import Judge


def size_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--data`, `--limit`, `--questions` and `--context`."""
    for option in (
        click.option(
            "--context", type=int, help="Tokens of head and tail; the setting by default."
        ),
        click.option(
            "--questions",
            type=click.IntRange(min=0),
            default=20,
            show_default=True,
            help="Most questions a document, drawn by the seed; 0 for all.",
        ),
        click.option(
            "--limit",
            type=click.IntRange(min=1),
            help="Only the shortest documents, so many.",
        ),
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
@click.option(
    "--tasks",
    help="Only these tasks of the suite, commas between; --limit then counts for each task.",
)
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
    tasks: str | None,
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
    from lift_app.bench.arms import Plan
    from lift_app.bench.runs import lineup, summary
    from lift_app.bench.runs.run import run
    from lift_app.bench.suites.suite import load, shortest

    close_on_sigterm()
    chosen = lineup.line_up(arms)
    line = StatusLine()
    with Reader(bench_settings(model, start, context)) as reader:
        found = load(suite, data, token_counter(reader, line.show))
        some = tuple(name.strip() for name in (tasks or "").split(",") if name.strip())
        documents = shortest(found, limit=limit, questions=questions or None, tasks=some)
        values = changed_values(changes)
        plan = Plan(chosen, recipe or reader.settings.recipe, values, {**WITH_TASKS, **values})
        result = run(
            reader, documents, plan, suite=suite, progress=line.show, judge=_judge(judge, reader)
        )
    line.end()
    show(result, summary.markdown(result), as_json)


@click.command("table")
@click.argument("number", type=int)
@json_option
@reports_errors
def table_command(number: int, as_json: bool) -> None:
    """Table 1 to 6 of the papers, with what was run here beside the published numbers."""
    from lift_app.bench.tables.table import fill, markdown

    filled = fill(number, bench_settings().home)
    show(filled, markdown(filled), as_json)


@click.command("figure")
@click.argument("number", type=click.IntRange(3, 4))
@click.option("--data", type=click.Path(path_type=Path), help="Essays and needles.json (figure 4).")
@click.option("--lengths", help="Tokens of the inputs, commas between.")
@click.option("--depths", help="Of the needles, in per cent, commas between (figure 4).")
@click.option("--context", type=int, help="Tokens of head and tail; the setting by default.")
@click.option(
    "--out",
    default="figures",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for the data and the pictures.",
)
@click.option("--schedules", is_flag=True, help="Crossing points of every schedule (figure 3).")
@click.option("--shape", help="Those of random weights of this shape: llama-3-8b or tiny.")
@click.option("--layers", type=click.IntRange(1), help="Time so many of its layers, and go on.")
@click.option("--count", is_flag=True, help="Count the shape's operations; time nothing.")
@recipe_options
@json_option
@reports_errors
def figure_command(
    number: int,
    data: Path | None,
    lengths: str | None,
    depths: str | None,
    context: int | None,
    out: Path,
    schedules: bool,
    shape: str | None,
    layers: int | None,
    count: bool,
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    as_json: bool,
) -> None:
    """Figure 3 (time and memory against length) or 4 (needles by length and true depth).

    With --schedules or --shape: from how many tokens on LIFT takes less time than ICL, for every
    stride and schedule.
    """
    from lift_app.bench.figures import cost, crossings, drawing, needles, report
    from lift_app.bench.suites import niah

    close_on_sigterm()
    line = StatusLine()
    places = shares(depths)
    if number == 3 and places:
        raise CallerError("--depths is of the needles of figure 4; figure 3 has none.")
    if number == 3 and (schedules or shape or count):
        settings = bench_settings(model, start, context)
        chosen = resolve_recipe(
            recipe or settings.recipe, window=10**6, values=changed_values(changes)
        )
        if count:
            found = crossings.counted(shape or "llama-3-8b", chosen, settings.context_tokens)
        else:
            found = crossings.measured(
                settings,
                chosen,
                lengths=whole_numbers(lengths) or cost.LENGTHS,
                shape=shape,
                layers=layers,
                progress=line.show,
            )
        line.end()
        show(found, crossings.table(found), as_json)
        return
    with Reader(bench_settings(model, start, context)) as reader:
        plan: dict[str, Any] = {
            "recipe": recipe or reader.settings.recipe,
            "values": changed_values(changes),
            "progress": line.show,
        }
        if number == 3:
            result = cost.measure(reader, lengths=whole_numbers(lengths) or cost.LENGTHS, **plan)
        else:
            result = needles.measure(
                reader,
                niah.folder_of(data),
                lengths=whole_numbers(lengths) or niah.LENGTHS,
                depths=places or niah.DEPTHS,
                count=token_counter(reader, line.show),
                **plan,
            )
    line.end()
    show(result, report.cost(result) if number == 3 else report.needles(result), as_json)
    draw = drawing.draw_cost if number == 3 else drawing.draw_needles
    for path in drawing.save(result, f"figure-{number}", out, draw):
        note(path)


@click.command("check")
@click.argument("name", type=click.Choice(["overlap", "questions", "domains"]))
@size_options
@recipe_options
@click.option("--judge", help="MODEL@URL of an OpenAI-compatible endpoint, or a model's name.")
@json_option
@reports_errors
def check_command(
    name: str,
    data: Path,
    limit: int | None,
    questions: int,
    context: int | None,
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    judge: str | None,
    as_json: bool,
) -> None:
    """How much segments must overlap, what synthetic questions bring, domains never seen.

    overlap: tales (fairytaleqa) and articles (longbench). questions: tales, without --recipe and
    --set. domains: every suite that is in the folder.
    """
    from lift_app.bench.checks import domains, overlap
    from lift_app.bench.checks import questions as written
    from lift_app.bench.suites.suite import load, shortest

    close_on_sigterm()
    line = StatusLine()
    settings = bench_settings(model, start, context)
    if name == "questions" and (recipe or changes):
        raise CallerError(
            "Each kind of question is learned in the same few steps: leave out --recipe and --set."
        )
    most = questions or None
    plan: dict[str, Any] = {
        "recipe": recipe or settings.recipe,
        "values": changed_values(changes),
        "progress": line.show,
    }
    with Reader(settings) as reader:
        count = token_counter(reader, line.show)
        settings = reader.settings

        def some(suite: str, *tasks: str) -> list[BenchDocument]:
            found = load(suite, data, count)
            return shortest(found, limit=limit or 2, questions=most, tasks=tasks)

        if name == "overlap":
            articles = some("longbench", *overlap.ARTICLES)
            both = {"narrative": some("fairytaleqa"), "expository": articles}
            result = overlap.run(reader, both, **plan)
        elif name == "questions":
            asked = _judge(judge, reader)
            result = written.run(reader, some("fairytaleqa"), judge=asked, progress=line.show)
    if name == "domains":
        sizes: dict[str, Any] = {"limit": limit or 2, "questions": most, "count": count}
        result = domains.run(settings, data, **sizes, **plan)
    line.end()
    told = {"overlap": overlap, "questions": written, "domains": domains}[name]
    show(result, told.markdown(result), as_json)


def _judge(spec: str | None, reader: Reader) -> Judge | None:
    from lift_app.bench.judging.judge import Judge
    from lift_app.bench.judging.models import find_judge

    if spec is None:
        return None
    return Judge(find_judge(spec, reader), reader.settings.home / "verdicts.jsonl")


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
