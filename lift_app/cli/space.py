"""The command for the hub: space."""

from __future__ import annotations

from pathlib import Path

import click

from lift_app.cli.output import json_option, print_json, reports_errors
from lift_app.models.catalogue import EMBEDDED
from lift_app.space.hardware import HARDWARE


@click.command("space")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--hardware",
    type=click.Choice(list(HARDWARE)),
    default="cpu",
    show_default=True,
    help="What the Space is meant to run on.",
)
@click.option("--model", default=EMBEDDED.name, show_default=True, help="Base model of the Space.")
@json_option
@reports_errors
def space_command(out: Path, hardware: str, model: str, as_json: bool) -> None:
    """Write a complete Hugging Face Space into a folder.

    With the program, the sample book and its adapter; push the folder to a Space of yours. On
    ZeroGPU a lift runs in slices, on the GPU minutes of the visitor who asks for it. The same
    folder can be written again: what was written before is replaced, nothing else is touched.
    """
    from lift_app.space.tree import write_tree

    written = write_tree(out, hardware, model)
    if as_json:
        print_json(written)
        return
    click.echo(
        f"{written['folder']}: {written['files']} files, {written['bytes'] / 1e6:.1f} MB, for "
        f"{written['flavor']}. Push it to a Space; docs/space.md says how."
    )
