"""The hand-off: a question asked of the process that holds the model."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lift_app.engine.hand_off import HandOff, ask_owner
from lift_app.engine.lock import Owner
from lift_app.errors import Busy


def test_an_owner_that_ends_in_the_middle_of_an_answer_is_an_error() -> None:
    def broken(arguments: dict[str, object]) -> Iterator[dict[str, object]]:
        yield {"text": "Nine "}

    hand_off = HandOff(broken)
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
    hand_off = HandOff(lambda _: pytest.fail("answered"))
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
