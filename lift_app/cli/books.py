"""Commands about what is on the shelf: add, books, show, adapters, rm."""

from __future__ import annotations

from typing import Any

import click

from lift_app.cli.output import duration, json_option, note, print_json, reports_errors, table
from lift_app.reader import Reader


@click.command("add")
@click.argument("file", type=click.Path())
@click.option("--title", help="Title to use instead of the one in the file.")
@click.option("--encoding", help="Encoding of a text file, if the guess is wrong.")
@json_option
@reports_errors
def add_command(file: str, title: str | None, encoding: str | None, as_json: bool) -> None:
    """Read FILE (PDF, EPUB, text, Markdown, HTML, DOCX) into the library."""
    with Reader() as reader:
        book = reader.add(file, title=title, encoding=encoding)
    if as_json:
        print_json(book)
        return
    if not book["new"]:
        note("This book was on the shelf already.")
    _print_book(book)


@click.command("books")
@json_option
@reports_errors
def books_command(as_json: bool) -> None:
    """List the books on the shelf."""
    with Reader() as reader:
        books = reader.books()
    if as_json:
        print_json(books)
        return
    if not books:
        note("The shelf is empty. Add a book: lift add FILE")
        return
    rows = [
        [
            book["id"][:8],
            book["title"][:50],
            f"{book['pages']:,}",
            f"{book['words']:,}",
            _state(book),
        ]
        for book in books
    ]
    click.echo(table(rows, ["id", "title", "pages", "words", "state"]))


@click.command("show")
@click.argument("book")
@json_option
@reports_errors
def show_command(book: str, as_json: bool) -> None:
    """Show one BOOK: report, chapters, adapters."""
    with Reader() as reader:
        found = reader.show(book)
    if as_json:
        print_json(found)
        return
    _print_book(found)
    for chapter in found["chapters"]:
        click.echo(f"  p. {chapter['page']:<5} {chapter['title']}")
    for adapter in found["adapters"]:
        click.echo(f"learned: {_adapter_line(adapter)}")


@click.command("page")
@click.argument("book")
@click.argument("number", type=int)
@json_option
@reports_errors
def page_command(book: str, number: int, as_json: bool) -> None:
    """Print page NUMBER (1-based) of BOOK, as it is cited."""
    with Reader() as reader:
        page = reader.page(book, number)
    if as_json:
        print_json(page)
    else:
        click.echo(page["text"])


@click.command("adapters")
@json_option
@reports_errors
def adapters_command(as_json: bool) -> None:
    """List the adapters on the shelf."""
    with Reader() as reader:
        adapters = reader.adapters()
        titles = {book["id"]: book["title"] for book in reader.books()}
    if as_json:
        print_json(adapters)
        return
    if not adapters:
        note("No book has been learned yet. Learn one: lift tune BOOK")
    for adapter in adapters:
        click.echo(f"{titles.get(adapter['book_id'], '?')}: {_adapter_line(adapter)}")


@click.command("rm")
@click.argument("book")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@reports_errors
def rm_command(book: str, yes: bool, as_json: bool) -> None:
    """Delete BOOK and everything of it: text, file, adapters, lifts, chats."""
    with Reader() as reader:
        title = reader.show(book)["title"]
        if not (yes or as_json):
            click.confirm(f"Delete {title!r} with its adapters and chats?", abort=True)
        removed = reader.rm(book)
    if as_json:
        print_json(removed)
    else:
        note(f"Deleted {title}.")


def _print_book(book: dict[str, Any]) -> None:
    report = book["report"]
    exact = "" if book["tokens_exact"] else "about "
    author = f" by {book['author']}" if book["author"] else ""
    click.echo(f"{book['title']}{author}")
    click.echo(
        f"{book['id'][:12]} · {book['format']} · {book['pages']:,} pages · "
        f"{book['words']:,} words · {exact}{book['tokens']:,} tokens"
    )
    if report.get("encoding"):
        click.echo(f"encoding: {report['encoding']}")
    if report["pages_without_text"]:
        pages = ", ".join(str(page) for page in report["pages_without_text"])
        click.echo(f"pages without text: {pages}")
    for line in [*report["dropped"], *report["warnings"]]:
        click.echo(f"- {line}")
    minutes = duration(60 * report["estimated_minutes"])
    click.echo(f"learning it takes about {minutes} ({report['estimate_reason']})")


def _state(book: dict[str, Any]) -> str:
    if book["job"] is None:
        return "learned" if book["learned"] else "not learned"
    job = book["job"]
    if job["steps"]:
        return f"{job['state']} {job['step']}/{job['steps']}"
    return str(job["state"])


def _adapter_line(adapter: dict[str, Any]) -> str:
    summary = adapter["summary"]
    return (
        f"{adapter['key'][:12]} · {adapter['model']} · {adapter['recipe']['name']} · "
        f"{summary['steps']} steps · {duration(summary['seconds'])} · "
        f"{adapter['bytes'] / 1e6:.0f} MB{_guarded(summary.get('guard'))}"
    )


def _guarded(verdict: dict[str, Any] | None) -> str:
    """What the guard found, if there was one."""
    if verdict is None:
        return ""
    if not verdict["strength"]:
        return " · left out of answers: other things might be read worse at every strength"
    worse = f"up to {100 * verdict['harm']:.2f} % worse" if verdict["harm"] > 0 else "no worse"
    strength = f"used at strength {verdict['strength']:g} at most"
    return f" · {strength}, where other things are read {worse} as far as its probe can tell"
