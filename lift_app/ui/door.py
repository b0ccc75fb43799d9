"""The door: which shelf a request is for, and the room over it.

A local app has one shelf and one room for everybody. A shared one has a shelf for each visitor,
known by the pass in a cookie, which `ui.doorkeeper` has looked at before a request comes here.
Handlers get the room of who acts, so that none can forget to ask.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.requests import Request

from lift_app.errors import CallerError
from lift_app.ui import space_words, words
from lift_app.ui.room import Room
from lift_app.ui.seat import Seat
from lift_app.ui.writing import Writings

if TYPE_CHECKING:
    from lift_app.reader import Reader
    from lift_app.visitors import House

VISITOR = "lift.visitor"
"""Key of an ASGI scope: the owner of the shelf that the request's pass opens."""


class Door:
    """Where requests find their Reader.

    Args:
        reader: of the one shelf, or of the house.
        house: of a shared app.
    """

    def __init__(self, reader: Reader, house: House | None = None) -> None:
        self.host = reader
        self.house = house
        self._writings = Writings()
        self._room = None if house else Room(reader, self._writings)

    def close(self) -> None:
        """Let the answers end that are being written; nothing may be asked any more."""
        self._writings.close()

    def reader(self, request: gr.Request | Request) -> Reader:
        """The Reader of who sent a request.

        Raises:
            CallerError: a shared app, and no valid pass.
        """
        if self.house is None:
            return self.host
        scope = (request.request or request) if isinstance(request, gr.Request) else request
        owner = scope.scope.get(VISITOR)
        if owner is None:
            raise CallerError(words.NO_PASS, code="no_pass")
        return self.house.visitor(owner)

    def room(self, request: gr.Request) -> Room:
        """The reading room of who sent a request."""
        return self._room or Room(self.reader(request), self._writings)

    def limits(self) -> str:
        """What a visitor may keep, in words; empty where there is one shelf."""
        if self.house is None:
            return ""
        settings = self.host.settings
        limits = [words.YOUR_SHELF, space_words.YOUR_USE]
        if self.host.in_slices:
            limits.append(space_words.YOUR_MINUTES)
        return " ".join(limits).format(
            books=settings.visitor_books,
            mb=settings.visitor_mb,
            days=settings.visitor_days,
            questions=settings.visitor_questions,
            minutes=settings.visitor_minutes,
            seconds=settings.slice_seconds,
        )

    def enter_talk(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """As `enter`, for an act of the room's `talk`."""
        return self.enter(_at_the_talk(act))

    def enter(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """A handler of Gradio's for `act`, which takes the room of who acts, then the inputs."""
        if inspect.isgeneratorfunction(inspect.unwrap(act)):

            def stream(request: gr.Request, *inputs: Any) -> Iterator[Any]:
                yield from act(self.room(request), *inputs)

            return stream

        def handle(request: gr.Request, *inputs: Any) -> Any:
            return act(self.room(request), *inputs)

        return handle

    def arrive(self, request: gr.Request, seat: Seat) -> Any:
        """A window opens: see `Room.arrive`."""
        return self.room(request).arrive(seat, request)

    def act(self, request: gr.Request, event: gr.EventData, seat: Seat) -> Any:
        """A click inside our own HTML: see `Room.act`."""
        return self.room(request).act(seat, event)


def _at_the_talk(act: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(act):

        def stream(room: Room, *inputs: Any) -> Iterator[Any]:
            yield from act(room.talk, *inputs)

        return stream
    return lambda room, *inputs: act(room.talk, *inputs)
