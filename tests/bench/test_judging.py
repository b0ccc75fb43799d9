"""The judge: asked once an answer, at temperature 0, named, and compared with token F1."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lift_app.bench.documents import Asked
from lift_app.bench.judging.judge import Judge, agreement, with_verdicts
from lift_app.bench.judging.models import Endpoint, find_judge
from lift_app.bench.metrics.scoring import Said, score
from lift_app.bench.runs.summary import Scored
from lift_app.errors import CallerError, LiftError
from lift_app.reader import Reader
from lift_app.settings import Settings


@dataclass
class StandIn:
    """An endpoint that says True where the answer stands among the references."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    replies: list[tuple[int, str]] = field(default_factory=list)
    """Replies that come first, by status and text."""


@pytest.fixture
def endpoint() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stand_in.bodies.append(body | {"path": self.path})
            stand_in.headers.append(self.headers.get("Authorization", ""))
            lines = dict(
                line.split(": ", 1)
                for line in body["messages"][0]["content"].splitlines()
                if ": " in line
            )
            right = lines.get("Reader's answer", "?") in lines.get("Reference answers", "")
            said = "True." if right else "False"
            if "Reference summary" in lines:
                said = "75"
            reply = json.dumps({"choices": [{"message": {"content": said}}]})
            status, text = stand_in.replies.pop(0) if stand_in.replies else (200, reply)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield stand_in
    server.shutdown()
    server.server_close()


def scored(answer: str, form: str = "short", name: str = "1") -> Scored:
    asked = Asked(name, f"What was lost {name}?", ("a cup", "the red cup"), form=form)
    said = Said(answer, 1.0, 0.1, 0.1, 5)
    return Scored("d", "ICL", asked, said, score(asked, said), None)


def test_each_answer_is_judged_once(
    endpoint: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    answers = [scored("a cup"), scored("a hat"), scored("It was a cup.", "long"), scored("  ")]

    def judge() -> Judge:
        return Judge(Endpoint("stand-in", endpoint.url), tmp_path / "verdicts.jsonl")

    found = with_verdicts(judge(), answers, lambda text: None)
    assert [one.scores["judge"] for one in found] == [1, 0, 0.75, 0]
    assert len(endpoint.bodies) == 3  # nothing is asked about an empty answer
    first = endpoint.bodies[0]
    assert (first["model"], first["temperature"]) == ("stand-in", 0)
    assert first["path"] == "/v1/chat/completions"
    assert endpoint.headers[0] == "Bearer secret"
    assert "a cup; the red cup" in first["messages"][0]["content"]
    assert with_verdicts(judge(), answers, lambda text: None) == found
    assert len(endpoint.bodies) == 3  # the second time they were on disk
    assert "secret" not in (tmp_path / "verdicts.jsonl").read_text()


def test_agreement_with_token_f1(endpoint: StandIn, tmp_path: Path) -> None:
    judge = Judge(Endpoint("stand-in", endpoint.url), tmp_path / "verdicts.jsonl")
    said = ["a cup", "a hat", "the red cup", "red cup of tin"]
    answers = [scored(text, name=str(n)) for n, text in enumerate(said)]
    # Right by F1: yes, no, yes, yes (2/3); by the stand-in: yes, no, yes, no.
    found = agreement(judge, with_verdicts(judge, answers, lambda text: None))
    assert (found.judge, found.answers, found.unreadable) == ("stand-in", 4, 0)
    assert found.share == 0.75
    assert found.kappa == pytest.approx((0.75 - 0.5) / (1 - 0.5))  # chance: 1/2 x 3/4 + 1/2 x 1/4
    assert "stand-in" in found.to_json()["sentence"]


def test_verdicts_that_cannot_be_read_are_counted(endpoint: StandIn, tmp_path: Path) -> None:
    reply = json.dumps({"choices": [{"message": {"content": "Well, it depends"}}]})
    endpoint.replies.append((200, reply))
    judge = Judge(Endpoint("stand-in", endpoint.url), tmp_path / "verdicts.jsonl")
    (found,) = with_verdicts(judge, [scored("a cup")], lambda text: None)
    assert "judge" not in found.scores
    assert agreement(judge, [found]).unreadable == 1


@pytest.mark.parametrize("reply", [(500, "no"), (200, "not json"), (200, '{"choices": []}')])
def test_a_judge_that_fails_says_what_was_kept(
    endpoint: StandIn, tmp_path: Path, reply: tuple[int, str]
) -> None:
    endpoint.replies += [reply]
    judge = Judge(Endpoint("stand-in", endpoint.url), tmp_path / "verdicts.jsonl")
    with pytest.raises(LiftError, match="run the same command again"):
        judge.score(scored("a cup").asked, "a cup")
    assert judge.score(scored("a cup").asked, "a cup") == 1  # it is asked again, not remembered


def test_a_local_model_can_judge(tiny_settings: Settings, tmp_path: Path) -> None:
    with Reader(tiny_settings) as reader:
        model = find_judge(tiny_settings.model, reader)
        assert isinstance(model.say("Is it right?"), str)
        with pytest.raises(CallerError, match="must begin with http"):
            find_judge("gpt@host/v1", reader)
