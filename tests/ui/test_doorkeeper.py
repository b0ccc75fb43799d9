"""The doorkeeper on a small app: how a pass is given, kept, and never taken from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from lift_app.ui import belongings, doorkeeper
from lift_app.ui.belongings import Files, OpenWindows, Unheard, Windows
from lift_app.ui.cookies import COOKIE, SECURE_COOKIE
from lift_app.ui.door import VISITOR
from lift_app.ui.doorkeeper import Doorkeeper
from lift_app.ui.security import exposure
from lift_app.visitors import Passes

pytestmark = pytest.mark.isolation
Browser = Callable[..., TestClient]


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A browser without cookies before an app that says whose shelf a request is for."""

    def make(framed: bool = False, base: str = "http://reader.lab") -> TestClient:
        async def whose(request: Request) -> PlainTextResponse:
            body = await request.body()
            return PlainTextResponse(f"{request.scope.get(VISITOR)} {len(body)}")

        app = Starlette(routes=[Route("/{path:path}", whose, methods=["GET", "POST"])])
        app.add_middleware(Doorkeeper, passes=Passes(tmp_path), framed=framed)
        return TestClient(app, base_url=base)

    return make


def test_the_page_gives_a_pass_that_scripts_and_other_sites_cannot_use(browser: Browser) -> None:
    one = browser()
    answer = one.get("/")
    rules = set(answer.headers["set-cookie"].split("; ")[1:])
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= rules and "Secure" not in rules
    assert answer.headers["cache-control"] == "no-store"
    shelf = answer.text.split()[0]
    assert shelf.startswith("visitor-")
    assert one.get("/").text.split()[0] == shelf  # and it is kept
    assert one.post("/gradio_api/call/books", json={}).text.split()[0] == shelf
    assert one.get("/pages/x/1.jpg").text.split()[0] == shelf
    assert browser().get("/").text.split()[0] != shelf


def test_over_https_and_in_the_frame_of_a_space(browser: Browser) -> None:
    secure = browser(base="https://reader.lab").get("/").headers["set-cookie"]
    assert "SameSite=Strict; Secure" in secure
    behind = browser().get("/", headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    assert "SameSite=Strict; Secure" in behind
    framed = browser(framed=True, base="https://x.hf.space")
    answer = framed.get("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"})
    assert "SameSite=None; Secure; Partitioned" in answer.headers["set-cookie"]
    assert "HttpOnly" in answer.headers["set-cookie"]


@pytest.mark.parametrize("framed", [False, True])
def test_over_https_no_neighbour_of_the_domain_can_hand_out_a_pass(
    browser: Browser, framed: bool
) -> None:
    """`evil.lab` may set a cookie for all of `lab`, but none whose name begins with `__Host-`."""
    attacker, victim = browser(base="http://reader.lab"), browser(framed, "https://reader.lab")
    attacker.get("/")
    tossed = f"{COOKIE}={attacker.cookies[COOKIE]}"
    answer = victim.get("/", headers={"cookie": tossed})
    assert answer.headers["set-cookie"].startswith(f"{SECURE_COOKIE}=")
    assert "Path=/" in answer.headers["set-cookie"] and "Domain" not in answer.headers["set-cookie"]
    assert answer.text != attacker.get("/").text
    own = victim.cookies[SECURE_COOKIE]
    both = {"cookie": f"{SECURE_COOKIE}={own}; {tossed}"}
    assert victim.get("/", headers=both).text == answer.text


def test_a_visitor_listens_to_so_many_windows_and_no_more(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = browser()
    one.get("/")
    monkeypatch.setattr(doorkeeper, "MOST_STREAMS", 0)
    for path in ("queue/data?session_hash=a", "heartbeat/a", "call/ask/a", "upload_progress"):
        refused = one.get(f"/gradio_api/{path}")
        assert refused.status_code == 429 and "0 windows" in refused.text, path
    assert one.get("/pages/x/1.jpg").status_code == 200
    monkeypatch.setattr(doorkeeper, "MOST_STREAMS", 1)
    for _ in range(3):  # what has ended counts no more
        assert one.get("/gradio_api/heartbeat/a").status_code == 200


def test_a_request_names_waiting_files_of_the_visitor_alone(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "lift-uploads-x"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(place))
    one = browser()
    one.get("/")
    inside = f"{place}/sum/a.txt"
    for data in ([inside], {"a": [{"path": inside}]}, f"{place}/../{place.name}/sum/a.txt"):
        assert one.post("/gradio_api/call/add_book", json={"data": data}).status_code == 403
    for data in ("a.txt", str(tmp_path), f"about {place.name}", "\ud800", "x" * 9000, [[["/"]]]):
        sent = json.dumps({"data": data})
        assert one.post("/gradio_api/call/ask", content=sent).status_code == 200, data


def test_files_belong_to_all_who_sent_them(monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files()
    files.sent(["a", "b"], "one")
    files.sent(["a"], "two")
    assert files.belongs("a", "one") and files.belongs("a", "two")
    assert files.belongs("b", "one") and not files.belongs("b", "two")
    monkeypatch.setattr(belongings, "MOST_KNOWN", 2)
    files.sent(["c"], "two")
    assert not files.belongs("b", "one") and files.belongs("a", "one")  # the oldest is forgotten


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"referer": "http://e.x/"}],
)
def test_a_link_from_elsewhere_costs_nobody_their_shelf(
    browser: Browser, headers: dict[str, str]
) -> None:
    """A strict cookie does not come with such a request: a new pass would replace it."""
    one = browser()
    answer = one.get("/?book=abc", headers=headers)
    assert "set-cookie" not in answer.headers and 'http-equiv="refresh"' in answer.text
    assert "set-cookie" in one.get("/?book=abc", headers={"referer": "http://reader.lab/"}).headers


@pytest.mark.parametrize(
    "cookie", ["", "x", "visitor-1", "0" * 32 + "." + "0" * 64, '"\\', "a=b; =; ;", "\xff\xfe"]
)
def test_what_is_no_pass_opens_nothing(browser: Browser, cookie: str) -> None:
    one = browser()
    headers = {"cookie": f"{COOKIE}={cookie}".encode("latin-1")}
    assert one.post("/gradio_api/run/books", headers=headers, json={}).status_code == 403
    assert one.get("/chats/1.md", headers=headers).status_code == 403
    assert one.get("/assets/index.js", headers=headers).text == "None 0"


def test_a_header_names_no_shelf(browser: Browser) -> None:
    for name in ("x-lift-visitor", "lift.visitor", "x-forwarded-user", "authorization"):
        answer = browser().post("/gradio_api/run/x", headers={name: "visitor-a"}, json={})
        assert answer.status_code == 403


def test_new_passes_are_limited_for_an_address(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorkeeper, "PASSES_AN_HOUR", 3)
    one = browser()
    shelves = set()
    for number in range(3):
        one.cookies.clear()
        # A header that anybody can send makes no other address, where no proxy is known.
        headers = {"x-forwarded-for": f"192.0.2.{number}"}
        shelves.add(one.get("/", headers=headers).text)
    assert len(shelves) == 3
    kept = dict(one.cookies)
    one.cookies.clear()
    refused = one.get("/", headers={"x-forwarded-for": "192.0.2.77"})
    assert refused.status_code == 429 and "new visitors" in refused.text
    assert one.get("/", cookies=kept).status_code == 200  # who has a pass comes in


def test_reading_is_limited_for_who_reads_too_fast(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorkeeper, "READS", 3)
    monkeypatch.setattr(doorkeeper, "READS_SECONDS", 1e9)
    first = browser()
    other = TestClient(first.app, base_url="http://reader.lab")
    for one in (first, other):
        one.get("/")
    for path in ("/leaves/x/1", "/pages/x/1.jpg", "/chats/x.md"):
        assert first.get(path).status_code == 200
    refused = first.get("/leaves/x/2")
    assert refused.status_code == 429 and "Wait" in refused.text
    assert other.get("/leaves/x/2").status_code == 200
    assert first.get("/assets/index.js").status_code == 200  # a limit of reading, not of the app
    assert first.post("/gradio_api/run/x", json={}).status_code == 200


def test_a_window_is_of_who_used_it_first(browser: Browser) -> None:
    first = browser()
    other = TestClient(first.app, base_url="http://reader.lab")
    for one in (first, other):
        one.get("/")
    body = {"session_hash": "w1", "data": []}
    assert first.post("/gradio_api/queue/join", json=body).status_code == 200
    assert other.post("/gradio_api/queue/join", json=body).status_code == 403
    assert other.get("/gradio_api/queue/data?session_hash=w1").status_code == 403
    assert other.get("/gradio_api/queue/data?session_hash=w2&session_hash=w1").status_code == 403
    assert other.get("/gradio_api/heartbeat/w1").status_code == 403
    assert other.get("/gradio_api/call/books/w1").status_code == 403
    assert first.get("/gradio_api/queue/data?session_hash=w1").status_code == 200
    for one in (first, other):  # the name of a verb is none of a window
        assert one.post("/gradio_api/call/books", json={"data": []}).status_code == 200


@pytest.mark.parametrize("name", ["a<gradio-sep>b", "x" * 65, "a b", "a\n", "é"])
def test_a_name_that_a_window_cannot_have_is_nobodys(browser: Browser, name: str) -> None:
    """Gradio takes names apart at a mark, and keeps those it has seen: long ones fill memory."""
    one = browser()
    one.get("/")
    for key in ("session_hash", "event_id"):
        assert one.post("/gradio_api/cancel", json={key: name}).status_code == 403
    for key in ("session_hash", "upload_id"):
        assert one.get("/gradio_api/queue/data", params={key: name}).status_code == 403
        assert one.post("/gradio_api/upload", params={key: name}).status_code == 403
    assert not Windows().belongs(name, None)


def test_a_request_names_few_windows(browser: Browser) -> None:
    """Or one request could make the doorkeeper forget whose all others are."""
    one = browser()
    one.get("/")
    for most, status in ((8, 200), (9, 403)):
        many = "&".join(f"session_hash=w{number}" for number in range(most))
        assert one.get(f"/gradio_api/queue/data?{many}").status_code == status


def test_an_upload_and_a_nameless_window_have_an_owner_too(browser: Browser) -> None:
    first = browser()
    other = TestClient(first.app, base_url="http://reader.lab")
    for one in (first, other):
        one.get("/")
    assert first.post("/gradio_api/upload?upload_id=u1", content=b"").status_code == 200
    assert first.post("/gradio_api/queue/join", json={"session_hash": ""}).status_code == 200
    for query in ("upload_progress?upload_id=u1", "queue/data?session_hash="):
        assert other.get(f"/gradio_api/{query}").status_code == 403
        assert first.get(f"/gradio_api/{query}").status_code == 200
    assert other.post("/gradio_api/upload?upload_id=u1", content=b"").status_code == 403


def test_who_has_many_windows_loses_some_before_who_has_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(belongings, "MOST_OPEN", 6)
    monkeypatch.setattr(belongings, "OPEN_EACH", 4)
    open_windows = OpenWindows()
    assert open_windows.used("mine", "reader") == []
    lost = [open_windows.used(f"w{n}", "stranger") for n in range(5)]
    assert lost == [[], [], [], [], ["w0"]]
    assert open_windows.used("w1", "stranger") == [] == open_windows.used("other", "another")
    # With more passes: still one of the stranger's, the longest unused of them.
    assert open_windows.used("v0", "stranger with another pass") == ["w2"]
    open_windows.closed("v0", "stranger with another pass")
    open_windows.closed("w3", "nobody")
    assert open_windows.used("mine too", "reader") == []


def test_a_window_that_nobody_listens_to_asks_for_so_much(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard = Unheard()
    monkeypatch.setattr(belongings, "MOST_UNHEARD", 2)
    for event in ("e1", "e2"):
        assert not unheard.is_full("w")
        unheard.asked(event, "w")
    assert unheard.is_full("w")
    unheard.heard("e1")  # an event of the window is listened to, as programs do
    assert not unheard.is_full("w")
    monkeypatch.setattr(belongings, "MOST_KNOWN", 1)
    unheard.asked("e3", "v")
    unheard.asked("e4", "v")
    assert not unheard.is_full("v")  # the oldest is forgotten, with its count


def test_who_has_an_address_of_a_network_has_all_of_them(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorkeeper, "PASSES_AN_HOUR", 1)
    one = browser(framed=True, base="https://x.hf.space")
    for address, status in (
        ("2001:db8::1", 200),
        ("2001:db8:0:0:ffff::2, 192.0.2.1", 429),
        ("2001:db8:0:1::1", 200),
        ("::ffff:192.0.2.7", 200),
        ("192.0.2.7", 429),
        ("::ffff:192.0.2.8", 200),
        ("fe80::1%eth0", 200),
        ("x" * 9999, 200),
    ):
        one.cookies.clear()
        assert one.get("/", headers={"x-forwarded-for": address}).status_code == status, address


def test_uploads_at_once_are_few(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    one = browser()
    one.get("/")
    for name in ("SENDING_EACH", "MOST_SENDING"):
        assert one.post("/gradio_api/upload", content=b"x").status_code == 200
        monkeypatch.setattr(doorkeeper, name, 0)
        refused = one.post("/gradio_api/upload", content=b"x")
        assert refused.status_code == 429 and "after them" in refused.text
        monkeypatch.setattr(doorkeeper, name, 4)


def test_of_two_cookies_the_last_one_counts_and_others_are_not_read(browser: Browser) -> None:
    one = browser()
    one.get("/")
    own = f"{COOKIE}={one.cookies[COOKIE]}"
    one.cookies.clear()
    forged = f"{COOKIE}={'0' * 32}.{'0' * 64}"
    for sent, status in (
        (f"{forged}; {own}", 200),
        (f"{own}; {forged}", 403),
        (f'a="b; c"; {own}; d=\\', 200),
        (f"x{own}", 403),
        (f"a={own}", 403),
        (f'{COOKIE}="{own}"', 403),
    ):
        answer = one.post("/gradio_api/run/x", headers={"cookie": sent}, json={})
        assert answer.status_code == status, sent


def test_a_body_arrives_whole_or_not_at_all(browser: Browser) -> None:
    one = browser()
    one.get("/")
    assert one.post("/gradio_api/run/x", content=b"[" * 5000).text.endswith(" 5000")
    assert one.post("/gradio_api/run/x", content=b"x" * (2**20 + 1)).status_code == 413
    pieces = (b"x" * 2**16 for _ in range(17))  # that does not say how long it is
    assert one.post("/gradio_api/run/x", content=pieces).status_code == 413
    assert one.post("/gradio_api/upload", content=b"x" * (2**20 + 1)).text.endswith(str(2**20 + 1))


def test_a_wider_address_is_told() -> None:
    assert exposure("127.0.0.1", shared=True) is None
    word = exposure("0.0.0.0", shared=True)
    assert word is not None and "shelf of their own" in word and "https" in word
