"""The verbs over HTTP, as gradio_client and a stranger would use them."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from fake_reader import SAMPLE, FakeReader
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from serving import Server

from lift_app.errors import CallerError
from lift_app.settings import Settings
from lift_app.ui.api import VERBS
from lift_app.ui.app import serve


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.url, verbose=False)


@pytest.fixture(scope="module")
def book(client: Client, tmp_path_factory: pytest.TempPathFactory) -> dict:
    file = tmp_path_factory.mktemp("book") / "lamp.md"
    file.write_text(SAMPLE)
    return client.predict(handle_file(file), api_name="/add_book")


def test_the_api_is_exactly_the_verbs(client: Client) -> None:
    info = client.view_api(print_info=False, return_format="dict")
    assert sorted(info["named_endpoints"]) == sorted(f"/{verb}" for verb in VERBS)
    assert info["unnamed_endpoints"] == {}


def test_a_book_is_added_learned_and_asked(client: Client, book: dict) -> None:
    assert book["title"] == "The Lamp of Osk"
    assert book["report"]["pages"] == 3
    assert book["id"] in [one["id"] for one in client.predict(api_name="/books")]
    job = client.predict(book=book["id"], recipe="quick", api_name="/tune")
    assert job["state"] == "running"
    assert client.predict(book["id"], api_name="/status")["job"] == job["id"]
    assert client.predict(job["id"], api_name="/pause")["state"] == "paused"
    assert client.predict(job["id"], api_name="/resume")["state"] == "running"
    answer = client.predict(
        book=book["id"], question="Who rang the bell?", arm="ICL", api_name="/ask"
    )
    assert answer["arm"] == "ICL"
    assert answer["citations"][0]["page"] == 2
    assert client.predict(job["id"], api_name="/cancel")["state"] == "cancelled"


def test_errors_come_as_their_plain_text(client: Client) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(job_or_book="nowhere", api_name="/status")
    assert str(caught.value) == "There is no book 'nowhere' on the shelf."


def test_no_upload_stays_behind(client: Client, book: dict, server: Server) -> None:
    root = Path(server.process.args[2]) / "uploads"  # type: ignore[index]
    assert [path for path in root.rglob("*") if path.is_file() and path.suffix == ".md"] == []


def test_a_path_of_the_server_is_no_upload(server: Server) -> None:
    data = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    started = httpx.post(f"{server.url}gradio_api/call/add_book", json={"data": [data]})
    event = started.json().get("event_id")
    body = started.text
    if event:
        body = httpx.get(f"{server.url}gradio_api/call/add_book/{event}", timeout=30).text
        assert "event: error" in body
    assert "sha256" not in body
    books = Client(server.url, verbose=False).predict(api_name="/books")
    assert "hostname" not in [one["title"] for one in books]


def test_every_page_carries_the_policy(server: Server) -> None:
    headers = httpx.get(server.url).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["img-src"] == "'self' data: blob:"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-src"] == policy["object-src"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_file_over_the_limit_is_refused(server: Server) -> None:
    files = {"files": ("big.txt", b"x" * (2**20 + 1))}
    assert httpx.post(f"{server.url}gradio_api/upload", files=files).status_code == 413


def test_no_file_of_the_machine_is_served(server: Server) -> None:
    for path in ("/etc/hostname", str(Path(__file__))):
        assert httpx.get(f"{server.url}gradio_api/file={path}").status_code in (403, 404)


def test_a_taken_port_is_told_plainly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CallerError, match=f"Port {port} on 127.0.0.1 is taken") as caught:
            serve(FakeReader(tmp_path), Settings(home=tmp_path, port=port))
    assert f"LIFT_PORT={port + 1}" in str(caught.value)


def test_an_unknown_address_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="not one of this machine's"):
        serve(FakeReader(tmp_path), Settings(home=tmp_path, host="192.0.2.7", port=0))


def test_the_server_is_quiet_but_for_its_address(server: Server) -> None:
    assert server.lines[0] == f"READY {server.url}\n"
    assert not [line for line in server.lines if "Running on" in line or "share=" in line]
