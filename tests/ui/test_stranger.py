"""A stranger with the address, and a visitor of a shared app: every door of the server is tried.

What is tried here was tried by hand first, on an app with one shelf and on a shared one.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from serving import HERE, Server, running
from visiting import Guest, Refused

pytestmark = [pytest.mark.isolation, pytest.mark.hostile]

SECRET = "the cupboard is in the cellar"


@pytest.fixture(scope="module")
def one_shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("one-shelf")
    (home / "uploads").mkdir()
    (home / "secret.txt").write_text(SECRET)
    command = [sys.executable, str(HERE / "book_server.py"), str(home)]
    with running(command, {"GRADIO_TEMP_DIR": str(home / "uploads")}) as server:
        yield server


@pytest.fixture(params=["one_shelf", "shared"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def guest(server: Server) -> Guest:
    return Guest(server.url)


def home_of(server: Server) -> Path:
    return Path(server.process.args[2])  # type: ignore[index]


def test_addresses_that_a_reading_room_does_not_need_are_closed(guest: Guest) -> None:
    for method, path in (
        ("GET", "gradio_api/file=https://example.invalid/x"),  # the server would fetch it
        ("HEAD", "gradio_api/file=https://example.invalid/x"),
        ("GET", "gradio_api/proxy=https://example.hf.space/x"),
        ("GET", "gradio_api/deep_link?session_hash=x"),  # keeps a window's state in a file
        ("GET", "monitoring"),
        ("GET", "monitoring/summary"),
        ("GET", "gradio_api/monitoring/summary"),
        ("GET", "monitoring/x/dashboard"),
        ("POST", "gradio_api/process_recording"),
        ("POST", "gradio_api/component_server"),
        ("POST", "gradio_api/stream/x"),
        ("GET", "gradio_api/stream/x/1/1/playlist.m3u8"),
        ("GET", "gradio_api/run-history/records"),
        ("GET", "gradio_api/runs"),
        ("POST", "gradio_api/vibe-edit"),
        ("GET", "gradio_api/vibe-code"),
        ("GET", "gradio_api/profiling/traces"),
        ("GET", "gradio_api/dev/reload"),
        ("GET", "gradio_api/token"),
        ("GET", "gradio_api/mcp/"),
        ("POST", "login"),
        ("GET", "docs"),
        ("GET", "redoc"),
        ("GET", "openapi.json"),
        ("GET", "pwa_icon/100000"),  # draws a picture of that size
        ("GET", "GRADIO_API/info"),
        ("GET", "gradio_api/info;x"),
        ("GET", "gradio_api/info."),
        ("GET", "gradio_api/monitoring%0A"),
        ("GET", "gradio_api/custom_component/x/client/component/x.js"),
    ):
        assert guest.web.request(method, path).status_code == 404, path


def test_no_spelling_of_a_path_gives_a_file_of_the_machine(guest: Guest, server: Server) -> None:
    secret = home_of(server) / "secret.txt"
    host = urlsplit(server.url)
    for path in (
        f"/gradio_api/file={secret}",
        f"/gradio_api/file%3D{secret}",
        f"//gradio_api/file={secret}",
        f"/gradio_api//file={secret}",
        f"/gradio_api/../gradio_api/file={secret}",
        f"/assets/../../../../../../../..{secret}",
        f"/assets/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..{secret}",
        f"/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{secret}",
        f"/svelte/..%5c..%5c..{secret}",
        "/pages/..%2f..%2fsecret.txt/1.jpg",
        f"/pages/{'../' * 4}secret.txt/1.jpg",
        "/chats/..%2f..%2fsecret.txt.md",
        "/chats/../library.db.md",
        f"/theme.css?path={secret}",
        f"/gradio_api/upload_progress?upload_id=../../{secret}",
    ):
        # By hand: a client would tidy the path up.
        with socket.create_connection((host.hostname, host.port), timeout=20) as line:
            cookie = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
            line.sendall(
                f"GET {path} HTTP/1.1\r\nhost: {host.netloc}\r\ncookie: {cookie}\r\n"
                "connection: close\r\n\r\n".encode()
            )
            line.settimeout(1)
            said = b""
            try:
                while piece := line.recv(65536):
                    said += piece
            except TimeoutError:
                pass  # a stream of events stays open, and says nothing
        assert SECRET.encode() not in said and b"SQLite" not in said, path


def test_a_path_is_no_upload_whoever_says_so(guest: Guest, server: Server) -> None:
    secret = str(home_of(server) / "secret.txt")
    uploads = home_of(server) / "uploads"
    for data in (
        {"path": secret, "meta": {"_type": "gradio.FileData"}},
        {"path": f"{uploads}/../secret.txt", "meta": {"_type": "gradio.FileData"}},
        {"path": "x", "url": f"file://{secret}", "meta": {"_type": "gradio.FileData"}},
        {"path": "x", "url": "http://127.0.0.1:1/x", "meta": {"_type": "gradio.FileData"}},
        secret,
    ):
        answer = guest.web.post("gradio_api/call/add_book", json={"data": [data]}).json()
        heard = guest.web.get(f"gradio_api/call/add_book/{answer.get('event_id')}").text
        assert SECRET not in heard and "sha256" not in heard
        heard = guest.event("drop.upload", [None, [data]])
        assert SECRET not in heard
    titles = [book["title"] for book in guest.books()]
    assert "secret" not in titles


def test_an_upload_lands_in_its_folder_whatever_it_is_called(guest: Guest, server: Server) -> None:
    before = {path for path in home_of(server).rglob("*") if "uploads" not in path.parts}
    for name in ("../../../escaped.txt", "/tmp/escaped.txt", "..\\escaped.txt", "a\0b.txt", ".."):
        guest.web.post("gradio_api/upload", files={"files": (name, b"x")})
        guest.web.post("gradio_api/upload?upload_id=../../x", files={"files": (name, b"x")})
    after = {path for path in home_of(server).rglob("*") if "uploads" not in path.parts}
    assert {path.name for path in after - before} <= {"library.db-wal", "library.db-shm"}
    assert not Path("/tmp/escaped.txt").exists()


def test_odd_requests_are_answered_and_the_app_goes_on(guest: Guest, server: Server) -> None:
    bodies = [
        b"",
        b"null",
        b"[]",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"fn_index": 99999, "data": [], "session_hash": "x"}',
        b'{"fn_index": -1, "data": [], "session_hash": "x"}',
        b'{"fn_index": 0, "data": "x", "session_hash": {"a": 1}}',
        b'{"fn_index": 0, "data": null, "session_hash": "x"}',
        json.dumps({"data": [1e308, {"__type__": "update"}], "session_hash": "\0"}).encode(),
        b'{"data": [NaN], "session_hash": "x", "fn_index": 1}',
    ]
    kind = {"content-type": "application/json"}
    for path in ("queue/join", "run/predict", "call/ask", "call/books", "cancel", "reset"):
        for body in bodies:
            try:
                answer = guest.web.post(f"gradio_api/{path}", content=body, headers=kind)
            except httpx.TransportError:
                continue  # hung up on before it was read to its end: as good a refusal
            assert answer.status_code < 600 and "Traceback" not in answer.text, (path, body[:40])
            time.sleep(0.02)
    guest = Guest(server.url)  # the line of a request that failed is closed
    for act in (None, [], "x", {"act": "turn", "page": "x"}, {"act": "cite", "cite": "9" * 9999}):
        assert "Traceback" not in guest.run("act", [None], event_data=act)
    assert server.process.poll() is None
    assert isinstance(guest.books(), list)


def test_text_from_outside_is_never_a_formula_of_sql_or_search(guest: Guest) -> None:
    for name in ("' OR 1=1 --", '"*', "NEAR(", "a\0b", "%", "\ud800x".encode(errors="replace")):
        answer = guest.web.post("gradio_api/call/status", json={"data": [str(name)]}).json()
        heard = guest.web.get(f"gradio_api/call/status/{answer['event_id']}").text
        assert "event: error" in heard and "sqlite" not in heard.lower()


def test_slow_and_cut_requests_hold_nobody_up(guest: Guest, server: Server) -> None:
    host = urlsplit(server.url)
    lines = []
    for _ in range(40):
        line = socket.create_connection((host.hostname, host.port), timeout=20)
        line.sendall(
            f"POST /gradio_api/upload HTTP/1.1\r\nhost: {host.netloc}\r\n"
            "content-type: multipart/form-data; boundary=x\r\n"
            "content-length: 99999\r\n\r\n--x".encode()
        )
        lines.append(line)
    assert httpx.get(server.url, timeout=10).status_code == 200
    assert isinstance(guest.books(), list)
    for line in lines:
        line.close()
    assert httpx.get(server.url, timeout=10).status_code == 200


def test_no_answer_tells_where_things_are(guest: Guest, server: Server) -> None:
    home = str(home_of(server))
    for path in ("", "config", "gradio_api/info", "gradio_api/startup-events", "theme.css"):
        assert home not in guest.web.get(path).text, path
    for verb, data in (
        ("status", ["nowhere"]),
        ("pause", ["nowhere"]),
        ("tune", ["nowhere", None, None]),
        ("ask", ["nowhere", "Who?", None, True, None]),
        ("ask", []),
    ):
        answer = guest.web.post(f"gradio_api/call/{verb}", json={"data": data}).json()
        assert "event_id" in answer, answer
        assert home not in guest.web.get(f"gradio_api/call/{verb}/{answer['event_id']}").text


def test_cookies_of_others_cost_no_time(guest: Guest) -> None:
    """The standard library takes more than a minute for one of these, and no pass is needed."""
    for cookie in (f'lift_pass="{chr(92) * 60_000}"', f'x="{chr(92) * 60_000}"', "; =" * 20_000):
        answer = httpx.get(f"{guest.url}config", headers={"cookie": cookie}, timeout=20)
        assert answer.status_code == 200


def test_what_one_claims_of_the_address_is_told_to_nobody_else(guest: Guest) -> None:
    claims = {"x-forwarded-host": "evil.example", "x-gradio-server": "http://evil.example"}
    for path in ("gradio_api/info", "gradio_api/openapi.json", "config", ""):
        guest.web.get(path, headers=claims)
        assert "evil.example" not in guest.web.get(path).text, path


def test_no_address_of_the_web_is_looked_up_or_fetched(guest: Guest, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        address = f"http://127.0.0.1:{web.getsockname()[1]}/x.txt"
        file = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
        for data in ([file], [{"deep": [file]}]):
            started = guest.web.post("gradio_api/call/add_book", json={"data": data}).json()
            guest.web.get(f"gradio_api/call/add_book/{started['event_id']}")
        guest.event("drop.upload", [None, [file]])
        guest.event("send.click", [None, file, file, True, file])
        guest.run("act", [file], event_data=file)
        web.settimeout(0.1)
        with pytest.raises(TimeoutError):
            web.accept()
    # Gradio asks a service of names whether an address is public, before it fetches it.
    assert not [line for line in server.lines if "safehttpx" in line]


def test_a_request_writes_no_line_of_the_log(guest: Guest, server: Server) -> None:
    for path in ("call/x%0AFORGED", "call/v2/x%0AFORGED", "run/x%0AFORGED", "api/x%0DFORGED"):
        assert guest.web.post(f"gradio_api/{path}", json={"data": []}).status_code == 404
    for verb, values in (("status", ["x\nFORGED"]), ("ask", ["x\nFORGED", "y", None, True, None])):
        with pytest.raises(Refused):
            guest.verb(verb, *values)
    guest.web.get("pages/x%0AFORGED/1.jpg")
    assert not [line for line in server.lines if line.startswith("FORGED")]


def test_odd_values_are_told_and_nothing_of_the_machine(guest: Guest, server: Server) -> None:
    for values in (["x", None], [["x"], {"a": 1}], [10**30, "?"], ["x", "?", None, True, "nan"]):
        with pytest.raises(Refused) as caught:
            guest.verb("ask", *values)
        assert "Traceback" not in str(caught.value) and "lift_app" not in str(caught.value)
    for act in (
        {"act": "turn", "page": 10**30, "order": 10**300},
        {"act": "turn", "page": [1], "order": "x"},
        {"act": "saw", "saw": "²"},
        {"act": ["x"]},
        {"act": "chat", "chat": {"x": 1}},
        {"act": "remove", "book": None},
        {"act": "find", "value": '"' * 9999},
    ):
        answer = guest.run("act", [{"book": "x", "arrived": True}], event_data=act, batched=False)
        assert '"data"' in answer and "Traceback" not in answer
    for more in ({"batched": True}, {"trigger_id": 10**9}, {"event_id": "x"}, {"oauth_token": "x"}):
        assert "Traceback" not in guest.run("tick", [None], **more)
