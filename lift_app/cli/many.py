"""`lift tune --all`: every book of the shelf, here or on a Ray cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import closing, redirect_stdout
from pathlib import Path
from typing import Any

import click

from lift_app.cli.output import StatusLine, note, print_json
from lift_app.cluster.account import Account
from lift_app.cluster.assignment import Plan
from lift_app.cluster.in_turn import lift_in_turn
from lift_app.library import BookRow
from lift_app.lifting.recipe import resolve_recipe
from lift_app.reader import Reader


def tune_all(reader: Reader, *, address: str | None, as_json: bool, **lift: Any) -> None:
    """Lift every book of the shelf, the oldest first, and say what became of each.

    Args:
        reader: whose shelf it is.
        address: of a Ray cluster; None lifts one book after the other on this machine.
        as_json: print events and the account as JSON lines.
        lift: arguments of `Reader.tune` besides the book.

    Raises:
        CallerError: there can be no such lift.
        LiftError: some books could not be learned; their names are in it.
    """
    rows = reader.library.books.list()[::-1]
    account, line, stdout = Account(rows), StatusLine(), sys.stdout
    with closing(_events(reader, rows, address, lift)) as events:  # before the reader is, always
        for event in events:
            account.note(event)
            if as_json:
                print_json(event, stdout)
            elif event["stage"] == "model":
                line.show(str(event["message"]), event.get("fraction"))
            else:
                line.show(account.line, account.share)
                if event["stage"] == "loading" and "note" in event:
                    line.end()
                    note(f"{event['title']}: {event['note']}")
    line.end()
    if as_json:
        print_json(account.to_json())
    else:
        click.echo(
            f"learned: {len(account.learned)} of {len(rows)} books, "
            f"{len(account.cached)} were on the shelf already"
        )
    account.raise_failures()


def _events(
    reader: Reader, rows: list[BookRow], address: str | None, lift: dict[str, Any]
) -> Generator[dict[str, Any], None, None]:
    model = reader.reference(lift["model"], lift["start"])
    yield from (event for event in reader.fetch_model(model) if event["stage"] == "model")
    folder = reader.present_model(model)
    # Even where each book resolves it again: a recipe that cannot be is told once.
    recipe = resolve_recipe(
        lift["recipe"] or reader.settings.recipe, window=folder.window, values=lift["values"]
    )
    if address is None:
        yield from lift_in_turn(reader, rows, lift)
        return
    from lift_app.cluster.fleet import Fleet
    from lift_app.cluster.ray_pool import RayPool

    # Ray prints to stdout when a worker dies; the lift's own note says it, and JSON stays JSON.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), RayPool(address) as pool:
        yield from Fleet(reader, pool, Plan(model, folder, recipe)).lift(rows)
