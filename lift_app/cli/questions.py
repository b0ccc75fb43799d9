"""Commands that ask: ask, chat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from lift_app.answering.question import ARMS
from lift_app.cli.options import model_options
from lift_app.cli.output import errors_reported, json_option, note, print_json, reports_errors
from lift_app.reader import Reader
from lift_app.settings import Settings

server_option = click.option(
    "--server", metavar="URL", help="OpenAI-compatible server that answers; LIFT_SERVER by default."
)


def with_server(server: str | None) -> Settings:
    """The settings of the environment, with the server that was named."""
    settings = Settings.from_environment()
    return settings if server is None else replace(settings, server=server)


def ask_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--arm`, `--evidence/--no-evidence`, `--strength`, `--model`, `--start`, `--server`."""
    for option in (
        server_option,
        model_options,
        click.option(
            "--strength",
            type=float,
            help="Strength of the adapter, 0 to 1.",
        ),
        click.option(
            "--evidence/--no-evidence",
            default=True,
            show_default=True,
            help="Look up passages for the question.",
        ),
        click.option("--arm", help=f"{', '.join(ARMS)}. Default: LIFT+ICL once learned, else ICL."),
    ):
        command = option(command)
    return command


@click.command("ask")
@click.argument("book")
@click.argument("question")
@ask_options
@json_option
@reports_errors
def ask_command(
    book: str, question: str, as_json: bool, server: str | None, **arguments: Any
) -> None:
    """Ask BOOK one QUESTION."""
    with Reader(with_server(server)) as reader:
        if as_json:
            print_json(reader.ask(book, question, **arguments))
        else:
            _print_answer(reader, book, question, arguments)


@click.command("chat")
@click.argument("book")
@ask_options
@reports_errors
def chat_command(book: str, server: str | None, **arguments: Any) -> None:
    """Talk with BOOK; an empty line ends it. The conversation is kept."""
    with Reader(with_server(server)) as reader:
        chat_loop(reader, book, **arguments)


def chat_loop(reader: Reader, book: str, **arguments: Any) -> None:
    """Ask what is typed until an empty line or the end of the input."""
    chat = reader.new_chat(book, "At the terminal")["id"]
    note("Ask the book. An empty line ends the conversation.")
    while True:
        try:
            question = input("> ").strip()
        except EOFError:
            return
        if not question:
            return
        try:
            with errors_reported(as_json=False):
                _print_answer(reader, book, question, {**arguments, "chat": chat})
        except SystemExit:
            continue  # one question failed; the conversation goes on


def _print_answer(reader: Reader, book: str, question: str, arguments: dict[str, Any]) -> None:
    answer: dict[str, Any] = {}
    streamed = ""
    for event in reader.ask_stream(book, question, **arguments):
        streamed += event.get("text", "")
        click.echo(event.get("text", ""), nl=False)
        answer = event.get("answer", answer)
    click.echo()
    if answer["answer"] != streamed.strip():  # it turned out to stand on nothing in the book
        click.echo(f"→ {answer['answer']}")
    for number, citation in enumerate(answer["citations"], start=1):
        chapter = f", {citation['chapter']}" if citation["chapter"] else ""
        click.echo(f"  [{number}] p. {citation['page_label']}{chapter}: “{citation['quote']}”")
    if answer["notice"]:
        note(answer["notice"])
    note(f"({answer['arm']}, {answer['timing']['seconds']:.1f} s)")
