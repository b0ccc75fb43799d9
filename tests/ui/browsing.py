"""A reader at a browser: windows of a real Chromium, and the steps that several stories share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

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
SCREENSHOTS = Path(__file__).parent.parent.parent / "assets" / "screenshots"
PATIENCE = 30_000
"""Milliseconds that a step may take on a busy machine."""

if CHROMIUM is None:
    pytest.skip("Chromium is not installed", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = sync_api.expect


def chromium() -> Iterator[object]:
    """The browser, for a fixture."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        Window.close_all()  # or the next module's fixtures would close what has no browser any more
        browser.close()


class Window:
    """One browser window; remembers every host it asked and every error it met."""

    opened: ClassVar[list[Window]] = []

    def __init__(self, browser, width: int = 1440, height: int = 900) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        self.opened.append(self)
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(parts.netloc)

    @classmethod
    def close_all(cls) -> None:
        """Close every window: each would go on asking its server once a second."""
        while cls.opened:
            cls.opened.pop().page.close()

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
    # A slow machine measures itself first.
    under_way = expect(window.page.locator(".progress-line"))
    under_way.to_contain_text("step", timeout=4 * PATIENCE)
    expect(window.page.locator(".strip .k").first).to_be_visible(timeout=4 * PATIENCE)


def ask(window: Window, question: str, patience: int = PATIENCE) -> None:
    """Ask and wait for the whole answer, its citation and the button for the next question."""
    window.page.fill("#question textarea", question)
    window.page.press("#question textarea", "Enter")
    expect(window.page.locator("#chat a.cite").first).to_be_visible(timeout=patience)
    expect(window.page.locator("#send")).to_be_visible(timeout=patience)
