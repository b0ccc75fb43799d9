"""The paper estimate: its sizes are those of real models, its arithmetic is that of the inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lift_app.bench import scale, speed
from lift_app.bench.shapes import make_base, sizes_of
from lift_app.cli.main import main
from lift_app.errors import CallerError
from lift_app.lifting.recipe import Recipe
from lift_app.models.adapter_file import WEIGHTS
from lift_app.models.catalogue import find_model
from lift_app.models.lora import AdapterHost
from lift_app.settings import Settings

RECIPE = Recipe(rank=16)
PAGE = Path(__file__).parent.parent.parent / "docs" / "beyond.md"
DEMO = Path(__file__).parent.parent.parent / "data" / "demo" / WEIGHTS


def test_sizes_are_those_of_the_model(settings: Settings) -> None:
    base, sizes = make_base("tiny", settings), sizes_of("tiny")
    assert scale.operations(sizes, RECIPE) == pytest.approx(speed._operations(base, RECIPE))
    host = AdapterHost(base)
    host.reset("lift", rank=3, alpha=6, seed=0)
    assert sizes.adapter_weights(3) == sum(p.numel() for p in host.parameters("lift"))
    norms = (2 * sizes.layers + 1) * 32
    assert sizes.base + norms == base.identity.parameters


def test_sizes_are_those_of_files() -> None:
    """The recording's adapter is in 16 bit, with a header of some 50 KB."""
    weights = sizes_of("smollm2-135m").adapter_weights(16)
    assert 0 < DEMO.stat().st_size - 2 * weights < 100_000
    large = find_model("meta-llama-3-8b-instruct").parameters
    assert sizes_of("llama-3-8b").base == pytest.approx(large, rel=1e-4)
    with pytest.raises(CallerError, match="no shape 'huge'"):
        sizes_of("huge")


def test_the_arithmetic() -> None:
    def found(measured: float | None = None, **changes: float) -> dict[str, dict[str, float]]:
        load = scale.Load(**changes)  # type: ignore[arg-type]
        return scale.estimate(load, shape="llama-3-8b", recipe=RECIPE, tokens_per_second=measured)

    one, twice = found(), found(books=2_000_000, readers=20_000)
    assert twice["storage"]["adapters_bytes"] == 2 * one["storage"]["adapters_bytes"]
    assert twice["storage"]["bytes_a_reader"] == one["storage"]["bytes_a_reader"]
    assert twice["learning"]["gpu_hours"] == pytest.approx(2 * one["learning"]["gpu_hours"])
    assert twice["answering"]["questions_a_second"] == 2 * one["answering"]["questions_a_second"]
    # 100,000 tokens cut into 256 every 96, and half of one more reading for the check.
    measured = found(1000.0)["learning"]
    assert measured["seconds_a_book"] == pytest.approx((measured["trained_tokens"] + 50_000) / 1000)
    assert measured["trained_tokens"] == pytest.approx(100_000 * 8 / 3, rel=0.01)
    assert measured["gpus"] == -(-measured["gpu_hours"] // (24 * 30))
    small = found(gpu_memory_gb=48)["answering"]
    assert 0 < small["adapters_a_gpu"] < one["answering"]["adapters_a_gpu"]
    assert found(gpu_memory_gb=8)["answering"]["adapters_a_gpu"] == 0
    with pytest.raises(CallerError, match="readers must be above 0"):
        scale.Load(readers=0)


def test_the_page_says_what_the_command_says() -> None:
    found = scale.estimate(scale.Load(), shape="llama-3-8b", recipe=RECIPE)
    assert f"```\n{scale.table(found)}\n```" in PAGE.read_text(encoding="utf-8")


def test_the_command_states_its_inputs() -> None:
    command = ["bench", "scale", "--shape", "smollm2-135m", "--set", "readers=5"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0 and "5 readers, 1,000,000 books" in done.output
    assert "(assumed;" in done.output
    done = CliRunner().invoke(main, [*command, "--speed", "231", "--json"])
    inputs = json.loads(done.stdout)["inputs"]
    assert inputs["readers"] == 5 and inputs["speed_is"] == "measured"
    assert CliRunner().invoke(main, [*command, "--set", "reader=1"]).exit_code == 2
