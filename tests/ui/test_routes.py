"""What the page fetches besides Gradio's own, over a real library: what is there, what is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import HERE
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.ui.door import Door
from lift_app.ui.routes import routes

sys.path.insert(0, str(HERE.parent / "reading"))
from reading_documents import make_pdf, text_page


@pytest.fixture
def reader(settings: Settings) -> Iterator[Reader]:
    with Reader(settings) as opened:
        yield opened


@pytest.fixture
def web(reader: Reader) -> TestClient:
    return TestClient(Starlette(routes=routes(Door(reader))))


@pytest.fixture
def book(reader: Reader, tmp_path: Path) -> str:
    file = tmp_path / "quell.pdf"
    file.write_bytes(make_pdf([text_page(["The keeper of Quell lit the lamp."])], title="Quell"))
    return str(reader.add(file)["id"])


def test_each_is_for_the_own_page_alone(reader: Reader, web: TestClient, book: str) -> None:
    chat = reader.new_chat(book)["id"]
    for path, kind in (
        (f"/leaves/{book}/1?view=text", "text/html"),
        (f"/pages/{book}/1.jpg?width=900", "image/jpeg"),
        (f"/pages/{book}/1.jpg", "image/jpeg"),
        (f"/chats/{chat}.md", "text/markdown"),
    ):
        for site in ("same-origin", "none"):
            answer = web.get(path, headers={"sec-fetch-site": site})
            assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        for site in ("cross-site", "same-site"):
            answer = web.get(path, headers={"sec-fetch-site": site})
            assert answer.status_code == 403 and answer.content == b""
    assert len(web.app.routes) == 3  # a fourth is to be tried here, too


@pytest.mark.parametrize("number", ["0", "2", str(2**63), "9" * 5000, "-1", "1.5", "x", "١"])
def test_a_number_that_no_page_has_is_not_found(web: TestClient, book: str, number: str) -> None:
    for path in (f"/leaves/{book}/{number}", f"/pages/{book}/{number}.jpg"):
        for view in ("print", "text"):
            answer = web.get(path, params={"view": view})
            assert answer.status_code == 404 and "page" in answer.text


def test_a_width_that_is_none_and_a_book_that_is_not_there(web: TestClient, book: str) -> None:
    for path in (
        f"/pages/{book}/1.jpg?width=wide",
        f"/pages/{book}/1.jpg?width={'9' * 5000}",
        "/pages/none/1.jpg",
        "/leaves/none/1",
        "/chats/none.md",
    ):
        assert web.get(path).status_code == 404


def test_a_leaf_is_sent_without_what_only_the_shelf_needs(
    reader: Reader, web: TestClient, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cover, details = reader.pages.cover(book), reader.show(book)
    assert all(cover[name] == details[name] for name in cover if name != "report")
    assert cover["report"].items() <= details["report"].items()
    monkeypatch.setattr(reader, "show", lambda _: pytest.fail("estimates, lifts and chats"))
    assert "The keeper of Quell" in web.get(f"/leaves/{book}/1?view=text").text
