"""A Space as the hub builds it: its requirements alone in a fresh environment, and a question.

Downloads what a Space downloads, so only `make test-space` runs it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "ui"))
from visiting import Guest

from lift_app.space.tree import write_tree

PYTHON = os.environ.get("LIFT_SPACE_PYTHON", "")
START_SECONDS = 1800
QUESTION = "What was Piet Orbell making as a birthday present for his wife?"
ANSWER = "fiddle"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PYTHON, reason="run `make test-space`")]


class Stranger(Guest):
    """A visitor whose cookie is for https alone: a proxy before a Space speaks it for them."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        shown = re.findall(r"(?:__Host-)?lift_pass=[^;]+", self.web.get("/").headers["set-cookie"])
        self.web = httpx.Client(base_url=url, timeout=600, headers={"cookie": shown[0]})


def test_a_space_answers_a_question_about_the_sample_book(tmp_path: Path) -> None:
    space, venv = tmp_path / "space", tmp_path / "venv"
    written = write_tree(space, "cpu", "smollm2-135m-instruct")
    subprocess.run([PYTHON, "-m", "venv", venv], check=True)
    began = time.monotonic()
    python = venv / "bin" / "python"
    subprocess.run(
        [*(python, "-m", "pip", "install", "-q", "--no-compile"), "-r", space / "requirements.txt"],
        check=True,
    )
    print(f"\n{written['files']} files; installed in {time.monotonic() - began:.0f} s")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIFT_", "PYTHONPATH", "HF_"))
    }
    environment |= {
        "SPACE_ID": "reader/lift",
        "SYSTEM": "spaces",
        "LIFT_HOME": str(tmp_path / "home"),
        "LIFT_BUCKET": str(tmp_path / "bucket"),
        "LIFT_PORT": str(port),
    }
    log = (tmp_path / "log.txt").open("w+")
    process = subprocess.Popen(
        [python, "app.py"], cwd=space, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        answer, page = _visit(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(60)
        log.seek(0)
        print(log.read())
    print(QUESTION)
    print(json.dumps({key: answer[key] for key in ("answer", "arm", "citations")}, indent=1))
    assert answer["arm"] == "LIFT+ICL"  # it came learned
    assert ANSWER in answer["answer"]
    assert ANSWER in answer["citations"][0]["quote"]
    assert "Duplicate this Space" in page and "questions a minute" in page
    assert list((tmp_path / "bucket" / "snapshots").glob("*.json"))  # SIGTERM left a snapshot


def _visit(url: str, process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], str]:
    """The answer to a stranger's question, and what the page is made of."""
    guest = _when_open(url, process)
    guest.event("load", [None])
    deadline = time.monotonic() + START_SECONDS
    while True:
        guest.event("sample.click", [None])
        books = guest.verb("books")
        if books and books[0]["learned"]:
            break
        # The model is still being fetched: without it nobody can tell that the recording fits.
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(5)
    answer = guest.verb("ask", books[0]["id"], QUESTION, None, True, None)
    return answer, guest.web.get("/config").text


def _when_open(url: str, process: subprocess.Popen[bytes]) -> Stranger:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return Stranger(url)
        except httpx.TransportError:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(1)
