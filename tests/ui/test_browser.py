"""The reading room in a real Chromium: the story of a reader, and that nothing leaves the machine.

With LIFT_SCREENSHOTS=1 the four states are also written to assets/screenshots.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import HERE, ROOT, Server, running

pytestmark = pytest.mark.browser

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser")) if p), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOTS = ROOT / "assets" / "screenshots"
PATIENCE = 30_000
"""Milliseconds that a step may take on a busy machine."""

if CHROMIUM is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = sync_api.expect


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Server]:
    """A fresh room over the fake Reader, whose lift takes a minute."""
    command = [sys.executable, str(HERE / "fake_server.py"), str(tmp_path / "fake"), "60"]
    with running(command, {"GRADIO_TEMP_DIR": str(tmp_path / "uploads")}) as server:
        yield server


class Window:
    """One browser window; remembers every host it asked and every error it met."""

    def __init__(self, browser, width: int = 1440, height: int = 900) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(parts.netloc)

    def percent(self) -> int:
        return int(self.page.locator(".lift [role=progressbar]").get_attribute("aria-valuenow"))


def shoot(window: Window, name: str) -> None:
    """Keep a picture of a state, if pictures are wanted."""
    if os.environ.get("LIFT_SCREENSHOTS") == "1":
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        window.page.mouse.move(0, 0)
        window.page.wait_for_timeout(800)
        window.page.screenshot(path=SCREENSHOTS / f"{name}.png")


def read_sample(window: Window, url: str) -> None:
    """From the empty room to the sample book's first page."""
    window.page.goto(url)
    expect(window.page.locator(".welcome")).to_be_visible()
    shoot(window, "empty")
    window.page.click("#sample")
    expect(window.page.locator(".leaf .text")).to_be_visible()
    expect(window.page.locator(".about .facts")).to_contain_text("words")
    shoot(window, "reading")


def start_learning(window: Window) -> None:
    """Begin a lift and wait until it is under way."""
    window.page.click("#learn-button")
    expect(window.page.locator(".progress-line")).to_contain_text("step")
    expect(window.page.locator(".ribbon .k").first).to_be_visible()
    shoot(window, "lifting")


def ask(window: Window, question: str) -> None:
    """Ask and wait for the whole answer, its citation and the button for the next question."""
    window.page.fill("#question textarea", question)
    window.page.press("#question textarea", "Enter")
    expect(window.page.locator("#chat a.cite").first).to_be_visible()
    expect(window.page.locator("#send")).to_be_visible()


def test_the_story_of_a_reader(browser, room: Server) -> None:
    window = Window(browser)
    page = window.page
    read_sample(window, room.url)
    expect(page.locator(".spine")).to_contain_text("not learned")
    expect(page.locator("#arm input")).to_have_count(1)
    assert page.evaluate("window.hacked") is None

    start_learning(window)
    expect(page.locator("#arm input")).to_have_count(3)
    before = window.percent()
    page.reload()
    expect(page.locator(".progress-line")).to_be_visible()
    assert window.percent() >= before
    second = Window(browser)
    second.page.goto(room.url)
    expect(second.page.locator(".progress-line")).to_be_visible()
    assert abs(second.percent() - window.percent()) <= 10

    ask(window, "Who rang the bell until dawn?")
    expect(page.locator("#chat .said").last).to_contain_text("Tilda Wren rang the bell")
    page.click("#chat a.cite")
    expect(page.locator(".leaf[data-page='2'] mark")).to_have_text(
        "Tilda Wren rang the bell until dawn."
    )
    expect(page.locator("mark")).to_be_in_viewport()
    shoot(window, "chatting")
    expect(second.page.locator("#chat a.cite")).to_be_visible()

    page.reload()
    expect(page.locator("#chat a.cite")).to_be_visible()
    expect(page.locator(".leaf[data-page='2']")).to_be_visible()

    page.click("#pause")
    expect(page.locator(".progress-line")).to_contain_text("paused")
    expect(second.page.locator("#resume")).to_be_visible()
    page.click("#cancel")
    expect(page.locator("#learn-button")).to_be_visible()

    host = urlsplit(room.url).netloc
    assert window.hosts == second.hosts == {host}
    assert window.errors == second.errors == []


def test_a_book_cannot_act_in_the_page(browser, room: Server, tmp_path: Path) -> None:
    evil = (
        "<img src='http://example.invalid/a.png' onerror='window.hacked=1'> "
        "![x](http://example.invalid/b.png) <script>window.hacked=1</script> and the key is blue."
    )
    file = tmp_path / "evil.txt"
    file.write_text(evil)
    window = Window(browser)
    window.page.goto(room.url)
    expect(window.page.locator(".welcome")).to_be_visible()
    window.page.set_input_files("#drop input[type=file]", file)
    expect(window.page.locator(".leaf .text")).to_contain_text("<script>")
    ask(window, "img src onerror hacked script the key is blue")
    window.page.click("#chat a.cite")
    expect(window.page.locator("mark")).to_be_visible()
    assert window.page.evaluate("window.hacked") is None
    assert window.page.locator("#chat img, .leaf img").count() == 0
    assert window.hosts == {urlsplit(room.url).netloc}


def test_an_unreadable_file_is_told_in_the_page(
    browser,
    room: Server,
    tmp_path: Path,
) -> None:
    file = tmp_path / "empty.txt"
    file.write_text("\n")
    window = Window(browser)
    window.page.goto(room.url)
    expect(window.page.locator(".welcome")).to_be_visible()
    window.page.set_input_files("#drop input[type=file]", file)
    expect(window.page.locator("#notice [role=alert]")).to_contain_text("empty.txt is empty")
    assert "Traceback" not in window.page.content()


def test_a_phone_shows_one_pane_at_a_time(browser, room: Server) -> None:
    window = Window(browser, 390, 844)
    page = window.page
    read_sample(window, room.url)
    ask_pane, book_pane = page.locator("#chat-pane"), page.locator("#book-pane")
    expect(ask_pane).to_be_hidden()
    page.click("#panes [data-pane=chat]")
    expect(book_pane).to_be_hidden()
    ask(window, "What did the lamp burn?")
    page.click("#chat a.cite")
    expect(page.locator("mark")).to_be_in_viewport()
    expect(ask_pane).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_theme_is_remembered(browser, room: Server) -> None:
    window = Window(browser)
    window.page.goto(room.url)
    dark = "document.body.classList.contains('dark')"
    expect(window.page.locator(".welcome")).to_be_visible()
    before = window.page.evaluate(dark)
    window.page.click(".theme")
    assert window.page.evaluate(dark) is not before
    window.page.reload()
    expect(window.page.locator(".welcome")).to_be_visible()
    assert window.page.evaluate(dark) is not before
