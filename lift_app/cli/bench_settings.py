"""The settings of every bench: a home of its own, with the reader's models and starts."""

from __future__ import annotations

from dataclasses import replace

from lift_app.models.starts import reference
from lift_app.settings import Settings


def bench_settings(
    model: str | None = None, start: str | None = None, context: int | None = None
) -> Settings:
    """The reader's settings with a home of the benches' own.

    What they read stays off the reader's shelf, and what stands on that shelf, as the sample book
    with the adapter it comes with, is not taken for something that was lifted here.

    Args:
        model: base model, perhaps with its start; the setting by default.
        start: the start; the setting by default.
        context: tokens of head and tail; the setting by default.
    """
    settings = Settings.from_environment()
    start = start or settings.start
    return replace(
        settings,
        home=settings.home / "bench",
        model=reference(model or settings.model, start),
        start=start,
        context_tokens=settings.context_tokens if context is None else context,
    )
