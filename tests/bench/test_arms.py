"""The bench of all arms: same questions, paired and clustered differences, goes on after a kill."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from tiny_model import BARE

from lift_app.bench import arms, citations
from lift_app.bench.documents import read_documents, sample_documents, some_questions
from lift_app.bench.intervals import bootstrap, paired
from lift_app.bench.metrics.token_f1 import best_f1, token_f1
from lift_app.errors import CallerError
from lift_app.reader import Reader
from lift_app.settings import Settings

RECIPE = {"segment_length": 64, "stride": 64, "rank": 2, **BARE}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    rows = []
    for name, thing in (("anka", "cup"), ("bero", "hat")):
        sections = [f"{name.title()} lost a {thing} at the mill."] * 2
        question = {"question": f"What did {name.title()} lose?", "gold_sections": [0]}
        rows.append(
            {
                "doc_id": name,
                "title": name,
                "text": "\n\n".join(sections),
                "sections": sections,
                "questions": [question | {"answers": [f"a {thing}", thing], "qid": f"{name}1"}] * 2,
            }
        )
    path = tmp_path / "tales.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def plan(*names: str, **options: Any) -> arms.Plan:
    return arms.Plan(arms.find_arms(",".join(names)), "standard", RECIPE, {}, **options)


def test_every_arm_is_scored_on_the_same_questions(tiny_settings: Settings, suite: Path) -> None:
    names = ("ICL", "LIFT+ICL", "LIFT+ICL (wrong book)", "RAG", "ICL+gold", "LIFT_only")
    told: list[str] = []
    with Reader(tiny_settings) as reader:
        documents = read_documents(suite)
        result = arms.run(reader, documents, plan(*names), suite="tales", progress=told.append)
        told.clear()
        again = arms.run(reader, documents, plan(*names), suite="tales", progress=told.append)
    assert again["arms"] == result["arms"]  # to the second: nothing was scored twice
    by_name = {row["arm"]: row for row in result["arms"]}
    assert set(by_name) == set(names)
    assert all(row["questions"] == 4 and 0 <= row["f1"] <= 100 for row in result["arms"])
    assert by_name["LIFT+ICL"]["tokens_trained"] > 0 == by_name["ICL"]["tokens_trained"]
    assert by_name["LIFT+ICL"]["nll"] != by_name["LIFT+ICL (wrong book)"]["nll"]
    pairs = {(pair["a"], pair["b"], pair["metric"]): pair for pair in result["pairs"]}
    difference = by_name["LIFT+ICL"]["nll"] - by_name["ICL"]["nll"]
    assert pairs["LIFT+ICL", "ICL", "nll"]["difference"] == pytest.approx(difference, abs=2e-4)
    assert "| LIFT+ICL − ICL |" in arms.table(result)


def test_the_wrong_books_adapter_is_as_strong_as_the_right_one(
    tiny_settings: Settings, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a guard that silences it would let the right one win against nothing."""
    own: dict[str, float] = {}
    used: dict[str, list[tuple[str, float]]] = {}

    def strength_of(reader: Reader, key: str, **_: Any) -> float:
        return own.setdefault(key, 0.1 * (1 + len(own)))

    def score(reader: Reader, book: str, document: Any, arm: Any, key: Any, *rest: Any) -> Any:
        used.setdefault(arm.name, []).append((key, rest[0]))
        return [{"nll": 1.0, "f1": None, "seconds": 0.0}] * len(document.questions)

    monkeypatch.setattr(arms, "strength_of", strength_of)
    monkeypatch.setattr(arms, "_score", score)
    both = plan("LIFT+ICL", "LIFT+ICL (wrong book)", write=False)
    with Reader(tiny_settings) as reader:
        arms.measure(reader, read_documents(suite), both, progress=lambda _: None)
    right, wrong = used["LIFT+ICL"], used["LIFT+ICL (wrong book)"]
    assert [strength for _, strength in right] == [strength for _, strength in wrong]
    assert [key for key, _ in wrong] == [key for key, _ in right][::-1]
    assert right[0][1] != right[1][1]


@pytest.mark.parametrize(
    ("evidence", "gold"),
    [("At the mill.", ("At the mill.",)), (["At", "the mill."], ("At", "the mill.")), (None, ())],
)
def test_gold_evidence_may_be_given_as_text(
    tmp_path: Path, evidence: Any, gold: tuple[str, ...]
) -> None:
    asked = {"question": "Where?", "answers": ["at the mill"], "evidence": evidence}
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"doc_id": "d", "text": "At the mill.", "questions": [asked]}))
    assert read_documents(path)[0].questions[0].gold == gold


def test_an_arm_that_does_not_exist_is_named() -> None:
    with pytest.raises(CallerError, match="no arm 'LIFT'"):
        arms.find_arms("ICL,LIFT")
    assert len(arms.find_arms(None)) == len(arms.ARMS)
    assert {name for pair in arms.PAIRS for name in pair} <= set(arms.ARMS)


def test_documents_of_a_file(suite: Path, tmp_path: Path) -> None:
    first, _ = read_documents(suite)
    assert first.questions[0].gold == (first.text.partition("\n\n")[0],)
    assert len(some_questions(first, 1, seed=0).questions) == 1
    with pytest.raises(CallerError, match="no document of 99 words"):
        read_documents(suite, least_words=99)
    with pytest.raises(CallerError, match="There is no file"):
        read_documents(tmp_path / "none.jsonl")
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(CallerError, match="line 1"):
        read_documents(tmp_path / "bad.jsonl")


def test_the_sample_book_is_a_document(settings: Settings) -> None:
    book, control = sample_documents(Path(__file__).parents[2] / "data")
    assert len(book.questions) == 30
    assert not control.questions
    assert all(passage for asked in book.questions for passage in asked.gold)


def test_token_f1() -> None:
    assert token_f1("The nine florins!", "nine florins") == 1
    assert token_f1("nine", "nine florins") == pytest.approx(2 / 3)
    assert token_f1("", "nine") == 0
    assert best_f1("a hat", ["cup", "hat"]) == 1


def test_clusters_widen_an_interval() -> None:
    values = [1.0] * 10 + [0.0] * 10
    clusters = ["a"] * 10 + ["b"] * 10
    loose, tight = bootstrap(values, clusters=clusters), bootstrap(values)
    assert loose[0] < tight[0] < fmean(values) < tight[1] < loose[1]
    assert bootstrap(values, clusters=["a"] * 20) == tight  # one document: its questions
    assert bootstrap([2.0]) == (2.0, 2.0)
    pair = paired("a", [1.0, 2.0], "b", [0.0, 0.0], metric="nll")
    assert (pair.difference, pair.low, pair.high) == (1.5, 1.0, 2.0)
    with pytest.raises(ValueError, match="at least one"):
        bootstrap([])


def test_the_bench_shares_the_models_of_the_home(tiny_settings: Settings) -> None:
    moved = replace(tiny_settings, home=tiny_settings.home / "bench")
    assert moved.models == tiny_settings.models


def test_questions_are_asked_of_their_document_and_of_another(
    tiny_settings: Settings, suite: Path
) -> None:
    with Reader(tiny_settings) as reader:
        result = citations.run(
            reader, read_documents(suite), suite="tales", progress=lambda text: None
        )
    totals = result["totals"]
    assert (totals["answerable"], totals["unanswerable"]) == (4, 4)
    assert totals["abstained"] == 4  # the other tale never names who is asked about
    assert totals["not_verbatim"] == 0
    assert "of 4" in citations.line(totals)
