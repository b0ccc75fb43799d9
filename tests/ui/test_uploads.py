"""Uploads: a file that is sent by halves, or never read, takes nobody's room."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from serving import Server
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message
from visiting import Guest

from lift_app.ui import doorkeeper, uploads
from lift_app.ui.reachable import NeededPathsOnly

pytestmark = [pytest.mark.hostile, pytest.mark.isolation]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = uploads.keep()
    assert place is not None and os.environ["GRADIO_TEMP_DIR"] == str(place)
    assert place.stat().st_mode & 0o077 == 0 and place.parent == tmp_path
    yield place
    uploads.forget(place)
    assert not place.exists() and "GRADIO_TEMP_DIR" not in os.environ


def old(path: Path, size: int = 1000, seconds: float = uploads.ABANDONED_SECONDS) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)
    past = time.time() - seconds - 60
    os.utime(path, (past, past))
    return path


def test_what_nobody_reads_is_removed(place: Path) -> None:
    left, fresh = old(place / "a" / "left.pdf"), place / "b.pdf"
    fresh.write_bytes(b"x")
    half = old(place / "tmp123")
    empty, begun = old(place / "tmp4", 0, uploads.EMPTY_SECONDS), place / "tmp5"
    begun.touch()
    assert uploads.refusal() is None
    assert not left.exists() and not left.parent.exists() and not half.exists()
    assert fresh.exists()
    assert not empty.exists() and begun.exists()


def test_a_folder_that_others_share_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert uploads.keep() is None
    theirs = old(tmp_path / "theirs.png")
    uploads.tidy()
    uploads.forget(None)
    assert theirs.exists()


def test_what_a_killed_app_left_goes_when_the_next_one_starts(place: Path, tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    left = tmp_path / f"lift-uploads-{child.pid}-x"
    left.mkdir()
    (left / "secret.pdf").write_bytes(b"x")
    alive = tmp_path / f"lift-uploads-{os.getppid()}-x"
    alive.mkdir()
    assert uploads.keep() is None  # the place of this process is there already
    assert not left.exists() and alive.exists() and place.exists()


def test_little_room_is_told_with_the_limit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_WAITING_GB", 1e-6)
    (place / "waiting").write_bytes(b"x" * 2000)
    assert "wait to be read here. Nothing was taken" in str(uploads.refusal())
    monkeypatch.setattr(uploads, "free_gb", lambda _: 0.5)
    assert "1 GB are left free" in str(uploads.refusal())


def test_an_upload_ends_where_there_is_no_more_room(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many small files in one request count together, and while they are sent."""
    monkeypatch.setattr(uploads, "LOOK_BYTES", 1000)
    monkeypatch.setattr(uploads, "MOST_WAITING_GB", 1e-5)  # 10,737 bytes
    taken: list[int] = []

    async def send() -> Message:
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    async def take() -> None:
        receive = uploads.watched(send)
        while True:
            piece = (await receive())["body"]
            (place / f"tmp{len(taken)}").write_bytes(piece)
            taken.append(len(piece))

    with pytest.raises(MultiPartException) as caught:
        asyncio.run(take())
    assert "Nothing was taken" in caught.value.message
    assert 8 < len(taken) < 16
    app = Starlette(routes=[Route("/gradio_api/upload", PlainTextResponse("taken"))])
    app.add_middleware(NeededPathsOnly)
    answer = TestClient(app).post("/gradio_api/upload", content=b"x")
    assert answer.status_code == 507 and "Nothing was taken" in answer.text


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_an_upload_has_so_many_files(size: int) -> None:
    """Each is open until the last one is there; files that hold half of a line count as one."""

    def body(files: int) -> bytes:
        part = b'--xyz\r\ncontent-disposition: form-data; name="f"; filename="a"\r\n\r\na--xyz\r\n'
        return part * files + b"--xyz--\r\n"

    async def take(whole: bytes) -> bytes:
        pieces = [whole[i : i + size] for i in range(0, len(whole), size)]

        async def send() -> Message:
            return {"type": "http.request", "body": pieces.pop(0)}

        kind = Headers({"content-type": "multipart/form-data; boundary=xyz"})
        few = uploads.in_few_parts(send, kind, 5)
        return b"".join([(await few())["body"] for _ in range(len(pieces))])

    assert asyncio.run(take(body(5))) == body(5)
    with pytest.raises(MultiPartException) as caught:
        asyncio.run(take(body(6)))
    assert "At most 5 files" in caught.value.message


def test_a_visitor_sends_few_files_at_once(shared: Server) -> None:
    many = [("files", (f"{number}.txt", b"x")) for number in range(doorkeeper.FILES_AT_ONCE + 1)]
    guest = Guest(shared.url)
    refused = guest.web.post("gradio_api/upload", files=many)
    assert refused.status_code == 400 and "At most 20 files" in refused.text
    sent = guest.web.post("gradio_api/upload", files=many[1:])
    assert len(sent.json()) == doorkeeper.FILES_AT_ONCE
    for path in sent.json():
        Path(path).unlink(missing_ok=True)


def test_a_file_that_is_sent_by_halves_leaves_nothing(shared: Server) -> None:
    guest, host = Guest(shared.url), urlsplit(shared.url)
    place = Path(shared.process.args[2]) / "uploads"  # type: ignore[index]
    before = set(place.glob("tmp*"))  # Gradio leaves an empty one of each file that is read
    cookie = "; ".join(f"{name}={value}" for name, value in guest.cookies.items())
    with socket.create_connection((host.hostname, host.port), timeout=20) as line:
        line.sendall(
            f"POST /gradio_api/upload HTTP/1.1\r\nhost: {host.netloc}\r\ncookie: {cookie}\r\n"
            "content-type: multipart/form-data; boundary=x\r\ncontent-length: 9000000\r\n\r\n"
            "--x\r\ncontent-disposition: form-data; "
            'name="files"; filename="half.txt"\r\n\r\n'.encode()
            + b"y" * 300_000
        )
        deadline = time.monotonic() + 60
        while not set(place.glob("tmp*")) - before:
            assert time.monotonic() < deadline, "nothing arrived"
            time.sleep(0.05)
    while set(place.glob("tmp*")) - before:
        assert time.monotonic() < deadline, "a half of a file stays"
        time.sleep(0.05)
    assert guest.send("whole.txt", b"A whole file is read. " * 30)["title"] == "Whole"
