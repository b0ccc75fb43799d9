"""Commands about lifts: tune, read, jobs, pause, resume, cancel."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from lift_app.cli.options import model_options
from lift_app.cli.output import (
    StatusLine,
    close_on_sigterm,
    duration,
    json_option,
    note,
    print_json,
    reports_errors,
    table,
)
from lift_app.cli.questions import chat_loop
from lift_app.errors import CallerError
from lift_app.lifting.recipe import WITH_TASKS
from lift_app.reader import Reader


def recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--recipe`, `--set`, `--model` and `--start`."""
    for option in (
        model_options,
        click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="FIELD=VALUE",
            help="Change a number of the recipe; may be repeated.",
        ),
        click.option("--recipe", help="quick, standard, deep or paper."),
    ):
        command = option(command)
    return command


tasks_option = click.option(
    "--tasks", is_flag=True, help="Also practise on questions about the book (AT); takes longer."
)


@click.command("tune")
@click.argument("book", required=False)
@click.option("--all", "every", is_flag=True, help="Every book of the shelf instead of BOOK.")
@click.option(
    "--ray",
    "address",
    help="With --all: on this Ray cluster (`local` starts one here), all by one recipe.",
)
@tasks_option
@recipe_options
@json_option
@reports_errors
def tune_command(
    book: str | None,
    every: bool,
    address: str | None,
    tasks: bool,
    changes: tuple[str, ...],
    as_json: bool,
    **lift: Any,
) -> None:
    """Learn BOOK: lift it into an adapter. Interrupted, it goes on where it was.

    With --all every book of the shelf is learned; those that are already cost nothing.
    """
    if every == (book is not None) or (address is not None and not every):
        raise CallerError("Name one BOOK, or say --all; --ray ADDRESS goes with --all.")
    close_on_sigterm()
    values = lift_values(changes, tasks=tasks)
    with Reader() as reader:
        if book is not None:
            _tune(reader, book, values=values, as_json=as_json, **lift)
            return
        from lift_app.cli.many import tune_all

        tune_all(reader, address=address, as_json=as_json, values=values, **lift)


@click.command("read")
@click.argument("file", type=click.Path())
@tasks_option
@recipe_options
@json_option
@reports_errors
def read_command(
    file: str, tasks: bool, changes: tuple[str, ...], as_json: bool, **lift: Any
) -> None:
    """Add FILE, learn it, then chat about it (at a terminal)."""
    close_on_sigterm()
    values = lift_values(changes, tasks=tasks)
    with Reader() as reader:
        book = reader.add(file)
        if as_json:
            print_json({"stage": "reading", **book})
        else:
            note(f"{book['title']}: {book['pages']:,} pages, {book['words']:,} words.")
        _tune(reader, book["id"], values=values, as_json=as_json, **lift)
        if not as_json and sys.stdin.isatty():
            chat_loop(reader, book["id"])


@click.command("jobs")
@json_option
@reports_errors
def jobs_command(as_json: bool) -> None:
    """List lifts, newest first."""
    with Reader() as reader:
        jobs = reader.jobs()
        titles = {book["id"]: book["title"] for book in reader.books()}
    if as_json:
        print_json(jobs)
        return
    rows = [
        [
            job["job"],
            titles.get(job["book"], "?")[:40],
            job["recipe"],
            job["state"],
            f"{job['step']}/{job['steps']}",
            duration(job["eta_seconds"]) if job["eta_seconds"] else "",
        ]
        for job in jobs
    ]
    click.echo(table(rows, ["job", "book", "recipe", "state", "step", "left"]))


@click.command("pause")
@click.argument("job")
@json_option
@reports_errors
def pause_command(job: str, as_json: bool) -> None:
    """Pause a lift (JOB, or the book it lifts) after its present step."""
    with Reader() as reader:
        _print_status(reader.pause(job), as_json)


@click.command("resume")
@click.argument("job")
@json_option
@reports_errors
def resume_command(job: str, as_json: bool) -> None:
    """Go on with a paused lift; a running app takes it up, otherwise `lift tune` does."""
    with Reader() as reader:
        _print_status(reader.resume(job), as_json)


@click.command("cancel")
@click.argument("job")
@json_option
@reports_errors
def cancel_command(job: str, as_json: bool) -> None:
    """End a lift and drop what it has learned so far; the book stays."""
    with Reader() as reader:
        _print_status(reader.cancel(job), as_json)


def _tune(reader: Reader, book: str, *, as_json: bool, **lift: Any) -> None:
    if not as_json and not lift["recipe"]:
        _say_what_is_taken(reader, book, lift)
    events = reader.tune(book, **lift)
    last: dict[str, Any] = {}
    line = StatusLine()
    for last in events:
        if as_json:
            print_json(last)
        else:
            line.show(progress_line(last), last.get("fraction"))
    line.end()
    if not as_json and last.get("stage") == "done":
        on_shelf = " (it was on the shelf already)" if last.get("cached") else ""
        click.echo(f"learned: adapter {last['adapter']}{on_shelf}")


def _say_what_is_taken(reader: Reader, book: str, lift: dict[str, Any]) -> None:
    """A long book is learned by a quicker recipe than the settings name: nobody should wonder."""
    model, named = reader.reference(lift["model"], lift["start"]), reader.settings.recipe
    taken = reader.suggested_recipe(book, model=model, values=lift["values"])
    if taken != named:
        note(
            f"The recipe {named} would take longer than {reader.settings.recipe_minutes} minutes "
            f"for this book here, or {taken} was begun before, so {taken} is taken. "
            f"For the other: --recipe {named}."
        )


def lift_values(changes: tuple[str, ...], *, tasks: bool) -> dict[str, Any]:
    """The fields of a recipe that the options of a lift change."""
    return {**(WITH_TASKS if tasks else {}), **changed_values(changes)}


def changed_values(changes: tuple[str, ...]) -> dict[str, str]:
    """The fields that `--set` names.

    Raises:
        CallerError: one is not of the form FIELD=VALUE.
    """
    values = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise CallerError(f"--set takes FIELD=VALUE, for example epochs=1, not {change!r}.")
        values[name.strip()] = value.strip()
    return values


def progress_line(event: dict[str, Any]) -> str:
    """An event of a lift in a line for the terminal."""
    if event["stage"] == "model":
        return str(event["message"])
    note = f" · {event['note']}" if event.get("note") else ""
    if "loss" not in event:
        steps = f" {event['step']} of {event['steps']}" if event.get("steps") else ""
        left = f" · {duration(event['eta_seconds'])} left" if event.get("eta_seconds") else ""
        return f"{event['stage']}{steps}{left}{note}"
    return (
        f"step {event['step']} of {event['steps']} · loss {event['loss']:.2f} · "
        f"{event.get('tokens_per_second') or 0:,.0f} tokens/s · "
        f"{duration(event.get('eta_seconds'))} left{note}"
    )


def _print_status(status: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(status)
    else:
        asked = "" if status["wanted"] == "run" else f" ({status['wanted']} asked for)"
        note(f"{status['job']}: {status['state']}{asked}, step {status['step']}")
