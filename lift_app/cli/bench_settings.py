"""What benches have in common: a home of their own with the reader's models, lists of numbers."""

from __future__ import annotations

from dataclasses import replace

from lift_app.errors import CallerError
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


def whole_numbers(text: str | None) -> list[int]:
    """Numbers with commas between; none without a text.

    Raises:
        CallerError: one of them is no whole number above 0.
    """
    try:
        found = [int(one) for one in (text or "").split(",") if one.strip()]
    except ValueError:
        found = [0]
    if any(number < 1 for number in found):
        raise CallerError(f"Lengths are whole numbers with commas between, not {text!r}.")
    return found


def shares(text: str | None) -> list[float]:
    """Shares, 0 to 1, of numbers in per cent with commas between; none without a text.

    Raises:
        CallerError: one of them is no number from 0 to 100.
    """
    try:
        found = [float(one) / 100 for one in (text or "").split(",") if one.strip()]
    except ValueError:
        found = [-1.0]
    if not all(0 <= share <= 1 for share in found):
        raise CallerError(f"Depths are numbers from 0 to 100 with commas between, not {text!r}.")
    return found
