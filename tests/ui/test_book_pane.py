"""The book pane in a real Chromium: printed pages, the marked passage, search, selection."""

from __future__ import annotations

import io
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from browsing import Window, ask, chromium, expect
from PIL import Image
from serving import HERE, Server, running

sys.path.insert(0, str(HERE.parent / "reading"))
from reading_documents import make_pdf, prose, text_page, wrap

pytestmark = pytest.mark.browser
PAGES = 350
KEEPER = (
    "Tilda Wren rang the great bell of Osk from midnight until the grey dawn, and nobody slept."
)
TURN = """async (page) => {
  const start = performance.now();
  document.querySelector('#leaf .turner:first-of-type button:last-of-type').click();
  for (;;) {
    const picture = document.querySelector(`.leaf[data-page='${page}'] .sheet img`);
    if (picture?.complete && picture.naturalWidth) { await picture.decode(); break; }
    await new Promise((done) => setTimeout(done, 1));
  }
  return performance.now() - start;
}"""
MARKED = """() => {
  const inside = [];
  const boxes = [...document.querySelectorAll('.sheet .mark')].map((mark) => mark.getBBox());
  for (const line of document.querySelectorAll('.sheet .words text')) {
    for (let at = 0; at < line.getNumberOfChars(); at += 1) {
      const box = line.getExtentOfChar(at);
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      const hit = (b) => b.x < x && x < b.x + b.width && b.y < y && y < b.y + b.height;
      if (boxes.some(hit)) inside.push(line.textContent[at]);
    }
  }
  return inside.join('');
}"""


def make_book() -> bytes:
    pages = []
    for number in range(1, PAGES + 1):
        text = prose(number, 8) if number != 200 else f"{prose(200, 3)} {KEEPER} {prose(201, 3)}"
        pages.append(text_page(wrap(text).split("\n")))
    chapters = [("The Harbour", 0), ("The Storm", 150), ("The Medal", 300)]
    return make_pdf(pages, title="The Lamp of Osk", author="Ida Marsh", outline=chapters)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    yield from chromium()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A room over the real library, with a PDF of 350 pages in it."""
    home = tmp_path_factory.mktemp("books")
    (home / "osk.pdf").write_bytes(make_book())
    command = [sys.executable, str(HERE / "book_server.py"), str(home / "home")]
    environment = {"GRADIO_TEMP_DIR": str(home / "uploads")}
    with running([*command, str(home / "osk.pdf")], environment) as server:
        yield server


@pytest.fixture
def window(browser: object, room: Server) -> Iterator[Window]:
    window = Window(browser)
    window.page.goto(room.url)
    expect(window.page.locator(".sheet img")).to_be_visible()
    yield window
    assert window.errors == []
    assert window.hosts == {urlsplit(room.url).netloc}
    Window.close_all()


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_a_citation_marks_its_words_on_the_printed_page(window: Window) -> None:
    page = window.page
    ask(window, "Who rang the great bell of Osk from midnight until dawn?")
    page.click("#chat a.cite")
    expect(page.locator(".leaf[data-page='200'] .mark").first).to_be_in_viewport()
    assert squeezed(page.evaluate(MARKED)) == squeezed(KEEPER)
    page.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(page.locator(".mark").first.screenshot())).convert("RGB")
    colours = picture.get_flattened_data()
    yellow = sum(r > 200 and g > 180 and b < 140 for r, g, b in colours)
    ink = sum(max(colour) < 110 for colour in colours)
    assert yellow > 0.5 * len(colours) and ink > 0.02 * len(colours)

    page.click(".views [data-view=text]")
    expect(page.locator(".leaf .text mark")).to_have_text(KEEPER)
    page.click(".views [data-view=print]")
    expect(page.locator(".leaf .mark").first).to_be_visible()


def test_a_page_turns_quickly_after_the_first(window: Window) -> None:
    page = window.page
    page.fill(".goto input", "40")
    page.press(".goto input", "Enter")
    expect(page.locator(".leaf[data-page='40'] .sheet img")).to_be_visible()
    times = []
    for number in range(41, 51):
        page.wait_for_timeout(500)  # as long as the quickest look at a page
        times.append(page.evaluate(TURN, number))
    print("milliseconds a turn:", [round(time) for time in times])
    # Promised are 150 ms on a machine that does nothing else; this one may be testing, too.
    assert statistics.median(times) < 300


def test_a_reader_in_a_hurry_stays_where_they_turned_to(window: Window) -> None:
    page = window.page
    expect(page.locator(".sheet img")).to_be_visible()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(30)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1500)  # everything that was under way has come
    shown = page.get_attribute(".leaf", "data-page")
    expect(page.locator(".strip .cell[aria-current]")).to_have_count(1)
    page.reload()
    expect(page.locator(".leaf")).to_have_attribute("data-page", shown)
    page.keyboard.press("ArrowRight")
    expect(page.locator(".leaf")).to_have_attribute("data-page", str(int(shown) + 1))


def test_pages_turn_by_key_number_and_contents(window: Window) -> None:
    page = window.page
    page.keyboard.press("ArrowRight")
    expect(page.locator(".leaf[data-page='2']")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".leaf[data-page='1']")).to_be_visible()
    page.fill(".goto input", "177")
    page.press(".goto input", "Enter")
    expect(page.locator(".leaf[data-page='177']")).to_be_visible()
    expect(page.locator(".turner .chapter")).to_have_text("The Storm")
    page.click(".contents summary")
    page.click(".contents li:last-child button")
    expect(page.locator(".leaf[data-page='301']")).to_be_visible()
    page.fill(".goto input", "none")
    page.press(".goto input", "Enter")
    expect(page.get_by_text("There is no page “none” in this book.")).to_be_visible()
    page.reload()
    expect(page.locator(".leaf[data-page='301'] .sheet img")).to_be_visible()


def test_search_lists_places_and_marks_the_words(window: Window) -> None:
    page = window.page
    page.fill(".finder input", "great bell of Osk")
    page.press(".finder input", "Enter")
    expect(page.locator(".found [role=status]")).to_contain_text("1 place has")
    page.click(".found li button")
    expect(page.locator(".leaf[data-page='200'] .mark")).to_be_in_viewport()
    assert squeezed(page.evaluate(MARKED)) == "greatbellofOsk"
    expect(page.locator(".found li button[aria-current]")).to_be_visible()
    page.fill(".finder input", "submarine")
    page.press(".finder input", "Enter")
    expect(page.locator(".found")).to_contain_text("is not in this book")
    page.fill(".finder input", "")
    page.press(".finder input", "Enter")
    expect(page.locator(".found")).to_have_count(0)


def test_a_selected_passage_can_be_asked_about(window: Window) -> None:
    page = window.page
    lines = page.locator(".sheet .words text")
    first, last = lines.nth(1).bounding_box(), lines.nth(2).bounding_box()
    page.mouse.move(first["x"] + 2, first["y"] + first["height"] / 2)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] / 2, last["y"] + last["height"] / 2, steps=5)
    page.mouse.up()
    expect(page.locator("#ask-selection")).to_be_in_viewport()
    page.click("#ask-selection")
    box = page.locator("#question textarea")
    expect(box).to_be_focused()
    said = box.input_value()
    assert said.startswith("About “") and said.endswith("”: ")
    assert squeezed(lines.nth(1).text_content()) in squeezed(said)
    expect(page.locator("#ask-selection")).to_be_hidden()


def test_the_picture_is_for_the_room_alone(window: Window, room: Server) -> None:
    address = f"{room.url}pages/{window.page.get_attribute('.leaf', 'data-book')}/1.jpg"
    own = httpx.get(address)
    assert own.headers["content-type"] == "image/jpeg"
    assert "immutable" in own.headers["cache-control"]
    assert own.headers["cross-origin-resource-policy"] == "same-origin"
    assert httpx.get(address, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    leaf = address.replace("pages", "leaves").replace("1.jpg", "2?view=print")
    assert 'data-page="2"' in httpx.get(leaf).text
    assert httpx.get(leaf, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    for wrong in ("pages/none/1.jpg", "leaves/none/1", address.replace("1.jpg", "999.jpg")):
        assert httpx.get(wrong if wrong.startswith("http") else room.url + wrong).status_code == 404


def test_a_phone_shows_the_passage(browser: object, room: Server) -> None:
    window = Window(browser, 390, 844)
    page = window.page
    page.goto(room.url)
    expect(page.locator(".sheet img")).to_be_visible()
    page.click("#panes [data-pane=chat]")
    ask(window, "Who rang the great bell of Osk from midnight until dawn?")
    page.locator("#chat a.cite").last.click()
    expect(page.locator(".leaf[data-page='200'] .mark").first).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_new_pdf_is_read_page_by_page(browser: object, room: Server, tmp_path: Path) -> None:
    file = tmp_path / "new.pdf"
    file.write_bytes(make_pdf([text_page(["A short note about the moon."])], title="Moon"))
    window = Window(browser)
    page = window.page
    page.goto(room.url)
    page.set_input_files("#drop input[type=file]", file)
    expect(page.locator(".about h2")).to_have_text("Moon")
    expect(page.locator(".about .facts")).to_be_visible()
    page.click(".desk")
    expect(page.locator("#learn-button")).to_be_hidden()
    expect(page.locator(".sheet .words")).to_contain_text("about the moon")
