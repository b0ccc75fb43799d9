"""Talking about a book in a real Chromium: first questions, again, compare, keep, come back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Window, ask, chromium, expect, read_sample, shoot
from fake_reader import FakeReader
from serving import HERE, opened, running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.fixture
def learned(tmp_path: Path) -> Iterator[str]:
    """A room over the fake Reader, whose lift is done in a second."""
    yield opened(FakeReader(tmp_path / "fake", seconds_a_lift=1), tmp_path)
    Window.close_all()


def test_a_reader_asks_compares_and_keeps_the_talk(browser: object, learned: str) -> None:
    window = Window(browser)
    page = window.page
    read_sample(window, learned)
    page.click("#learn-button")
    expect(page.locator(".spine")).to_contain_text("learned")
    expect(page.locator("#arm input")).to_have_count(3)

    starters = page.locator(".starters button")
    expect(starters).to_have_count(2)
    starters.first.click()
    expect(page.locator("#chat a.cite")).to_have_count(1)
    expect(starters).to_have_count(0)
    page.click("#again")
    expect(page.locator("#chat .user .said")).to_have_count(1)
    expect(page.locator("#chat a.cite")).to_have_count(1)
    expect(page.locator("#send")).to_be_visible()

    page.click("#compare-button")
    expect(page.locator(".compare .said")).to_have_count(6)
    expect(page.locator(".compare article[aria-busy]")).to_have_count(0)
    expect(page.locator("#send")).to_be_visible()
    shoot(window, "comparing")
    page.locator(".compare a.cite").first.click()
    expect(page.locator(".leaf[data-page='2'] mark")).to_be_in_viewport()
    page.click(".compare [data-act=close]")
    expect(page.locator(".compare")).to_have_count(0)

    with page.expect_download() as download:
        page.click(".talks a[download]")
    text = Path(download.value.path()).read_text()
    assert download.value.suggested_filename == "Who-rang-the-bell-until-dawn.md"
    assert text.startswith("# Who rang the bell until dawn?")
    assert "[^1]: “Tilda Wren rang the bell until dawn.” (p. 2, The Storm)" in text

    page.click("#edit")
    expect(page.locator("#question textarea")).to_have_value("Who rang the bell until dawn?")
    expect(page.locator("#chat a.cite")).to_have_count(1)  # nothing is lost by looking
    ask(window, "What did the lamp burn until 1871?")
    expect(page.locator("#chat .user .said")).to_have_text("What did the lamp burn until 1871?")
    expect(page.locator("#send")).to_be_visible()
    page.click(".talks [data-act=new]")
    expect(page.locator("#chat a.cite")).to_have_count(0)
    ask(window, "Who had a silver medal?")
    page.click(".chats summary")
    expect(page.locator(".chats li")).to_have_count(2)
    page.locator(".chats li button").last.click()
    expect(page.locator("#chat .user .said")).to_have_text("What did the lamp burn until 1871?")
    assert window.errors == []


def test_a_talk_survives_a_restart(browser: object, tmp_path: Path, story: Path) -> None:
    command = [sys.executable, str(HERE / "book_server.py"), str(tmp_path / "home"), str(story)]
    environment = {"GRADIO_TEMP_DIR": str(tmp_path / "uploads")}
    for visit in range(2):
        with running(command, environment) as server:
            window = Window(browser)
            window.page.goto(server.url)
            if not visit:
                expect(window.page.locator(".leaf")).to_be_visible()
                ask(window, "In which year did Orla Venn mend the bell with copper?")
            expect(window.page.locator("#chat .user .said")).to_contain_text("Orla Venn")
            window.page.click("#chat a.cite")
            expect(window.page.locator("mark").first).to_be_in_viewport()
            Window.close_all()


def test_an_answer_goes_on_when_the_page_is_reloaded(browser: object, tmp_path: Path) -> None:
    reader = FakeReader(tmp_path / "fake", pace=5)
    window = Window(browser)
    read_sample(window, opened(reader, tmp_path))
    page = window.page
    page.fill("#question textarea", "Who rang the bell?")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_be_visible()
    page.reload()
    expect(page.locator("#chat .user .said")).to_have_text("Who rang the bell?")
    expect(page.locator("#stop")).to_be_visible()
    reader.pace = 0
    expect(page.locator("#chat a.cite")).to_have_count(1)
    expect(page.locator("#send")).to_be_visible()
    assert window.errors == []
    Window.close_all()
