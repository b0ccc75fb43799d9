"""The hand-off: a question asked of the process that holds the model."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lift_app.engine.access import Access
from lift_app.engine.hand_off import HandOff, ask_owner
from lift_app.engine.lock import Owner
from lift_app.errors import Busy
from lift_app.reader import Reader
from lift_app.settings import Settings


def nobody(_: str) -> None:
    """Is stopped."""


def test_an_owner_that_ends_in_the_middle_of_an_answer_is_an_error() -> None:
    def broken(arguments: dict[str, object]) -> Iterator[dict[str, object]]:
        yield {"text": "Nine "}

    hand_off = HandOff(broken, nobody)
    try:
        owner = Owner.this_process(hand_off.port, hand_off.token)
        with pytest.raises(Busy, match="ended before it was done"):
            list(ask_owner(owner, {"question": "How many?"}))
        with pytest.raises(Busy, match="does not answer"):
            list(ask_owner(replace(owner, token="wrong"), {"question": "How many?"}))
    finally:
        hand_off.close()


def test_the_hand_off_answers_nobody_without_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user of the machine, and every page in a browser on it, can reach the port."""
    monkeypatch.setattr("lift_app.engine.hand_off.STALLED_SECONDS", 0.2)
    hand_off = HandOff(lambda _: pytest.fail("answered"), nobody)
    try:
        for headers, status in (
            ("", 403),
            ("Authorization: Bearer wrong\r\n", 403),
            ("Authorization: Bearer \xe9\r\n", 403),
            ("Content-Length: nine\r\n", 403),
            (f"Authorization: Bearer {hand_off.token}\r\nContent-Length: nine\r\n", 400),
            (f"Authorization: Bearer {hand_off.token}\r\nContent-Length: -1\r\n", 400),
            (f"Authorization: Bearer {hand_off.token}\r\nContent-Length: {'9' * 5000}\r\n", 400),
        ):
            with socket.create_connection(("127.0.0.1", hand_off.port), timeout=10) as line:
                line.sendall(f"POST /ask HTTP/1.0\r\n{headers}\r\n".encode("latin-1"))
                assert line.recv(1000).split()[1] == str(status).encode(), headers
        with socket.create_connection(("127.0.0.1", hand_off.port), timeout=10) as line:
            line.sendall(b"POST /ask")
            assert line.recv(1000) == b""  # a line on which nothing moves is given up
    finally:
        hand_off.close()


def test_an_answer_of_another_process_is_stopped_there(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when `lift tune` has the model and the page beside it asks."""
    halted = threading.Event()

    def slowly(self: Access, arguments: dict[str, object]) -> Iterator[dict[str, object]]:
        stop = threading.Event()
        self._stops[stop] = str(arguments["owner"])
        yield {"text": "Seven"}
        if stop.wait(20):
            halted.set()
        yield {"answer": {"answer": "Seven", "notice": ""}}

    monkeypatch.setattr(Access, "_ask_here", slowly)
    with Reader(tiny_settings) as owner, Reader(tiny_settings) as beside:
        book = owner.add(story)["id"]
        assert owner.engine() is not None
        answer = beside._access.ask({"owner": beside.library.owner, "book": book, "model": ""})
        assert next(answer) == {"text": "Seven"}
        beside.stop_answer()
        assert "answer" in next(answer) and halted.is_set()


def test_an_owner_that_answers_nothing_of_ours_is_not_asked_to_stop(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(Access, "_stop_here", lambda self, owner: stopped.append(self))
    with Reader(tiny_settings) as owner, Reader(tiny_settings) as beside:
        assert owner.engine() is not None
        beside.stop_answer()
        assert stopped == [beside._access]
