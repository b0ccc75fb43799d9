"""Learning in slices, where a GPU is lent: as long as the page that began it is open.

Each act is a stream of Gradio's, which closes it when the page goes; the lift is then paused. What
is shown meanwhile is drawn by the window's own ticks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import gradio as gr

from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.telling import tell
from lift_app.ui.view import PARTS, Updates

SIGN_SECONDS = 0.5
"""Between two signs of life: only then is it noticed that the page has gone."""


class Learning:
    """Acts in the place of the room's own."""

    @staticmethod
    def learn(room: Room, seat: Seat, recipe: str | None, tasks: bool = False) -> Iterator[Updates]:
        """Learn the open book, while somebody listens."""
        yield room.learn(seat, recipe, tasks)
        yield from _go_on(room, seat)

    @staticmethod
    def resume(room: Room, seat: Seat) -> Iterator[Updates]:
        """Go on with its lift, while somebody listens."""
        yield room.resume(seat)
        yield from _go_on(room, seat)


def _go_on(room: Room, seat: Seat) -> Iterator[Updates]:
    status = room.view.status(seat.book)
    if status.get("state") != "queued":
        return  # it was refused, and the reader was told
    signed = time.monotonic()
    try:
        with closing(room.reader.learn(status["job"])) as learning:
            for _ in learning:
                if time.monotonic() - signed > SIGN_SECONDS:
                    signed = time.monotonic()
                    yield [gr.skip() for _ in PARTS]
    except Exception as error:
        tell(error)
    yield room.draw(seat)
