"""Benches have a home of their own, with the reader's models and starts and without their shelf."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lift_app.bench import answer, arms, sample
from lift_app.cli.bench_settings import bench_settings
from lift_app.cli.main import main
from lift_app.errors import CallerError
from lift_app.models.starts import CARD, find_start
from lift_app.reader import Reader
from lift_app.settings import Settings


def test_a_start_that_the_reader_trained_is_found(home: Path) -> None:
    own = Settings(home=home)
    (own.starts / "mine").mkdir(parents=True)
    card = {"base_sha256": "b", "weights_sha256": "w"}
    (own.starts / "mine" / CARD).write_text(json.dumps(card))
    settings = bench_settings(start="mine")
    assert settings.home == home / "bench"
    assert (settings.models, settings.starts) == (own.models, own.starts)
    assert find_start("mine", settings).path == own.starts / "mine"
    assert settings.model == f"{own.model}+mine"
    with pytest.raises(CallerError, match="no start 'other'"):
        find_start("other", settings)


def test_what_is_not_named_is_as_the_reader_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFT_CONTEXT_TOKENS", "77")
    assert bench_settings().context_tokens == 77
    assert bench_settings(context=0).context_tokens == 0
    assert "+" in bench_settings().model  # the start that comes with the model


@pytest.mark.parametrize(("name", "bench"), [("sample", sample), ("answer", answer)])
def test_the_sample_book_on_the_shelf_does_not_spare_a_lift(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, bench: Any
) -> None:
    """With the adapter it comes with, its lift would be found instead of measured.

    The bench of answers asks it as it comes, and so in a home that no other bench sees.
    """
    seen: list[tuple[Path, str, int]] = []

    def run(reader: Reader, **_: Any) -> dict[str, Any]:
        seen.append((reader.settings.home, reader.settings.model, len(reader.books())))
        return {}

    monkeypatch.setattr(bench, "run", run)
    with Reader(Settings(home=home)) as reader:
        reader.add(reader.sample_book())
        done = CliRunner().invoke(main, ["bench", name, "--start", "none", "--json"])
    assert done.exit_code == 0, done.output
    [(where, model, books)] = seen
    assert (model, books) == (Settings().model, 0)
    assert where != home and (where == home / "bench") == (name == "sample")
    assert where.exists() == (name == "sample")


def test_arms_with_tasks_keep_what_is_set_for_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[arms.Plan] = []

    def run(reader: Reader, documents: Any, plan: arms.Plan, **_: Any) -> dict[str, Any]:
        plans.append(plan)
        return {}

    monkeypatch.setattr(arms, "run", run)
    for changes in (["--set", "tasks_every=8"], ["--set", "rank=4", "--tasks", "tasks_every=3"]):
        done = CliRunner().invoke(
            main, ["bench", "arms", "--arms", "LIFT+AT+ICL", *changes, "--json"]
        )
        assert done.exit_code == 0, done.output
    assert [plan.task_values["tasks_every"] for plan in plans] == ["8", "3"]
    assert all(plan.task_values["task_weight"] == 1.0 for plan in plans)
