"""The timing benches run whole on a tiny shape; what they print is no test of this machine."""

from __future__ import annotations

import json
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tiny_model import BARE

from lift_app.bench import answer, estimate, length, speed, waits
from lift_app.bench.shapes import SHAPES, make_base
from lift_app.cli.bench_settings import bench_settings
from lift_app.cli.main import main
from lift_app.errors import CallerError, LiftError, Stopped
from lift_app.lifting.recipe import Recipe
from lift_app.reader import Reader
from lift_app.settings import Settings

SMALL = Recipe(segment_length=64, stride=64, rank=2, alpha=4)


def quiet(_: str) -> None:
    """Nobody needs to hear how far it is."""


def test_speed_against_the_plain_loop() -> None:
    arguments = ["--shape", "tiny", "--against", "plain", "--segments", "2", "--rounds", "1"]
    changes = ["--set", "segment_length=32", "--set", "stride=32", "--set", "rank=2"]
    done = CliRunner().invoke(main, ["bench", "speed", *arguments, *changes, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)  # one document: the Trainer prints nothing into it
    assert {"tokens_per_second", "tflops", "peak_tflops", "share", "peak_memory_gb"} <= set(result)
    assert result["plain"]["batch"] in (1, 2) and set(result["plain"]["batches"]) == {"1", "2"}
    assert result["ratio"] > 0 and result["cpu_ratio"] > 0
    assert 0 < result["tflops"] < result["peak_tflops"]
    assert result["seconds"]["1000000"] > 100 * result["seconds"]["8000"] > 0
    assert "tokens/s" in speed.table(result)


def test_estimates_are_held_against_what_lifts_take(tiny_settings: Settings) -> None:
    command = ["bench", "estimate", "--tokens", "900,300", "--recipe", "quick", "--json"]
    done = CliRunner().invoke(main, [*command, "--model", tiny_settings.model])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert [row["tokens"] for row in result["rows"]] == [900, 300]
    for row in result["rows"]:
        memory = row["memory_gb"]
        assert min(row["seconds"]["taken"], memory["estimated"], memory["taken"]) > 0
        assert row["seconds"]["first"] != row["seconds"]["estimated"]  # it was measured in between
        assert row["memory_ratio"] == pytest.approx(1, abs=0.5)
    assert 0 <= result["within"] <= 1 and result["calibration_seconds"] > 0
    assert "| 900 | quick |" in estimate.table(result)
    assert not list((bench_settings().home).glob("books/*"))  # it was a home for this alone


def test_everything_else_is_timed(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "ROUNDS", 1)
    command = ["bench", "waits", str(story), "--tokens", "2000", "--model", tiny_settings.model]
    done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    told = [row["what"] for row in result["rows"]]
    commands = ["lift --help", "lift books", "lift serve, to the first page"]
    assert told[2:] == [*commands, f"lift add {story.name}"]
    assert "2,000 tokens" in told[0] and len(told) == 6
    assert all(0 < row["median"] <= row["slowest"] for row in result["rows"])
    assert "| lift books |" in waits.table(result)


def test_the_operations_of_a_step_are_those_of_its_products(settings: Settings) -> None:
    base = make_base("tiny", settings)
    # Layer by layer: q and o 32 x 32, k and v 32 x 16, three of 32 x 64; the output 32 x 512.
    linear = 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 64)
    read = 64 + speed.PREFIX_TOKENS
    attention = 2 * 6 * 2 * 32 * read / 2
    expected = (4 * linear + attention) * read / 64 + 4 * 32 * 512
    assert speed._operations(base, SMALL) == pytest.approx(expected)


def test_shapes() -> None:
    assert SHAPES["llama-3-8b"]["vocab_size"] == 128_256
    with pytest.raises(CallerError, match="no shape 'huge'"):
        make_base("huge", Settings())


class Here:
    """A process pool that works in this process: a real one takes seconds to begin."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*arguments))
        return done


def test_time_grows_with_the_book_and_memory_does_not(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(length, "ProcessPoolExecutor", Here)
    result = length.run(
        settings, recipe=SMALL, lengths=(3_000, 12_000), shape="tiny", progress=quiet
    )
    assert [row["steps"] for row in result["rows"]] == [47, 188]
    assert 0.5 < result["slope"] < 1.5
    assert result["memory_spread"] < 0.05
    assert "| 12,000 |" in length.table(result)
    pytest.importorskip("matplotlib")
    length.draw(result, tmp_path / "length.svg")
    assert "<svg" in (tmp_path / "length.svg").read_text(encoding="utf-8")


def test_a_length_of_a_models_book_in_a_process_of_its_own(tiny_settings: Settings) -> None:
    recipe = replace(SMALL, stride=32)
    result = length.run(tiny_settings, recipe=recipe, lengths=(600,), steps=2, progress=quiet)
    assert [row["steps"] for row in result["rows"]] == [2] and result["slope"] is None
    assert result["rows"][0]["peak_memory_gb"] > 0


def test_a_figure_without_matplotlib_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(CallerError, match=r"lift-reader\[bench\]"):
        length.draw({}, tmp_path / "length.svg")


@pytest.mark.slow
def test_answers_are_timed(tiny_settings: Settings) -> None:
    values: dict[str, Any] = {"segment_length": 256, "stride": 16, "rank": 2, **BARE}
    with Reader(tiny_settings) as reader:
        result = answer.run(reader, recipe="standard", values=values, questions=2, progress=quiet)
        [lift] = [job for job in reader.jobs() if job["state"] != "done"]
    assert lift["wanted"] == "cancel"  # it outlasted the questions beside it
    first, waits = result["first_token_seconds"], result["while_lifting"]
    # Of seconds before they were rounded to a millisecond, which is much of a tiny model's.
    least = (first["not_kept"] - 0.0005) / (first["kept"] + 0.0005)
    most = (first["not_kept"] + 0.0005) / max(first["kept"] - 0.0005, 1e-9)
    assert least - 0.005 <= first["ratio"] <= most + 0.005
    assert result["tokens_per_second"]["ratio"] > 0
    assert min(waits["idle"], waits["lifting"], waits["step_seconds"]) > 0
    assert "times sooner" in answer.table(result)


@pytest.mark.parametrize("ends_at", [0, 1])
def test_only_waits_beside_a_lift_that_goes_on_count(
    tiny_settings: Settings, story: Path, monkeypatch: pytest.MonkeyPatch, ends_at: int
) -> None:
    texts = ["Who kept lanterns?", "Who mended the bell?"]
    with Reader(tiny_settings) as reader:

        def wait(_: Reader, book: str, text: str) -> float:
            if reader.jobs() and text == texts[ends_at]:
                reader.cancel(book)
                with suppress(Stopped):
                    list(reader._lifts.follow(reader.status(book)["job"], seen=0))
            return 0.5 if reader.jobs() else 0.25

        monkeypatch.setattr(answer, "_wait", wait)
        book = reader.add(story)["id"]
        values = {"segment_length": 32, "stride": 32, "rank": 2}
        arguments = (reader, book, story, "standard", values, texts)
        if ends_at == 0:
            with pytest.raises(LiftError, match="over before a question"):
                answer._waits(*arguments)
        else:
            found = answer._waits(*arguments)
            assert (found["idle"], found["lifting"]) == (0.25, 0.5)
