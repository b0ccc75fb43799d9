"""The whole app, nothing in it faked: a book is learned, the sample book asked, in a browser.

Takes the pictures and the film of the README when LIFT_SCREENSHOTS=1 (`make screenshots`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from browsing import Window, chromium, expect, shoot, start_learning
from filming import Film
from polling import Polls
from serving import ROOT, Server, running

from lift_app.models.catalogue import EMBEDDED
from lift_app.settings import Settings

READER_HOME = Settings.from_environment().home

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.slow, pytest.mark.timeout(900)]
ANSWER_PATIENCE = 240_000
"""Milliseconds for an answer on a slow machine."""
OTHER_BOOK = ROOT / "data" / "control_book.md"
QUESTION = "How many letters did Sunniva Karp have in her tea chests?"
PICTURES = os.environ.get("LIFT_SCREENSHOTS") == "1"
SEGMENTS = 12 if PICTURES else 3
"""That are learned before the page is reloaded: more to look at in a picture."""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app as it is started, with the embedded model."""
    home = tmp_path_factory.mktemp("whole")
    source = READER_HOME / "models" / EMBEDDED.slug
    if not source.is_dir():
        pytest.skip("the embedded model is not here: run `make model`")
    (home / "models").mkdir()
    (home / "models" / EMBEDDED.slug).symlink_to(source)
    environment = {"LIFT_HOME": str(home), "LIFT_PORT": "0", "OMP_NUM_THREADS": ""}
    command = [sys.executable, "-m", "lift_app.cli", "serve"]
    with running(command, environment) as server:
        yield server


def answered(window: Window) -> None:
    """Wait for the whole answer."""
    expect(window.page.locator("#stop")).to_be_visible()
    expect(window.page.locator("#send")).to_be_visible(timeout=ANSWER_PATIENCE)


def test_the_sample_book_comes_learned_and_is_asked(browser: object, app: Server) -> None:
    window = Window(browser, 1280, 800)
    page, film = window.page, Film(window)
    page.goto(app.url)
    expect(page.locator("#sample")).to_be_visible()
    shoot(window, "empty")
    film.take(1800)
    page.click("#sample")
    expect(page.locator(".leaf .text")).to_be_visible()
    expect(page.locator(".spine-state")).to_have_text("learned")
    expect(page.locator(".strip .k").nth(20)).to_be_visible()
    shoot(window, "reading")
    film.take(1800)

    page.click(".steps [data-act=replay]")
    expect(page.locator(".replay .badge")).to_have_text("Replay")
    expect(page.locator(".replay .progress-line")).to_contain_text("step")
    if PICTURES:
        for _ in range(6):
            film.take(450, settle=2200)
        shoot(window, "replay")
    else:
        page.click(".replay [data-act=replay]")
    expect(page.locator(".replay")).to_have_count(0)  # it ends by itself, too

    if not PICTURES:  # what was learned may be worded otherwise on another processor
        page.locator("#arm input[value=ICL]").check()
    page.fill("#question textarea", QUESTION)
    film.take(1200)
    page.press("#question textarea", "Enter")
    film.take(900)
    answered(window)
    film.take(1600)
    page.locator("#chat a.cite").first.click()
    expect(page.locator("mark").first).to_be_in_viewport()
    assert "five thousand nine hundred and six" in page.locator("mark").first.inner_text()
    film.take(2600, settle=1200)
    film.keep("tour")
    shoot(window, "chatting")
    if PICTURES:
        page.click(".theme")
        shoot(window, "dark")
        page.click(".theme")
        page.click("#compare-button")
        answered(window)
        shoot(window, "comparing")
        page.click(".gear")
        shoot(window, "settings")
        phone = Window(browser, 390, 844)
        phone.page.goto(page.url)
        expect(phone.page.locator(".leaf")).to_be_visible()
        phone.page.click("#panes [data-pane=chat]")
        phone.page.locator("#chat a.cite").first.click()
        expect(phone.page.locator("mark").first).to_be_in_viewport()
        shoot(phone, "phone")
    assert window.errors == []


def test_a_book_is_learned_while_the_page_stays_quick(browser: object, app: Server) -> None:
    window = Window(browser, 1280, 800)
    page = window.page
    page.goto(app.url)
    expect(page.locator(".welcome, .leaf").first).to_be_visible()
    page.set_input_files("#drop input[type=file]", OTHER_BOOK)
    expect(page.locator(".about .facts")).to_contain_text("words")
    shoot(window, "report")
    polls = Polls(window)
    start_learning(window)
    expect(page.locator(".strip .k").nth(SEGMENTS - 1)).to_be_visible(timeout=ANSWER_PATIENCE)
    shoot(window, "lifting")
    page.reload()
    expect(page.locator(".progress-line")).to_contain_text("step")
    polls.wait_for(5)
    late = polls.percentile(0.95)
    print(f"{len(polls.times)} polls, 95 of 100 answered within {late:.0f} ms")
    # Promised are 200 ms on a machine that only learns; this one may be testing, too,
    # and then shows no more than that a poll never waits for an answer or a file.
    assert late < 2000
    page.click("#cancel")
    expect(page.locator("#learn-button")).to_be_visible(timeout=ANSWER_PATIENCE)
    assert window.errors == []
