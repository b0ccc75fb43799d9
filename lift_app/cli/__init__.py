"""The `lift` command: the same verbs as `Reader`, for people and (with `--json`) for programs."""

from lift_app.cli.main import main

__all__ = ["main"]
