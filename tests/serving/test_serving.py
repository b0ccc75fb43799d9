"""Answers by a server: the same as our own, many at once, and each trouble told at its cause."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from learned_shelf import host_of, learned
from stand_in import Open, Serve, StandIn
from tiny_model import make_tiny_model

from lift_app.answering.voice import OwnVoice
from lift_app.bench import load
from lift_app.cli.main import main
from lift_app.engine.engine import Engine
from lift_app.errors import CallerError, LiftError, NotFound
from lift_app.lifting.packing import Row
from lift_app.reader import Reader
from lift_app.serving.exchange import Exchange
from lift_app.settings import Settings

QUESTION = "Who mended the bell with copper?"


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without how long it took, as JSON has it: another process may have given it."""
    whole: dict[str, Any] = json.loads(json.dumps(answer))
    return {name: value for name, value in whole.items() if name != "timing"}


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model of this process must not be asked."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the model of this process was asked")

    monkeypatch.setattr(Engine, "submit", refuse)


@pytest.mark.parametrize(
    "asked",
    [
        {"arm": "ICL"},
        {"arm": "LIFT+ICL", "strength": 1.0},
        {"arm": "LIFT_only", "strength": 0.37},
        {},
    ],
)
def test_a_server_answers_as_the_own_model_does(
    open_reader: Open, serve: Serve, book: str, asked: dict[str, Any]
) -> None:
    # Few tokens: a random model's next two are soon as likely as each other, but for rounding.
    own = open_reader(answer_tokens=6).ask(book, QUESTION, **asked)
    reader = open_reader(serve(), answer_tokens=6)
    events = list(reader.ask_stream(book, QUESTION, **asked))
    answer = events[-1]["answer"]
    assert told(answer) == told(own)
    assert answer["answer"] and answer["notice"] == ""
    assert answer["timing"]["tokens_per_second"] > 0


def test_no_run_of_tokens_comes_twice(
    open_reader: Open, serve: Serve, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random model soon repeats itself; then the next likeliest token is taken, as here."""
    monkeypatch.setattr("lift_app.models.generation.REPEAT_GRAM", 1)
    server = serve()
    own = open_reader(answer_tokens=12).ask(book, QUESTION, arm="RAG")
    answer = open_reader(server, answer_tokens=12).ask(book, QUESTION, arm="RAG")
    assert any("logit_bias" in body for body in server.asked)
    assert told(answer) == told(own)


def test_likelihoods_are_those_of_the_base_on_its_start(
    open_reader: Open, serve: Serve, book: str, standing: Settings
) -> None:
    reader = open_reader(serve())
    rows = [Row((5, 9, 70, 33), (8, 101, 9, 2)), Row((5, 9, 70, 33), (41, 2)), Row((7,), (3,))]
    own = OwnVoice(host_of(reader.settings)).losses(rows)
    exchange = Exchange(reader.library, reader.settings)
    found = exchange.submit(
        lambda voice: voice.losses(rows),
        model=reader.settings.model,
        adapters=reader.library.adapters,
    ).result()
    exchange.close()
    for one, other in zip(own, found, strict=True):
        assert other == pytest.approx(one, abs=1e-3)


@pytest.mark.usefixtures("no_engine")
def test_many_readers_are_answered_at_once_each_by_the_own_adapter(
    open_reader: Open, serve: Serve, tmp_path: Any
) -> None:
    server = serve()
    server.pause = 0.01
    reader = open_reader(server, answer_tokens=4)
    keys = {}
    for number in range(4):
        path = tmp_path / f"{number}.md"
        path.write_text(f"# Book {number}\n\nOrla {number} mended bell {number} with copper. " * 9)
        book = reader.add(path)["id"]
        keys[book] = learned(reader, book, seed=number)
    asked = [book for book in keys for _ in range(3)]
    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda b: reader.ask(b, "Who mended the bell?", strength=1), asked))
    assert [answer["adapter"] for answer in answers] == [keys[book] for book in asked]
    assert server.most_at_once >= 4
    for book in keys:
        assert len({a["answer"] for a, b in zip(answers, asked, strict=True) if b == book}) == 1
    names = {body["model"] for body in server.asked if body.get("stream")}
    assert len(names) == 4 and all(any(key[:40] in n for n in names) for key in keys.values())
    loads = [slot for slot in server.host.slots if slot.startswith("book-")]
    assert len(loads) == 4  # each once, however many asked at the same time


def test_nobody_is_given_the_adapter_of_another(open_reader: Open, serve: Serve, book: str) -> None:
    reader = open_reader(serve())
    key = reader.adapters()[0]["key"]
    stranger = reader.library.for_owner("ada").adapters
    exchange = Exchange(reader.library, reader.settings)
    line = exchange.line(reader.settings.model)
    assert line.served is not None
    assert key[:40] in line.served.name_of(reader.library.adapters, key, 1.0)
    with pytest.raises(NotFound):
        line.served.name_of(stranger, key, 1.0)
    exchange.close()


def test_a_server_that_was_started_anew_gets_its_adapters_again(
    open_reader: Open, serve: Serve, book: str
) -> None:
    server = serve()
    reader = open_reader(server)
    first = reader.ask(book, QUESTION)
    server.forget_all()
    assert told(reader.ask(book, QUESTION)) == told(first)


def test_what_is_removed_here_is_removed_there(
    open_reader: Open, serve: Serve, book: str, story: Any
) -> None:
    server = serve()
    reader = open_reader(server)
    key = reader.ask(book, QUESTION)["adapter"]
    assert (reader.settings.server_folder / key).is_dir()
    reader.rm(book)
    assert not (reader.settings.server_folder / key).exists()
    again = reader.add(story)["id"]
    learned(reader, again, seed=7)
    reader.ask(again, QUESTION)
    [slot] = [slot for slot in server.host.slots if slot.startswith("book-")]
    assert slot.startswith(f"book-{reader.adapters()[0]['key'][:40]}")


def test_a_server_that_is_away_is_told_and_the_own_model_goes_on(
    open_reader: Open, serve: Serve, book: str
) -> None:
    own = open_reader().ask(book, QUESTION)
    server = serve()
    server.stop()
    reader = open_reader(server)
    answer = reader.ask(book, QUESTION)
    assert "cannot be reached" in answer["notice"]
    assert "model on this machine" in answer["notice"]
    assert told({**answer, "notice": ""}) == told(own)
    began = time.monotonic()
    assert reader.ask(book, QUESTION)["notice"]  # and it is left alone for a while
    assert time.monotonic() - began < 4


def test_a_server_that_breaks_off_is_not_mistaken_for_a_short_answer(
    open_reader: Open, serve: Serve, book: str
) -> None:
    server = serve()
    reader = open_reader(server)
    server.fail_after = 3
    with pytest.raises(LiftError, match="not finished; ask again") as caught:
        reader.ask(book, QUESTION)
    assert caught.value.code == "server_lost"
    server.fail_after = 0  # nothing was shown yet: the own model goes on
    assert open_reader(server).ask(book, QUESTION)["notice"]


def test_a_server_that_is_silent_for_too_long(open_reader: Open, serve: Serve, book: str) -> None:
    server = serve()
    server.pause = 3.0
    answer = open_reader(server, server_seconds=1).ask(book, QUESTION)
    assert "no sign for 1 seconds" in answer["notice"]


def test_a_server_without_adapters_answers_with_the_base_alone(
    open_reader: Open, serve: Serve, book: str, standing: Settings
) -> None:
    server = serve(runtime=False)
    reader = open_reader(server)
    answer = reader.ask(book, QUESTION)
    assert (answer["arm"], answer["adapter"]) == ("ICL", None)
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" in answer["notice"]
    with pytest.raises(CallerError, match="--enable-lora") as caught:
        reader.ask(book, QUESTION, arm="LIFT+ICL")
    assert caught.value.code == "no_adapter"
    bare = Reader(replace(standing, start="none"))  # it is asked in the manner of a bare base
    own = bare.ask(book, QUESTION, arm="ICL")
    bare.close()
    assert (own["answer"], own["context"]) == (answer["answer"], answer["context"])


def test_a_server_that_says_no_more_than_the_standard(
    open_reader: Open, serve: Serve, book: str
) -> None:
    answer = open_reader(serve(runtime=False, extras=False)).ask(book, QUESTION, arm="ICL")
    assert answer["answer"] and "as it comes" in answer["notice"]


def test_a_rank_over_the_limit(open_reader: Open, serve: Serve, book: str) -> None:
    reader = open_reader(serve(max_rank=4))  # the start's 2 fit, start and book together do not
    with pytest.raises(LiftError, match="--max-lora-rank") as caught:
        reader.ask(book, QUESTION)
    assert caught.value.code == "rank_too_high"
    assert reader.ask(book, QUESTION, arm="ICL")["notice"] == ""


def test_another_base(open_reader: Open, book: str, tmp_path: Any, tiny_settings: Settings) -> None:
    other = make_tiny_model(tmp_path / "another", seed=4)
    for root in (None, "org/another"):  # by its weights, and by its name where they are far away
        with (
            StandIn(other, tiny_settings, root=root) as server,
            pytest.raises(LiftError, match="serves another") as caught,
        ):
            open_reader(server).ask(book, QUESTION)
        assert caught.value.code == "wrong_base"


@pytest.mark.parametrize("url", ["localhost:8000", "file:///etc/passwd", "http://"])
def test_an_address_that_is_none(open_reader: Open, url: str) -> None:
    with pytest.raises(CallerError, match="must begin with http"):
        Exchange(open_reader().library, Settings(server=url))


def test_a_folder_that_the_server_does_not_see(
    open_reader: Open, serve: Serve, book: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setattr(
        server, "load", lambda name, folder: (404, f"No adapter found for {folder}")
    )
    assert "LIFT_SERVER_FOLDER" in open_reader(server).ask(book, QUESTION)["notice"]


def test_visitors_are_not_told_where_the_server_is(
    open_reader: Open, serve: Serve, book: str
) -> None:
    server = serve()
    server.stop()
    notice = open_reader(server, shared=True).ask(book, QUESTION)["notice"]
    assert notice and server.url not in notice


def test_a_reader_that_closes_ends_its_answers(open_reader: Open, serve: Serve, book: str) -> None:
    server = serve()
    server.pause = 0.2
    reader = open_reader(server)
    stream = reader.ask_stream(book, QUESTION)
    next(stream)
    closing = threading.Thread(target=reader.close)
    closing.start()
    closing.join(timeout=20)
    assert not closing.is_alive()


def test_ask_by_a_server_on_the_command_line(
    open_reader: Open, serve: Serve, book: str, monkeypatch: pytest.MonkeyPatch, no_engine: None
) -> None:
    server = serve()
    monkeypatch.setenv("LIFT_MODEL", open_reader().settings.model)
    found = CliRunner().invoke(main, ["ask", book, QUESTION, "--server", server.url, "--json"])
    assert json.loads(found.stdout)["arm"] == "LIFT+ICL", found.output
    assert server.asked


@pytest.mark.slow
def test_both_sides_of_the_load_bench_answer_alike(standing: Settings, serve: Serve) -> None:
    values = {"rank": 2, "alpha": 4, "segment_length": 128, "stride": 128, "epochs": 1}
    asked: dict[str, Any] = {"books": 2, "questions": 4, "recipe": "quick", "values": values}
    with pytest.raises(CallerError, match="--server"):
        load.run(standing, **asked, arm=None, progress=print)
    result = load.run(
        replace(standing, server=serve().url), **asked, arm="LIFT+ICL", progress=print
    )
    assert result["same"] == 4
    for side in ("server", "local"):
        assert sum(result[side][whose] for whose in ("own", "foreign", "other")) == 4
    assert "times as many questions" in load.table(result)


def test_every_small_book_of_the_load_bench_has_words_of_its_own() -> None:
    texts = [load.text_of(number).lower() for number in range(len(load.OWN))]
    for number, own in enumerate(load.OWN):
        assert [own in text for text in texts] == [n == number for n in range(len(texts))]
