"""The whole app, nothing in it faked: the sample book is read, learned and asked in a browser.

Takes the pictures of the README when LIFT_SCREENSHOTS=1 (`make screenshots`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from browsing import Window, ask, chromium, expect, read_sample, shoot, start_learning
from serving import Server, running

from lift_app.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]
ANSWER_PATIENCE = 240_000
"""Milliseconds for an answer beside a lift on a slow machine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.fixture
def app(embedded_settings: Settings) -> Iterator[Server]:
    environment = {"LIFT_HOME": str(embedded_settings.home), "LIFT_PORT": "0"}
    command = [sys.executable, "-m", "lift_app.cli", "serve"]
    with running(command, environment | {"OMP_NUM_THREADS": ""}) as server:
        yield server


def test_the_sample_book_is_read_learned_and_asked(browser: object, app: Server) -> None:
    window = Window(browser)
    page = window.page
    read_sample(window, app.url)
    start_learning(window)
    expect(page.locator(".strip .k").nth(11)).to_be_visible(timeout=ANSWER_PATIENCE)
    shoot(window, "lifting")
    page.reload()
    expect(page.locator(".progress-line")).to_contain_text("step")
    page.locator("#arm input[value=ICL]").check()  # the only arm that says the same every time
    question = "How many letters did Sunniva Karp have in her tea chests?"
    ask(window, question, patience=ANSWER_PATIENCE)
    page.locator("#chat a.cite").first.click()
    expect(page.locator("mark").first).to_be_in_viewport()
    assert "five thousand nine hundred and six" in page.locator("mark").first.inner_text()
    shoot(window, "chatting")
    assert window.errors == []
