"""The reading room in a real Chromium: a reader's story, and that nothing leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import Window, ask, chromium, expect, read_sample, start_learning
from fake_reader import FakeReader
from serving import opened

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A fresh room over the fake Reader, whose lift takes a minute."""
    yield opened(FakeReader(tmp_path / "fake", seconds_a_lift=60), tmp_path)
    Window.close_all()


def test_the_story_of_a_reader(browser, url: str) -> None:
    window = Window(browser)
    page = window.page
    read_sample(window, url)
    expect(page.locator(".spine")).to_contain_text("not learned")
    expect(page.locator("#arm input")).to_have_count(0)
    assert page.evaluate("window.hacked") is None

    start_learning(window)
    expect(page.locator("#arm input")).to_have_count(3)
    before = window.percent()
    page.reload()
    expect(page.locator(".progress-line")).to_be_visible()
    assert window.percent() >= before
    second = Window(browser)
    second.page.goto(url)
    expect(second.page.locator(".progress-line")).to_be_visible()
    assert abs(second.percent() - window.percent()) <= 10

    ask(window, "Who rang the bell until dawn?")
    expect(page.locator("#chat .said").last).to_contain_text("Tilda Wren rang the bell")
    page.click("#chat a.cite")
    expect(page.locator(".leaf[data-page='2'] mark")).to_have_text(
        "Tilda Wren rang the bell until dawn."
    )
    expect(page.locator("mark")).to_be_in_viewport()
    expect(second.page.locator("#chat a.cite")).to_be_visible()

    page.reload()
    expect(page.locator("#chat a.cite")).to_be_visible()
    expect(page.locator(".leaf[data-page='2']")).to_be_visible()

    page.click("#pause")
    expect(page.locator(".progress-line")).to_contain_text("paused")
    expect(second.page.locator("#resume")).to_be_visible()
    page.click("#cancel")
    expect(page.locator("#learn-button")).to_be_visible()

    host = urlsplit(url).netloc
    assert window.hosts == second.hosts == {host}
    assert window.errors == second.errors == []


def test_a_book_cannot_act_in_the_page(browser, url: str, tmp_path: Path) -> None:
    evil = (
        "<img src='http://example.invalid/a.png' onerror='window.hacked=1'> "
        "![x](http://example.invalid/b.png) <script>window.hacked=1</script> and the key is blue."
    )
    file = tmp_path / "evil.txt"
    file.write_text(evil)
    window = Window(browser)
    window.page.goto(url)
    expect(window.page.locator(".welcome")).to_be_visible()
    window.page.set_input_files("#drop input[type=file]", file)
    expect(window.page.locator(".leaf .text")).to_contain_text("<script>")
    ask(window, "img src onerror hacked script the key is blue")
    window.page.click("#chat a.cite")
    expect(window.page.locator("mark")).to_be_visible()
    assert window.page.evaluate("window.hacked") is None
    assert window.page.locator("#chat img, .leaf img").count() == 0
    assert window.hosts == {urlsplit(url).netloc}


def test_an_unreadable_file_is_told_in_the_page(
    browser,
    url: str,
    tmp_path: Path,
) -> None:
    file = tmp_path / "empty.txt"
    file.write_text("\n")
    window = Window(browser)
    window.page.goto(url)
    expect(window.page.locator(".welcome")).to_be_visible()
    window.page.set_input_files("#drop input[type=file]", file)
    expect(window.page.locator("#notice [role=alert]")).to_contain_text("empty.txt is empty")
    assert "Traceback" not in window.page.content()


def test_a_phone_shows_one_pane_at_a_time(browser, url: str) -> None:
    window = Window(browser, 390, 844)
    page = window.page
    read_sample(window, url)
    ask_pane, book_pane = page.locator("#chat-pane"), page.locator("#book-pane")
    expect(ask_pane).to_be_hidden()
    page.click("#panes [data-pane=chat]")
    expect(book_pane).to_be_hidden()
    ask(window, "What did the lamp burn?")
    page.click("#chat a.cite")
    expect(page.locator("mark")).to_be_in_viewport()
    expect(page.locator(".strip .cells")).to_be_in_viewport()
    expect(ask_pane).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_strip_leads_through_the_book(browser, url: str) -> None:
    window = Window(browser)
    page = window.page
    read_sample(window, url)
    cells = page.locator(".strip .cell")
    expect(cells).to_have_count(40)
    start_learning(window)
    expect(cells.first).to_have_attribute("title", re.compile("The Keeper · p. 1 · known"))
    cells.nth(20).hover()
    cells.nth(20).click()
    expect(page.locator(".leaf[data-page='2']")).to_be_visible()
    expect(page.locator(".strip .cell[aria-current]")).to_have_attribute("data-page", "2")
    page.locator(".strip .cell[tabindex='0']").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.locator(".leaf[data-page='3']")).to_be_visible()
    page.wait_for_timeout(1500)  # it is drawn anew while the lift goes on
    assert page.evaluate("document.activeElement.dataset.cell") == "39"
    ask(window, "Who rang the bell until dawn?")
    expect(page.locator(".strip .seen .head")).to_be_visible()
    expect(page.locator(".strip .legend")).to_contain_text("the rest can only come from memory")
    assert window.errors == []


def test_the_focus_stays_on_the_button_that_turned_the_page(browser, url: str) -> None:
    window = Window(browser)
    page = window.page
    read_sample(window, url)
    page.locator(".turner [aria-label='Next page']").first.focus()
    for number in ("2", "3"):
        page.keyboard.press("Enter")
        expect(page.locator(f".leaf[data-page='{number}']")).to_be_visible()
    # The page turns before the server has answered; then the button is drawn anew.
    page.wait_for_function("document.activeElement === document.body")  # there is no page 4
    page.locator(".turner [aria-label='Previous page']").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".leaf[data-page='2']")).to_be_visible()
    expect(page.locator(".turner [aria-label='Next page']").first).to_be_enabled()
    page.wait_for_function("document.activeElement.getAttribute('aria-label') === 'Previous page'")


def test_the_theme_is_remembered(browser, url: str) -> None:
    window = Window(browser)
    window.page.goto(url)
    dark = "document.body.classList.contains('dark')"
    expect(window.page.locator(".welcome")).to_be_visible()
    before = window.page.evaluate(dark)
    window.page.click(".theme")
    assert window.page.evaluate(dark) is not before
    window.page.reload()
    expect(window.page.locator(".welcome")).to_be_visible()
    assert window.page.evaluate(dark) is not before
