"""In slices a lift goes on while its page is open: it is the visitor's own event."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "ui"))
from serving import Server, running
from visiting import Guest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
TEXT = "\n\n".join(f"## Night {n}\n\nOn night {n} boat {n * 7} came home late." for n in range(900))


@pytest.fixture(scope="module")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("zero") / "home"
    script = str(Path(__file__).with_name("zero_server.py"))
    with running([sys.executable, script, str(home), str(tiny_model)]) as server:
        yield server


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)
    return found


def open_page(guest: Guest, event: str, data: list[Any]) -> Iterator[str]:
    """Trigger an event and listen to it as a page does; closing the iterator closes the page."""
    body = {"fn_index": guest.event_number(event), "data": data, "session_hash": guest.window}
    assert guest.web.post("gradio_api/queue/join", json=body).status_code == 200
    address, window = "gradio_api/queue/data", {"session_hash": guest.window}
    with guest.web.stream("GET", address, params=window) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])["msg"]


def test_closing_the_page_pauses_the_lift_and_going_on_takes_it_up(server: Server) -> None:
    guest = Guest(server.url)
    book = guest.send("nights.md", TEXT.encode())["id"]
    guest.event("load", [None])

    def status() -> dict[str, Any]:
        found: dict[str, Any] = guest.verb("status", book)
        return found

    with closing(open_page(guest, "learn-button.click", [None, "quick", False])) as page:
        for message in page:
            if message == "process_generating" and status()["step"] >= 2:
                break
        assert status()["state"] == "running"
    paused = wait_for(lambda: (found := status())["state"] == "paused" and found)
    assert 2 <= paused["step"] < paused["steps"]

    with closing(open_page(guest, "resume.click", [None])) as page:
        for message in page:
            if message == "process_generating" and status()["step"] > paused["step"]:
                break
    wait_for(lambda: status()["state"] == "paused")
    events = guest.verb("cancel", paused["job"])
    assert events["state"] == "cancelled"


def test_the_page_says_so(server: Server) -> None:
    guest = Guest(server.url)
    assert "your own GPU minutes" in guest.web.get("/config").text
    first = guest.event("load", [None])
    assert "while this page is open" in first
    assert "you may close the page" not in first.lower()
