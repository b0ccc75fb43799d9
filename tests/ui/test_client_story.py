"""A program drives the real app with gradio_client: add, lift, poll, ask, get a citation."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from serving import Server, running

from lift_app.settings import Settings

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def app(embedded_settings: Settings) -> Iterator[Server]:
    environment = {
        "LIFT_HOME": str(embedded_settings.home),
        "LIFT_CONTEXT_TOKENS": "256",
        "LIFT_RECIPE": "quick",
        "LIFT_PORT": "0",
        "OMP_NUM_THREADS": "",
    }
    with running([sys.executable, "-m", "lift_app.cli", "serve"], environment) as server:
        yield server


def test_add_lift_poll_ask(app: Server, story: Path) -> None:
    client = Client(app.url, verbose=False)
    book = client.predict(handle_file(story), api_name="/add_book")
    assert book["title"] == "The Lanterns of Quell"
    client.predict(book["id"], api_name="/tune")
    deadline = time.monotonic() + 800
    while (status := client.predict(book["id"], api_name="/status"))["state"] != "done":
        assert status["state"] in ("queued", "running"), status
        assert time.monotonic() < deadline
        time.sleep(0.5)
    question = "In which year did Orla Venn mend the bell with copper?"
    answer = client.predict(book["id"], question, api_name="/ask")
    assert answer["arm"] == "LIFT+ICL" and answer["adapter"] == status["adapter"]
    [citation, *_] = answer["citations"]
    assert "1910" in citation["quote"] and citation["page"] >= 1
    assert client.predict(api_name="/books")[0]["learned"] is True
