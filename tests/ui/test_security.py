"""The fences of the server, on an app that answers everything with yes."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from lift_app.ui.security import HEADERS, exposure, middleware

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
