"""The fences of the server, on an app that answers everything with yes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from gradio import File, processing_utils
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from lift_app.ui.security import HEADERS, exposure, fetch_nothing, middleware

pytestmark = pytest.mark.isolation


def client(host: str, base: str = "http://127.0.0.1:7860") -> TestClient:
    async def yes(request: Request) -> PlainTextResponse:
        return PlainTextResponse("yes", headers={"content-security-policy": "default-src *"})

    app = Starlette(
        routes=[Route("/", yes, methods=["GET", "POST", "PUT", "DELETE"])],
        middleware=middleware(host),
    )
    return TestClient(app, base_url=base)


def test_every_answer_carries_every_header_once() -> None:
    for answer in (
        client("127.0.0.1").get("/"),
        client("127.0.0.1").post("/", headers={"sec-fetch-site": "cross-site"}),
        client("127.0.0.1").get("/", headers={"host": "evil.example"}),
    ):
        for name, value in HEADERS:
            assert answer.headers.get_list(name.decode()) == [value.decode()]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_page_of_another_site_changes_nothing(site: str, method: str) -> None:
    answer = client("0.0.0.0").request(method, "/", headers={"sec-fetch-site": site})
    assert answer.status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_a_foreign_origin_changes_nothing_where_browsers_say_no_more(origin: str) -> None:
    assert client("0.0.0.0").post("/", headers={"origin": origin}).status_code == 403
    own = {"origin": "http://127.0.0.1:7860"}
    assert client("0.0.0.0").post("/", headers=own).text == "yes"


def test_a_script_of_another_site_reads_nothing() -> None:
    """Gradio lets every origin read; an address of a book would tell that it is on the shelf."""
    for host in ("0.0.0.0", "127.0.0.1"):
        for method in ("GET", "HEAD"):
            for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
                headers = {"origin": origin}
                assert client(host).request(method, "/", headers=headers).status_code == 403
        assert client(host).get("/", headers={"origin": "http://127.0.0.1:7860"}).text == "yes"


def test_nothing_is_fetched_for_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get = processing_utils.async_ssrf_protected_get
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", get)
    fetch_nothing()
    for address in ("http://example.invalid/x", "https://huggingface.co/x"):
        with pytest.raises(ValueError, match="fetches nothing"):
            asyncio.run(processing_utils.async_ssrf_protected_download(address, str(tmp_path)))
        with pytest.raises(ValueError, match="fetches nothing"):
            asyncio.run(File().async_move_resource_to_block_cache(address))


def test_the_own_page_programs_and_links_pass() -> None:
    one = client("127.0.0.1")
    assert one.post("/").text == "yes"  # gradio_client
    assert one.post("/", headers={"sec-fetch-site": "same-origin"}).text == "yes"
    assert one.get("/", headers={"sec-fetch-site": "cross-site"}).text == "yes"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:7860"])
def test_a_name_that_leads_to_this_machine_is_not_answered(host: str) -> None:
    assert client("127.0.0.1").get("/", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:8000", "LOCALHOST", "[::1]:7860"])
def test_the_names_of_this_machine_are_answered(host: str) -> None:
    assert client("127.0.0.1").get("/", headers={"host": host}).text == "yes"


def test_an_app_that_is_opened_wider_answers_to_every_name_and_says_so() -> None:
    assert client("0.0.0.0").get("/", headers={"host": "reader.lab.example"}).text == "yes"
    assert exposure("127.0.0.1") is None and exposure("localhost") is None
    word = exposure("0.0.0.0")
    assert word is not None and "everybody" in word
