"""The three checks, end to end with the tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lift_app.bench.checks import domains, overlap
from lift_app.bench.checks.overlap import sentence_pairs
from lift_app.bench.checks.questions import kind_of
from lift_app.bench.documents import BenchDocument
from lift_app.cli.main import main
from lift_app.settings import Settings

STORY = (
    "Anka Novak lost a silver cup at the old mill in the year 1910. She looked for it until the "
    "evening came down on the river. Bero found the cup under the bridge and took it home. "
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asked = [
        {"question": "Why did Anka look?", "answers": ["She lost a cup."]},
        {"question": "Who found the cup?", "answers": ["Bero"]},
    ]
    for suite, extra in (
        ("fairytaleqa", {}),
        ("loogle", {"task": "shortdep_qa"}),
        ("longbench", {"task": "multifieldqa_en"}),
        ("qmsum", {}),
    ):
        rows = [
            {"doc_id": f"{suite}{n}", "text": f"Part {n}. " + STORY * 2,
             "questions": [one | extra for one in asked]}
            for n in range(2)
        ]  # fmt: skip
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{suite}.jsonl").write_text(lines)
    return tmp_path


def check(name: str, data: Path, settings: Settings, *more: str) -> dict[str, Any]:
    command = ["bench", "check", name, "--data", str(data), "--limit", "1", "--context", "64"]
    command += ["--model", settings.model, "--json", *more]
    if name != "questions":  # which learns in a few steps of its own
        command += ["--set=segment_length=64", "--set=rank=2"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "|---|" in done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_overlap_is_lifted_and_compared(
    data: Path, tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlap.run, "__kwdefaults__", {"overlaps": (0.0, 0.5)})
    result = check("overlap", data, tiny_settings)
    rows = {(row["kind"], row["overlap"]): row for row in result["rows"]}
    assert set(rows) == {(k, o) for k in ("narrative", "expository") for o in (None, 0.0, 0.5)}
    none, half = (rows["narrative", share]["tokens_trained"] for share in (0.0, 0.5))
    assert none < half < 2.1 * none
    assert rows["narrative", None]["tokens_trained"] == 0
    assert all(0 <= row["order"]["mean"] <= 100 for row in rows.values())
    assert set(result["least"]) == {"narrative", "expository"}


def test_pairs_are_neighbours_of_the_text() -> None:
    sentences = [f"This is the sentence number {n}." for n in range(200)]
    pairs = sentence_pairs(BenchDocument("a", "a", " ".join(sentences), ()))
    assert len(pairs) == overlap.PAIRS
    assert all(sentences.index(b) == sentences.index(a) + 1 for a, b in pairs)
    assert pairs == sentence_pairs(BenchDocument("a", "a", " ".join(sentences), ()))


def known(overlap_share: float | None, *order: float) -> overlap._Known:
    return overlap._Known("d", "tale", overlap_share, order, (), 0, 0.0)


def test_the_least_overlap_keeps_the_order_as_well_as_the_best() -> None:
    base = known(None, *[0.0, 1.0] * 20)
    poor, good, best = (
        known(0.0, *[0.0, 1.0] * 20),
        known(0.5, *[1.0] * 39, 0),
        known(0.75, *[1.0] * 40),
    )
    assert overlap._least("tale", [base, poor, good, best], (0.0, 0.5, 0.75)) == 0.5
    assert overlap._least("tale", [base, poor], (0.0,)) is None  # no better than the base


def test_synthetic_questions_are_sampled_and_learned(data: Path, tiny_settings: Settings) -> None:
    result = check("questions", data, tiny_settings, "--judge", tiny_settings.model)
    kinds = {row["kind"] for row in result["sample"]}
    assert {"cloze", "next"} <= kinds
    assert all(0 <= row["held"] <= 100 for row in result["sample"])
    effects = {(row["learned"], row["kind"]): row for row in result["effects"]}
    assert set(effects) == {(k, a) for k in {"nothing", *kinds} for a in ("causal", "factual")}
    assert effects["nothing", "causal"]["difference"] == 0
    assert effects["cloze", "causal"]["difference"] != 0
    assert result["judge"].startswith(tiny_settings.model)


def test_kinds_of_questions() -> None:
    assert kind_of("Why did Anka look?") == "causal"
    assert kind_of("What happened after the storm?") == "temporal"
    assert kind_of("Who found the cup?") == "factual"


@pytest.mark.slow
def test_domains_have_short_and_long_contexts(data: Path, tiny_settings: Settings) -> None:
    result = check("domains", data, tiny_settings, "--set=stride=64")
    rows = {row["domain"]: row for row in result["rows"]}
    assert set(rows["tales"]["scores"]) >= {"closed book", "short", "long", "lift", "lift NLL"}
    scores = rows["tales"]["scores"]
    assert result["context"] == {"short": 64, "long": domains.LONG}
    assert scores["closed book NLL"]["mean"] != scores["short NLL"]["mean"]
    assert rows["tales"]["seen"] and not rows["encyclopaedia"]["seen"]
    assert rows["novels"]["why"] == "its suite is not in the folder"
    assert "code" in rows["code"]["why"]


def test_a_recipe_is_not_taken_for_questions_and_left_aside(data: Path) -> None:
    done = CliRunner().invoke(
        main, ["bench", "check", "questions", "--data", str(data), "--recipe", "quick"]
    )
    assert (done.exit_code, "leave out --recipe" in done.output) == (2, True)
