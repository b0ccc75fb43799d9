"""A shared app in a real Chromium: two visitors, links from another site, the frame of a Space."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browsing import PATIENCE, chromium, expect
from serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.isolation]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another site: `localhost` is one beside `127.0.0.1`. Its page shows a link or a frame."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, _, target = self.path[1:].partition("/")
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            link = f'<a href="{target}">go</a>'
            frame = f'<iframe src="{target}" width="1200" height="800"></iframe>'
            self.wfile.write((link if kind == "link" else frame).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    site = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://localhost:{site.server_address[1]}"
    site.shutdown()
    site.server_close()


def page_of(browser, width: int = 1440):
    """A page in a browser of its own: no cookie of another one."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    return page


def titles(page) -> list[str]:
    return page.locator("#shelf [data-act=book]").all_inner_texts()


def test_two_browsers_have_two_shelves(
    browser, shared: Server, tmp_path: Path, elsewhere: str
) -> None:
    mine, theirs = page_of(browser), page_of(browser)
    for page, marker in ((mine, "ZANZIBRON"), (theirs, "QUORVATEL")):
        file = tmp_path / f"{marker}.txt"
        file.write_text(f"The {marker} of the house was blue.")
        page.goto(shared.url)
        expect(page.locator(".welcome")).to_be_visible()
        expect(page.locator("#your-shelf")).to_contain_text("yours alone")
        page.set_input_files("#drop input[type=file]", file)
        expect(page.locator(".leaf .text")).to_contain_text(marker)
    mine.fill("#question textarea", "What was blue in the house?")
    mine.click("#send")
    expect(mine.locator("#chat a.cite")).to_be_visible()
    for page, other in ((mine, "QUORVATEL"), (theirs, "ZANZIBRON")):
        page.reload()
        expect(page.locator("#shelf")).to_contain_text("QUOR" if page is theirs else "ZANZ")
        assert other not in page.content()
    book = theirs.locator(".leaf").get_attribute("data-book")
    mine.goto(f"{shared.url}?book={book}&at=1")
    expect(mine.locator("#shelf")).to_contain_text("ZANZIBRON")
    assert "QUORVATEL" not in mine.content()

    # A link on another site leads to the visitor's own shelf, not to a new one.
    mine.goto(f"{elsewhere}/link/{shared.url}")
    mine.click("a")
    expect(mine.locator("#shelf")).to_contain_text("ZANZIBRON")
    assert mine.evaluate("document.cookie") == ""  # no script sees the pass


def test_another_site_can_neither_frame_nor_drive_it(
    browser, shared: Server, elsewhere: str
) -> None:
    page = page_of(browser)
    page.goto(shared.url)
    expect(page.locator(".welcome")).to_be_visible()
    page.goto(f"{elsewhere}/frame/{shared.url}")
    page.wait_for_timeout(500)
    assert page.frame_locator("iframe").locator("#room").count() == 0
    answer = page.evaluate(
        """async (url) => {
            const send = (mode) => fetch(url + 'gradio_api/call/books', {
                method: 'POST', mode, credentials: 'include', body: '{"data": []}',
                headers: {'content-type': 'text/plain'}}).then(
                    (r) => r.type + r.status, () => 'no');
            return [await send('cors'), await send('no-cors')];
        }""",
        shared.url,
    )
    assert answer[0] in ("no", "cors403") and answer[1] in ("no", "opaque0")
