"""Two visitors of one shared app: whatever either does, nothing of the other comes back."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client.exceptions import AppError
from serving import HERE, Server
from visiting import Guest

sys.path.insert(0, str(HERE.parent / "reading"))
from reading_documents import make_pdf, text_page

from lift_app.ui.belongings import MOST_UNHEARD

pytestmark = pytest.mark.isolation

MARKERS = ("ZANZIBRON", "QUORVATEL")
QUESTIONS = 25


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A PDF of marker words for each visitor; the questions are the same."""
    paths = []
    for marker in MARKERS:
        lines = [f"In the year {1900 + n} the {marker} of room {n} was blue." for n in range(24)]
        path = tmp_path_factory.mktemp("book") / f"{marker.lower()}.pdf"
        path.write_bytes(make_pdf([text_page(lines[:12]), text_page(lines[12:])], title=marker))
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def guests(shared: Server) -> tuple[Guest, Guest]:
    return Guest(shared.url), Guest(shared.url)


@pytest.fixture(scope="module")
def books(guests: tuple[Guest, Guest], files: list[Path]) -> list[dict[str, Any]]:
    return [guest.add(file) for guest, file in zip(guests, files, strict=True)]


def others(number: int) -> str:
    return MARKERS[1 - number]


def test_fifty_interleaved_questions(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]]
) -> None:
    def ask(number: int, turn: int) -> dict[str, Any]:
        question = f"What was blue in room {turn % 24} in the year {1900 + turn % 24}?"
        return guests[number].ask(books[number]["id"], question)

    with ThreadPoolExecutor(2) as pool:
        lanes = [
            pool.submit(lambda n=number: [ask(n, turn) for turn in range(QUESTIONS)])
            for number in (0, 1)
        ]
        answers = [lane.result() for lane in lanes]
    for number in (0, 1):
        assert len(answers[number]) == QUESTIONS
        for answer in answers[number]:
            assert MARKERS[number] in answer["answer"]
            assert MARKERS[number] in answer["citations"][0]["quote"]
            assert others(number) not in str(answer)


def test_lists_and_chats_hold_ones_own(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]]
) -> None:
    for number, guest in enumerate(guests):
        assert [book["title"] for book in guest.books()] == [MARKERS[number]]
        shown = guest.event("load", [None])
        assert MARKERS[number] in shown and others(number) not in shown
        shown = guest.event("send.click", [None, "What was blue in room 3?", "ICL", True, 0.5])
        assert f"{MARKERS[number]} of room 3" in shown and others(number) not in shown
        shown = guest.run("tick", [None])
        assert others(number) not in shown


def test_another_ones_ids_lead_nowhere(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]]
) -> None:
    thief, theirs = guests[0], books[1]
    for name, arguments in (
        ("/ask", (theirs["id"], "What was blue in room 3?")),
        ("/ask", (MARKERS[1], "What was blue?")),
        ("/ask", (theirs["id"][:8], "What was blue?")),
        ("/tune", (theirs["id"],)),
        ("/status", (theirs["id"],)),
        ("/pause", (theirs["id"],)),
        ("/cancel", (theirs["id"],)),
        ("/resume", (theirs["id"],)),
    ):
        with pytest.raises(AppError) as caught:
            thief.client.predict(*arguments, api_name=name)
        assert "No book on the shelf" in str(caught.value), name
    mine, picture = books[0]["id"], f"pages/{theirs['id']}/1.jpg"
    assert thief.web.get(picture).status_code == 404
    assert thief.web.get(f"pages/{mine}/1.jpg").headers["content-type"] == "image/jpeg"
    assert guests[1].web.get(picture).status_code == 200
    for act in ({"act": "book", "book": theirs["id"]}, {"act": "find", "value": "blue"}):
        shown = thief.run("act", [None], event_data=act)
        assert MARKERS[1] not in shown
    shown = thief.event("load", [None], "window-with-an-address")
    assert MARKERS[1] not in shown


def test_a_chat_of_another_one_is_not_given_out(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]], shared: Server
) -> None:
    import sqlite3

    guests[1].event("load", [None], "second")
    guests[1].event("send.click", [None, "What was blue in room 5?", "ICL", True, 0.5], "second")
    home = Path(shared.process.args[2])  # type: ignore[index]
    with sqlite3.connect(home / "library.db") as connection:
        owner = "SELECT owner FROM books WHERE title = ?"
        rows = connection.execute(
            f"SELECT id FROM chats WHERE owner = ({owner})", [MARKERS[1]]
        ).fetchall()
    connection.close()
    for (chat,) in rows:
        assert MARKERS[1] in guests[1].web.get(f"chats/{chat}.md").text
        answer = guests[0].web.get(f"chats/{chat}.md")
        assert answer.status_code == 404 and MARKERS[1] not in answer.text
    assert rows


def test_a_window_of_another_one_is_closed(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]]
) -> None:
    thief, theirs = guests[0], guests[1].window
    guests[1].event("load", [None])
    assert thief.event("load", [None], theirs).startswith("403")
    assert "another visitor" in thief.run("tick", [None], theirs)
    assert thief.listen(theirs).startswith("403")
    for path, body in (
        ("gradio_api/cancel", {"session_hash": theirs, "fn_index": 0, "event_id": "x"}),
        ("gradio_api/reset", {"session_hash": theirs, "fn_index": 0, "event_id": "x"}),
        ("gradio_api/call/books", {"data": [], "session_hash": theirs}),
    ):
        assert thief.web.post(path, json=body).status_code == 403, path
    assert thief.web.get(f"gradio_api/heartbeat/{theirs}").status_code == 403
    assert thief.web.get(f"gradio_api/call/books/{theirs}").status_code == 403
    assert MARKERS[1] in guests[1].event("load", [None])  # it still is the other one's


def test_a_stranger_with_many_windows_takes_nobodys_place(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]], shared: Server
) -> None:
    """Gradio remembers so many windows in all; whoever opened most would push out the others."""
    reader = guests[1]
    reader.event("load", [None], "reading")
    reader.run("act", [None], "reading", event_data={"act": "settings"})
    for _ in range(2):
        stranger = Guest(shared.url)
        for number in range(66):  # of a visitor, the door lets 120 requests through at once
            stranger.run("tick", [None], f"{stranger.window}-{number}")
    closed = reader.run("act", [None], "reading", event_data={"act": "settings"})
    assert "preferences" not in closed  # it was open, so the window was not forgotten


def test_what_nobody_listens_to_is_not_kept_without_end(shared: Server) -> None:
    guest = Guest(shared.url)
    body = {"fn_index": guest.event_number("edit.click"), "data": [None], "session_hash": "deaf"}
    answers = [guest.web.post("gradio_api/queue/join", json=body) for _ in range(MOST_UNHEARD + 1)]
    assert answers[-2].status_code == 200 and answers[-1].status_code == 429
    assert "Listen first" in answers[-1].text
    guest.listen("deaf")
    assert guest.web.post("gradio_api/queue/join", json=body).status_code == 200


def test_an_event_of_another_one_is_neither_heard_nor_cancelled(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]]
) -> None:
    thief, owner = guests
    event = owner.web.post("gradio_api/call/books", json={"data": []}).json()["event_id"]
    for verb in ("call/books", "call/v2/books", "call/x"):
        assert thief.web.get(f"gradio_api/{verb}/{event}").status_code == 403
    body = {"session_hash": thief.window, "fn_index": 0, "event_id": event}
    assert thief.web.post("gradio_api/cancel", json=body).status_code == 403
    assert MARKERS[1] in owner.web.get(f"gradio_api/call/books/{event}").text


def test_stop_ends_ones_own_answer_alone(
    guests: tuple[Guest, Guest], books: list[dict[str, Any]]
) -> None:
    for guest in guests:
        guest.event("load", [None], f"{guest.window}-slow")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(guests[1].ask, books[1]["id"], "What, slowly, was blue in room 7?")
        guests[0].run("stop.click", [None])
        assert f"{MARKERS[1]} of room 7 was blue." in slow.result()["answer"]


def test_an_upload_is_no_address(guests: tuple[Guest, Guest]) -> None:
    sent = guests[1].web.post("gradio_api/upload", files={"files": ("secret.txt", b"QUORVATEL x")})
    [path] = sent.json()
    assert Path(path).is_file()
    for who in guests:
        for address in (f"gradio_api/file={path}", f"file={path}", f"gradio_api/file/{path}"):
            assert who.web.get(address).status_code == 404
    Path(path).unlink()


def test_a_file_that_another_one_sent_cannot_be_added(guests: tuple[Guest, Guest]) -> None:
    """Its path is the sum of what is in it: who knows that need not have the file."""
    thief, owner = guests
    sent = owner.web.post("gradio_api/upload", files={"files": ("s.txt", b"QUORVATEL secret")})
    [path] = sent.json()
    folder = str(Path(path).parent)
    for spelled in (path, f"{folder}/../{Path(folder).name}/s.txt", f"{folder}//./s.txt"):
        file = {"path": spelled, "meta": {"_type": "gradio.FileData"}}
        for address, body in (
            ("call/add_book", {"data": [file]}),
            ("call/v2/add_book", {"file": file}),
            ("queue/join", {"data": [None, [file]], "fn_index": 0, "session_hash": "thiefs"}),
            ("run/add_book", {"data": [{"x": [spelled]}]}),
        ):
            answer = thief.web.post(f"gradio_api/{address}", json=body)
            assert answer.status_code == 403 and "another visitor" in answer.text, address
    assert Path(path).is_file()
    file = {"path": path, "orig_name": "s.txt", "meta": {"_type": "gradio.FileData"}}
    added = owner.verb("add_book", file)
    assert added["title"] == "S" and not Path(path).exists()


def test_without_a_pass_nothing_personal_is_given_or_taken(
    shared: Server, books: list[dict[str, Any]]
) -> None:
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"pages/{books[0]['id']}/1.jpg", {}),
        ("GET", "gradio_api/queue/data?session_hash=x", {}),
        ("GET", "gradio_api/heartbeat/x", {}),
        ("POST", "gradio_api/call/books", {"json": {"data": []}}),
        ("POST", "gradio_api/run/books", {"json": {"data": []}}),
        ("POST", "gradio_api/queue/join", {"json": {"data": [], "session_hash": "x"}}),
        ("POST", "gradio_api/upload", {"files": {"files": ("a.txt", b"x")}}),
    ]
    forged = "0" * 32 + "." + "0" * 64
    for cookie in ({}, {"cookie": f"lift_pass={forged}"}, {"cookie": "lift_pass=local; \x01"}):
        for method, path, more in attempts:
            answer = httpx.request(method, shared.url + path, headers=cookie, **more)
            assert answer.status_code == 403 and "Open the page" in answer.text, path
            assert "set-cookie" not in answer.headers
    assert httpx.get(shared.url + "config").status_code == 200


def test_a_full_shelf_and_a_large_file_are_refused_politely(shared: Server, tmp_path: Path) -> None:
    guest = Guest(shared.url)
    for number in range(9):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"Book {number} of the shelf.")
        if number < 8:
            guest.add(path)
    with pytest.raises(AppError, match="a visitor may keep 8"):
        guest.add(path)
    large = {"files": ("large.txt", b"x" * (4 * 2**20 + 1))}
    assert guest.web.post("gradio_api/upload", files=large).status_code == 413
    body = {"data": ["x" * 2**20], "fn_index": 0, "session_hash": "y"}
    assert guest.web.post("gradio_api/queue/join", json=body).status_code == 413
    guest.web.get("/")
    assert "up to 8 books and 4 MB" in guest.web.get("config").text
    # Requests that come too fast are refused, and only of who sends them.
    answers = [guest.web.post("gradio_api/reset", json={}).status_code for _ in range(200)]
    assert 429 in answers
    assert Guest(shared.url).web.post("gradio_api/reset", json={}).status_code != 429
