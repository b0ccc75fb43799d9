"""The command's root: finds the subcommand and imports only what it needs.

`lift --help` and `lift books` must answer at once, so each group of commands is a module that is
imported when one of its commands runs, and torch only when the model is used.
"""

from __future__ import annotations

import importlib

import click

import lift_app

COMMANDS = {
    "add": ("books", "Read a file into the library."),
    "tune": ("lifts", "Learn a book: lift it into an adapter."),
    "read": ("lifts", "Add a file, learn it, and chat about it."),
    "ask": ("questions", "Ask a book one question."),
    "chat": ("questions", "Talk with a book."),
    "books": ("books", "List the books on the shelf."),
    "adapters": ("books", "List the adapters on the shelf."),
    "show": ("books", "Show one book: report, chapters, adapters."),
    "page": ("books", "Print one page of a book."),
    "rm": ("books", "Delete a book and everything of it."),
    "export": ("parcels", "Write what was learned of a book as a plain PEFT adapter."),
    "import": ("parcels", "Put an exported adapter onto the shelf."),
    "models": ("machine", "List base models; fetch one."),
    "jobs": ("lifts", "List lifts."),
    "pause": ("lifts", "Pause a lift."),
    "resume": ("lifts", "Go on with a paused lift."),
    "cancel": ("lifts", "End a lift."),
    "sft": ("starts", "Train a start that later lifts stand on."),
    "bench": ("benches", "Measure answers and citations."),
    "demo": ("demo", "Open the app with the sample book, learned already."),
    "space": ("space", "Write a Hugging Face Space into a folder."),
    "doctor": ("machine", "Check the library, the model and this machine."),
    "serve": ("machine", "Open the app in the browser."),
}
"""Name -> (module of this package, help line)."""


class LazyGroup(click.Group):
    """A group whose commands are imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order a reader needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lift_app.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(lift_app.__version__, prog_name="lift")
def main() -> None:
    """LIFT Reader: a reading assistant that learns the book.

    BOOK is an id, a unique prefix of one, or a title. With --json, stdout holds JSON alone; exit
    status 0 is success, 1 a failure, 2 a mistake of the caller.
    """
