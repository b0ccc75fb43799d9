"""Several processes train what one would have trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_app.errors import CallerError
from lift_app.lifting.checkpoint import load_checkpoint
from lift_app.models.adapter_file import read_adapter
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.lora import AdapterHost
from lift_app.models.provision import ensure_model
from lift_app.models.starts import folder_of
from lift_app.settings import Settings
from lift_app.sft.corpus import read_corpus
from lift_app.sft.run import train_start
from lift_app.sft.team import Team
from lift_app.sft.trainer import SftRecipe

RECIPE = SftRecipe(lessons=23, batch=4, rank=2, alpha=4, held_out=1, learning_rate=1e-2)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Tales of different lengths, so that no two lessons have as many tokens."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    with (folder / "tales.jsonl").open("w", encoding="utf-8") as file:
        for number, name in enumerate(("Anka", "Bero", "Cilla", "Doran", "Ede", "Fenn")):
            things = ("cup", "golden hat", "key to the blue cupboard")
            sections = [f"{name} lost a {thing}. It was old. " * (1 + number) for thing in things]
            questions = [
                {
                    "question": f"What did {name} lose in part {part}?",
                    "answers": [f"A {thing}" + " of silver" * number],
                    "gold_sections": [part],
                }
                for part, thing in enumerate(things)
            ]
            tale = {"doc_id": name, "title": name, "text": "\n\n".join(sections)}
            file.write(json.dumps({**tale, "sections": sections, "questions": questions}) + "\n")
    return folder


def _train(
    settings: Settings, corpus: Path, name: str, recipe: SftRecipe = RECIPE, **options: Any
) -> Any:
    base = BaseModel.load(
        ensure_model(settings.model, settings), Choice("cpu", "fp32", None, "a test"), settings
    )
    target = folder_of(name, settings)
    return train_start(AdapterHost(base), read_corpus(corpus), recipe, target, **options)


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("LIFT_CLUSTER"), reason="starts two processes: `make test-cluster`"
)
@pytest.mark.timeout(600)
def test_two_processes_learn_what_one_does(tiny_settings: Settings, corpus: Path) -> None:
    one = list(_train(tiny_settings, corpus, "one"))
    values = [f"--set={name}={value}" for name, value in RECIPE.to_json().items()]
    launcher = ["accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
    command = ["lift_app.cli", "sft", str(corpus), "--name=two", "--json", *values]
    launched = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", *command],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "LIFT_HOME": str(tiny_settings.home),
            "LIFT_MODEL": tiny_settings.model,
            "LIFT_PRECISION": "fp32",
        },
        timeout=500,
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    two = [json.loads(line) for line in launched.stdout.splitlines()]  # the first's words alone
    assert [event["stage"] for event in two] == [event["stage"] for event in one]
    losses = [[event["loss"] for event in run if "loss" in event] for run in (one, two)]
    assert len(losses[0]) == RECIPE.steps == 6
    assert losses[0] == pytest.approx(losses[1], abs=2e-4)
    assert two[-1]["card"]["processes"] == 2
    assert two[-1]["card"]["nll"]["before"] == one[-1]["card"]["nll"]["before"]
    first, second = (read_adapter(folder_of(n, tiny_settings)).tensors for n in ("one", "two"))
    for name, tensor in first.items():
        assert torch.allclose(tensor.float(), second[name].float(), atol=2e-3), name


def test_the_lessons_of_a_step_weigh_as_their_tokens(tiny_settings: Settings, corpus: Path) -> None:
    """Three times one step of one lesson, without moving, is one step of the three lessons."""

    def first_losses(batch: int, count: int) -> list[float]:
        recipe = SftRecipe(lessons=3, batch=batch, rank=2, held_out=0, learning_rate=1e-12)
        events = _train(tiny_settings, corpus, f"batch-{batch}", recipe)
        return [event["loss"] for event in events if "loss" in event][:count]

    single, [together] = first_losses(1, 3), first_losses(3, 1)
    assert min(single) < together < max(single)
    assert together != pytest.approx(sum(single) / 3, abs=1e-3)  # they are not of one length


def test_the_others_go_on_where_the_first_one_is(tiny_settings: Settings, corpus: Path) -> None:
    class Second(Team):
        place = 1

        def first_says(self, value: Any) -> Any:
            assert value is None  # only the first reads the disk
            return saved

    for event in _train(tiny_settings, corpus, "start", checkpoint_seconds=0):
        if event["step"] == 4:
            break
    work = tiny_settings.starts / ".start"
    saved = load_checkpoint(work)
    kept = {path: path.stat().st_mtime_ns for path in work.iterdir()}
    run = list(_train(tiny_settings, corpus, "start", checkpoint_seconds=0, team=Second()))
    assert [event["step"] for event in run] == [4, 5, 6]  # the last checkpoint was of step 3
    assert {path: path.stat().st_mtime_ns for path in work.iterdir()} == kept
    assert not folder_of("start", tiny_settings).exists()


def test_more_processes_than_lessons_are_refused(tiny_settings: Settings, corpus: Path) -> None:
    class Nine(Team):
        size = 9

    with pytest.raises(CallerError, match="--set batch=9"):
        next(_train(tiny_settings, corpus, "nine", team=Nine()))
