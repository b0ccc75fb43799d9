"""Sitting: what a reader at a seat does, for the tests of the room and of the talk."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from lift_app.ui.room import Room
from lift_app.ui.seat import Seat

Named = Callable[[list], dict]
"""What was drawn, by the names of the page's parts."""


def add(room: Room, seat: Seat) -> str:
    [*_, last] = room.add_sample(seat)
    assert last[-1] is None
    assert seat.book is not None
    return seat.book


def click(**data: object) -> SimpleNamespace:
    return SimpleNamespace(_data=data)


def address(**query: str) -> SimpleNamespace:
    return SimpleNamespace(query_params=query)


def talk(room: Room, seat: Seat, question: str, arm: str = "ICL") -> list[tuple]:
    return list(room.talk.ask(seat, question, arm, True, 1.0))
