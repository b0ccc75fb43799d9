"""A short animated picture of the reading room, from pictures of a real browser."""

from __future__ import annotations

import io
import os

from browsing import SCREENSHOTS, Window
from PIL import Image

SIZE = (1200, 750)
"""Pixels of the film; windows of this shape fill it."""


class Film:
    """Frames of one window; nothing is taken unless pictures are wanted."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.wanted = os.environ.get("LIFT_SCREENSHOTS") == "1"
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []

    def take(self, milliseconds: int, *, settle: int = 400) -> None:
        """A frame that is shown for so long.

        Args:
            milliseconds: how long it is shown.
            settle: how long the page may still move before it is taken.
        """
        if not self.wanted:
            return
        self.window.page.wait_for_timeout(settle)
        picture = Image.open(io.BytesIO(self.window.page.screenshot())).convert("RGB")
        self.frames.append(picture.resize(SIZE, Image.Resampling.LANCZOS))
        self.durations.append(milliseconds)

    def keep(self, name: str) -> None:
        """Write the film beside the pictures."""
        if not self.wanted:
            return
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        first, *others = self.frames
        first.save(
            SCREENSHOTS / f"{name}.webp",
            save_all=True,
            append_images=others,
            duration=self.durations,
            loop=0,
            quality=72,
            method=6,
            minimize_size=True,
        )
