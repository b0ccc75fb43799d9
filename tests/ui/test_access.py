"""The reading room for everybody: axe finds nothing serious, and the keyboard is enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Window, ask, chromium, expect, read_sample
from fake_reader import FakeReader
from serving import opened

Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
pytestmark = pytest.mark.browser
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return opened(FakeReader(tmp_path / "fake", seconds_a_lift=60), tmp_path)


def serious(window: Window) -> list[str]:
    """What axe finds serious or critical, in words."""
    found = Axe().run(window.page, options=RULES).response["violations"]
    return [
        f"{one['id']}: {one['help']} {[node['html'][:150] for node in one['nodes']][:4]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.slow
def test_axe_finds_nothing_serious(browser: object, url: str) -> None:
    window = Window(browser)
    page = window.page
    page.goto(url)
    expect(page.locator(".welcome")).to_be_visible()
    found = {"empty": serious(window)}
    read_sample(window, url)
    found["added"] = serious(window)
    page.click("#learn-button")
    expect(page.locator(".progress-line")).to_contain_text("step")
    found["learning"] = serious(window)
    ask(window, "Who rang the bell until dawn?")
    page.click("#chat a.cite")
    expect(page.locator("mark")).to_be_visible()
    page.fill(".finder input", "bell")
    page.press(".finder input", "Enter")
    expect(page.locator(".found li").first).to_be_visible()
    page.click("#compare-button")
    expect(page.locator(".compare .said").first).to_be_visible()
    expect(page.locator("#send")).to_be_visible()
    found["reading"] = serious(window)
    page.click(".theme")
    page.wait_for_timeout(300)
    found["other theme"] = serious(window)
    page.click(".gear")
    expect(page.locator(".preferences")).to_be_visible()
    page.click(".sure summary")
    found["settings, other theme"] = serious(window)
    page.click(".theme")
    page.wait_for_timeout(300)
    found["settings"] = serious(window)
    assert {state: issues for state, issues in found.items() if issues} == {}


def test_the_story_by_keyboard_alone(browser: object, url: str) -> None:
    window = Window(browser)
    page = window.page
    read_sample(window, url)
    expect(page.locator("#question textarea")).to_be_visible()

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        pytest.fail(f"no Tab leads to {selector}")

    tab_to(".finder input")
    page.keyboard.type("bell")
    page.keyboard.press("Enter")
    expect(page.locator(".found li").first).to_be_visible()
    tab_to(".found li button")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_be_visible()
    tab_to(".turner [aria-label='Next page']:not([disabled])")
    page.keyboard.press("Enter")
    expect(page.locator(".leaf[data-page='3']")).to_be_visible()
    tab_to(".strip .cell")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator(".leaf[data-page='1']")).to_be_visible()
    tab_to("#question textarea")
    page.keyboard.type("Who rang the bell until dawn?")
    page.keyboard.press("Enter")
    expect(page.locator("#chat a.cite").last).to_be_visible()
    expect(page.locator("#send")).to_be_visible()
    page.keyboard.press("Shift+Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.matches('a.cite')"):
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".leaf[data-page='2'] mark")).to_be_in_viewport()
