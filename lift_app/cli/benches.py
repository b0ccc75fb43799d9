"""Commands that measure: `sample`, `arms`, `recipe`, `guard`, `citations`; the papers' are in
`suites`."""

from __future__ import annotations

from pathlib import Path

import click

from lift_app.cli import suites
from lift_app.cli.bench_settings import bench_settings
from lift_app.cli.lifts import changed_values, recipe_options
from lift_app.cli.options import model_options, variant_option
from lift_app.cli.output import StatusLine, json_option, print_json, reports_errors
from lift_app.cli.timings import (
    answer_command,
    estimate_command,
    length_command,
    load_command,
    scale_command,
    schedule_command,
    speed_command,
    waits_command,
)
from lift_app.lifting.recipe import WITH_TASKS
from lift_app.reader import Reader


@click.group("bench")
def bench_command() -> None:
    """Measure answers, citations and speed on this machine."""


for command in (
    answer_command,
    speed_command,
    schedule_command,
    estimate_command,
    waits_command,
    length_command,
    scale_command,
    load_command,
    suites.run_command,
    suites.table_command,
    suites.figure_command,
    suites.check_command,
):
    bench_command.add_command(command)


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
    start: str | None,
    part: str,
    strength: float | None,
    citations: bool,
    as_json: bool,
) -> None:
    """The 30 questions of the sample book: every arm, the wrong-book control, the citations."""
    from lift_app.bench import sample

    line = StatusLine()
    with Reader(bench_settings(model, start)) as reader:
        result = sample.run(
            reader,
            recipe=recipe or reader.settings.recipe,
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


@bench_command.command("arms")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@recipe_options
@click.option(
    "--tasks",
    "task_changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A number of the recipe in the arms with auxiliary tasks (AT); may be repeated.",
)
@click.option(
    "--documents", default=10, show_default=True, help="Most documents of FILE, the shortest."
)
@click.option("--questions", default=20, show_default=True, help="Most questions a document.")
@click.option("--least-words", default=1900, show_default=True, help="Shorter ones are left out.")
@click.option("--context", default=512, show_default=True, help="Tokens of head and tail.")
@click.option("--arms", "names", help="Names with commas between; every arm by default.")
@click.option("--strength", type=float, help="Of the adapter, in every arm.")
@click.option("--write/--no-write", default=True, show_default=True, help="Also answer, for F1.")
@json_option
@reports_errors
def arms_command(
    file: Path | None,
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    task_changes: tuple[str, ...],
    documents: int,
    questions: int,
    least_words: int,
    context: int,
    names: str | None,
    strength: float | None,
    write: bool,
    as_json: bool,
) -> None:
    """Every arm of the papers on the questions of FILE (JSON lines), or on the sample book.

    Differences are paired by question and clustered by document. What was scored is kept in the
    home, so that the same command goes on after an interruption.
    """
    from lift_app.bench import arms
    from lift_app.bench.documents import read_documents, sample_documents, some_questions

    chosen = arms.find_arms(names)
    line = StatusLine()
    with Reader(bench_settings(model, start, context)) as reader:
        if file is None:
            found = sample_documents(reader.sample_book().parent)
        else:
            found = read_documents(file, least_words=least_words)
            found = sorted(found, key=lambda d: len(d.text.split()))[:documents]
        result = arms.run(
            reader,
            [some_questions(document, questions, seed=0) for document in found],
            arms.Plan(
                chosen,
                recipe or reader.settings.recipe,
                changed_values(changes),
                {**WITH_TASKS, **changed_values(changes), **changed_values(task_changes)},
                strength,
                write,
            ),
            suite=_suite(file),
            progress=line.show,
        )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(arms.table(result))


@bench_command.command("recipe")
@click.argument("file", type=click.Path(path_type=Path))
@variant_option("quick", "standard", "deep")
@click.option(
    "--documents", default=4, show_default=True, help="So many, the shortest, are lifted."
)
@click.option("--skip", default=0, show_default=True, help="Shorter ones to leave out before them.")
@click.option("--without", multiple=True, help="A document to leave out; may be repeated.")
@click.option("--questions", default=20, show_default=True, help="Most questions a document.")
@click.option("--least-words", default=1900, show_default=True, help="Shorter ones are not lifted.")
@click.option("--context", default=512, show_default=True, help="Tokens of head and tail.")
@click.option("--strength", type=float, help="Of the adapter, in every arm.")
@click.option(
    "--others",
    "others_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Documents (JSON lines) for harm to reading, instead of the rest of FILE. Repeatable.",
)
@click.option(
    "--passages", default=40, show_default=True, help="Most passages, for harm to reading."
)
@model_options
@json_option
@reports_errors
def recipe_command(
    file: Path,
    variants: tuple[str, ...],
    documents: int,
    skip: int,
    without: tuple[str, ...],
    questions: int,
    least_words: int,
    context: int,
    strength: float | None,
    others_files: tuple[Path, ...],
    passages: int,
    model: str | None,
    start: str | None,
    as_json: bool,
) -> None:
    """Recipes side by side on the documents of FILE (JSON lines): memory, evidence, harm.

    Harm is measured on general prompts, and on questions to documents that are not lifted, with
    their gold evidence, or what a search finds where that is not known.
    """
    from lift_app.bench import recipe
    from lift_app.bench.documents import read_documents, some_questions

    parsed = [recipe.Variant.parse(text) for text in variants]
    line = StatusLine()
    found = [d for d in read_documents(file) if d.id not in without]
    found.sort(key=lambda document: len(document.text.split()))
    long = [d for d in found if len(d.text.split()) >= least_words]
    lifted = long[skip : skip + documents]
    asked = {document.id for document in lifted}
    # Short ones are never lifted, so no recipe was chosen by what is asked about them.
    rest = found[: len(found) - len(long)] or [d for d in long if d not in lifted]
    others = {
        _suite(other): [d for d in read_documents(other) if d.id not in asked]
        for other in others_files
    } or {_suite(file): rest}
    with Reader(bench_settings(model, start, context)) as reader:
        result = recipe.run(
            reader,
            [some_questions(document, questions, seed=0) for document in lifted],
            others,
            parsed,
            suite=_suite(file),
            strength=strength,
            passages=passages,
            progress=line.show,
        )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(recipe.table(result))


@bench_command.command("guard")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--others",
    required=True,
    type=click.Path(path_type=Path),
    help="Documents (JSON lines) with questions, for harm to reading.",
)
@click.option("--documents", default=4, show_default=True, help="So many of FILE are lifted.")
@click.option("--skip", default=0, show_default=True, help="Shorter ones to leave out before them.")
@click.option("--questions", default=20, show_default=True, help="Most questions a document.")
@click.option("--least-words", default=1900, show_default=True, help="Shorter ones are not lifted.")
@click.option("--context", default=512, show_default=True, help="Tokens of head and tail.")
@recipe_options
@json_option
@reports_errors
def guard_command(
    file: Path,
    others: Path,
    documents: int,
    skip: int,
    questions: int,
    least_words: int,
    context: int,
    recipe: str | None,
    changes: tuple[str, ...],
    model: str | None,
    start: str | None,
    as_json: bool,
) -> None:
    """How much harm the guard's probe may show, by what is really gained and lost.

    The documents of FILE are lifted without a guard and looked at with the adapter at every
    strength.
    """
    from lift_app.bench import guard
    from lift_app.bench.documents import read_documents, some_questions

    line = StatusLine()
    long = read_documents(file, least_words=least_words)
    long.sort(key=lambda document: len(document.text.split()))
    with Reader(bench_settings(model, start, context)) as reader:
        result = guard.run(
            reader,
            [some_questions(d, questions, seed=0) for d in long[skip : skip + documents]],
            read_documents(others),
            recipe=recipe or reader.settings.recipe,
            values=changed_values(changes),
            suite=_suite(file),
            progress=line.show,
        )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(guard.table(result))


@bench_command.command("citations")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--documents", default=10, show_default=True, help="Most documents of FILE.")
@click.option("--questions", default=20, show_default=True, help="Most questions a document.")
@click.option("--context", default=1024, show_default=True, help="Tokens of head and tail.")
@click.option("--arm", default="ICL", show_default=True, help="ICL or RAG.")
@model_options
@json_option
@reports_errors
def citations_command(
    file: Path,
    documents: int,
    questions: int,
    context: int,
    arm: str,
    model: str | None,
    start: str | None,
    as_json: bool,
) -> None:
    """Citations and refusals on the documents of FILE (JSON lines with gold sections).

    Every question is asked of its own document, and of another one, which should decline it.
    """
    from lift_app.bench import citations
    from lift_app.bench.documents import read_documents, some_questions

    line = StatusLine()
    with Reader(bench_settings(model, start, context)) as reader:
        found = read_documents(file)[:documents]
        result = citations.run(
            reader,
            [some_questions(document, questions, seed=0) for document in found],
            suite=_suite(file),
            arm=arm,
            progress=line.show,
        )
    line.end()
    if as_json:
        print_json(result)
    else:
        click.echo(f"{citations.line(result['totals'])}\n\n{result['run']['sentence']}")


def _suite(file: Path | None) -> str:
    return file.name.partition(".")[0] if file else "sample"
