"""Options that several commands have in common."""

from __future__ import annotations

from collections.abc import Callable

import click


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--model` and `--start`."""
    for option in (
        click.option("--start", help="Start that the model stands on: auto, none, or a name."),
        click.option("--model", help="Base model: a name of `lift models`, a folder, or a hub id."),
    ):
        command = option(command)
    return command


def variant_option(*default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add `--variant`, as `variants`."""
    return click.option(
        "--variant",
        "variants",
        multiple=True,
        metavar="RECIPE[:FIELD=VALUE,...]",
        default=default,
        show_default=bool(default),
        help="A recipe with some numbers changed; may be repeated.",
    )
