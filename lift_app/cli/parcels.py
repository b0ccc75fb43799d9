"""Commands about lifts that travel: export, import."""

from __future__ import annotations

from pathlib import Path

import click

from lift_app.cli.output import json_option, note, print_json, reports_errors
from lift_app.reader import Reader


@click.command("export")
@click.argument("book")
@click.option("--out", type=click.Path(path_type=Path), help="A folder, or a name ending in .zip.")
@click.option("--with-book", is_flag=True, help="Put the book's file into it.")
@click.option("--model", help="Base model that the adapter was made on.")
@click.option("--start", help="Start that it stands on: auto, none, or a name.")
@json_option
@reports_errors
def export_command(
    book: str,
    out: Path | None,
    with_book: bool,
    model: str | None,
    start: str | None,
    as_json: bool,
) -> None:
    """Write what was learned of BOOK as a plain PEFT adapter, with its origin."""
    with Reader() as reader:
        named = reader.reference(model, start)
        written = reader.parcels.export(book, out, with_book=with_book, model=named)
    if as_json:
        print_json(written)
        return
    click.echo(written["path"])
    note(
        f"{written['title']}: rank {written['rank']}, {written['bytes'] / 1e6:.0f} MB, "
        f"{'with' if with_book else 'without'} the book."
    )


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
@reports_errors
def import_command(path: Path, as_json: bool) -> None:
    """Put a parcel (folder or zip) that `lift export` wrote onto the shelf."""
    with Reader() as reader:
        found = reader.parcels.receive(path)
    if as_json:
        print_json(found)
    elif found["new"]:
        note(f"{found['title']} is learned: adapter {found['adapter'][:12]}.")
    else:
        note(f"{found['title']} was learned already, by the same lift.")
