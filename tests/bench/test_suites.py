"""Suites: official releases and this project's JSON lines; bad data is named by file and line."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from lift_app.bench.documents import BenchDocument
from lift_app.bench.suites import niah
from lift_app.bench.suites.suite import NAMES, load, shortest
from lift_app.errors import CallerError

TEXT = "Anka lost a cup at the mill. Bero found it under the bridge and kept it."


def words(text: str) -> int:
    return len(text.split())


def put(folder: Path, name: str, *rows: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def put_table(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def only(name: str, data: Path) -> BenchDocument:
    (document,) = load(name, data, words)
    return document


def test_fairytaleqa_in_both_formats(tmp_path: Path) -> None:
    asked = {"question": "What was lost?", "answers": ["a cup", "a cup"], "gold_sections": [0]}
    row = {"doc_id": "mill story", "text": TEXT, "sections": [TEXT], "questions": [asked]}
    put(tmp_path / "ours", "fairytaleqa.jsonl.gz", row)
    question = only("fairytaleqa", tmp_path / "ours").questions[0]
    assert (question.answers, question.gold) == (("a cup",), (TEXT,))
    release = tmp_path / "release" / "test"
    put_table(release / "section-stories" / "mill-story.csv", {"section": "1", "text": TEXT})
    columns = {"question_id": "7", "cor_section": "1", "attribute1": "action", "attribute2": ""}
    answers = {"question": "What was lost?", "answer1": "a cup", "answer2": "", "answer4": "cup"}
    put_table(release / "questions" / "mill-questions.csv", columns | answers)
    question = only("fairytaleqa", tmp_path / "release").questions[0]
    assert (question.answers, question.gold, question.task) == (("a cup", "cup"), (TEXT,), "action")


def test_quality_counts_from_one_in_the_release(tmp_path: Path) -> None:
    asked = {"question": "Who?", "options": ["Anka", "Bero", "Cilla", "Dan"], "gold_label": 2}
    row = {
        "article_id": "1",
        "title": "t",
        "article": TEXT,
        "questions": [asked | {"difficult": 1}],
    }
    put(tmp_path / "release", "QuALITY.v1.0.1.htmlstripped.dev", row)
    question = only("quality", tmp_path / "release").questions[0]
    assert (question.answers, question.task) == (("Bero",), "4 options, hard")
    ours = {"question": "Who?", "options": ["Anka", "Bero"], "gold": 1}
    put(tmp_path / "ours", "quality.jsonl", {"doc_id": "q", "text": TEXT, "questions": [ours]})
    assert only("quality", tmp_path / "ours").questions[0].answers == ("Bero",)
    twice = {"question": "Who?", "options": ["Anka", "Anka", "Bero"], "gold": 2}
    put(tmp_path / "twice", "quality.jsonl", {"doc_id": "q", "text": TEXT, "questions": [twice]})
    assert only("quality", tmp_path / "twice").questions[0].answers == ("Bero",)


def test_loogle_joins_the_files_of_a_release(tmp_path: Path) -> None:
    pairs = [{"Q": "Who found it?", "A": "Bero", "S": ["Bero found it."]}]
    put(tmp_path, "shortdep_qa.jsonl", {"input": TEXT, "title": "Mill", "qa_pairs": str(pairs)})
    order = "Reorder the timeline of below events:\nI. found\nII. lost"
    long = [
        {"Q": "How many people?", "A": "2", "S": [], "type": "computation"},
        {"Q": order, "A": "II,I", "S": [], "type": "timeline_reorder"},
    ]
    put(tmp_path, "longdep_qa.jsonl", {"input": TEXT, "title": "Mill", "qa_pairs": long})
    gaps = [{"Q": "<mask-0> lost a cup.", "A": {"<mask-0>": "Anka"}, "S": []}]
    put(tmp_path, "shortdep_cloze.jsonl", {"input": TEXT, "title": "Mill", "qa_pairs": gaps})
    paper = {"input": "A paper.", "title": "2301.1", "qa_pairs": "none", "output": "It is short."}
    put(tmp_path, "longdep_summarization.jsonl", paper)
    summary, mill = load("loogle", tmp_path, words)
    assert [q.form for q in summary.questions] == ["long"]
    tasks = {q.task: q for q in mill.questions}
    assert set(tasks) == {"ShortQA", "computation", "timeline reorder", "cloze"}
    assert (tasks["timeline reorder"].form, tasks["timeline reorder"].keys) == (
        "order",
        ("II", "I"),
    )
    assert (tasks["cloze"].answers, tasks["cloze"].keys) == (("Anka",), ("<mask-0>",))
    assert len({q.id for q in mill.questions}) == 4


def test_longbench_knows_the_forms_of_its_tasks(tmp_path: Path) -> None:
    row = {"context": TEXT, "answers": ["Paragraph 3"], "input": "An abstract.", "_id": "a"}
    put(tmp_path, "passage_retrieval_en.jsonl", row | {"dataset": "passage_retrieval_en"})
    report = {"doc_id": "g", "text": TEXT + " Twice.", "questions": []}
    summary = {"question": "", "answers": ["A cup."], "task": "gov_report"}
    retrieval = only("longbench", tmp_path)
    put(tmp_path, "longbench_mini.jsonl", report | {"questions": [summary]})
    gov = only("longbench", tmp_path)  # where there are files of both kinds, ours are read
    assert retrieval.questions[0].form == "retrieval"
    assert "An abstract." in retrieval.questions[0].question
    assert (gov.questions[0].form, gov.questions[0].task) == ("long", "gov_report")


def test_bamboo_keeps_the_order(tmp_path: Path) -> None:
    row = {"content": TEXT, "summaries": ["found", "lost"], "answer": [1, 0]}
    put(tmp_path, "reportsumsort_4k.jsonl", row)
    question = only("bamboo", tmp_path).questions[0]
    assert (question.keys, question.task) == (("1", "0"), "reportsumsort_4k")
    assert "[0] found\n[1] lost" in question.question


def test_novels_meetings_and_stories(tmp_path: Path) -> None:
    put_table(
        tmp_path / "narrativeqa" / "qaps.csv",
        *({"document_id": d, "question": "Who?", "answer1": "Bero", "answer2": "B."} for d in "xy"),
    )
    put_table(
        tmp_path / "narrativeqa" / "documents.csv", {"document_id": "x", "wiki_title": "Mill"}
    )
    (tmp_path / "narrativeqa" / "tmp").mkdir()
    (tmp_path / "narrativeqa" / "tmp" / "x.content").write_text(TEXT)
    novel = only("literaryqa", tmp_path / "narrativeqa")  # the text of y is not there
    assert (novel.title, novel.questions[0].answers) == ("Mill", ("Bero", "B."))
    put(
        tmp_path,
        "LiteraryQA.jsonl",
        {"document_id": 1, "text": TEXT, "qas": [{"question": "Who?", "answers": ["Bero"]}]},
    )
    assert only("literaryqa", tmp_path / "LiteraryQA.jsonl").questions[0].answers == ("Bero",)
    meeting = {
        "meeting_transcripts": [{"speaker": "Anka", "content": "I lost a cup."}],
        "general_query_list": [{"query": "Summarize.", "answer": "A cup was lost."}],
        "specific_query_list": [{"query": "What of Anka?", "answer": "She lost it."}],
    }
    put(tmp_path, "qmsum_test.jsonl", meeting)
    found = only("qmsum", tmp_path)
    assert found.text == "Anka: I lost a cup."
    assert [q.task for q in found.questions] == ["general", "specific"]
    said = {"question_text": "Plot?", "responses": [{"response_text": t} for t in ("One.", "Two.")]}
    story = {"metadata": {"passage_id": "9"}, "document": TEXT, "questions": [said]}
    put(tmp_path, "squality.jsonl", story)
    assert only("squality", tmp_path).questions[0].answers == ("One.", "Two.")


@pytest.fixture
def essays(tmp_path: Path) -> Path:
    needle = {"needle": "\nEat a plum in the tower at noon.\n", "question": "What is best?"}
    needle |= {"keywords_all_required_lowercase": ["plum", "tower"]}
    (tmp_path / "needles.json").write_text(json.dumps({niah.NEEDLE: needle}))
    lines = [f"This is line number {n} of an essay about nothing much." for n in range(60)]
    (tmp_path / "essay.txt").write_text("\n".join(lines))
    return tmp_path


def test_needles_lie_at_their_true_depth(essays: Path) -> None:
    """The released script divides the depth by 100 twice: all its needles lie at the beginning."""
    found = list(niah.haystacks(essays, words, lengths=(300, 1500), depths=(0.0, 0.25, 0.5, 1.0)))
    needle = niah.read_needle(essays)
    assert len(found) == 8
    for hay in found:
        assert hay.text.count(needle.text) == 1
        assert hay.length - 12 < hay.true_length <= hay.length
        before = words(hay.text[: hay.text.index(needle.text)])
        assert hay.true_depth == pytest.approx(before / (hay.true_length - words(needle.text)))
        assert hay.true_depth == pytest.approx(hay.depth, abs=12 / hay.length)
    assert found[0].text.startswith(needle.text)
    assert found[3].text.endswith(needle.text)
    assert len(load("niah", essays, words)) == len(niah.LENGTHS) * len(niah.DEPTHS)


def test_the_shortest_documents_come_first(tmp_path: Path) -> None:
    asked = [{"question": f"{n}?", "answers": ["a"]} for n in range(5)]
    rows = [{"doc_id": f"d{n}", "text": "word " * n, "questions": asked} for n in (30, 10, 20)]
    put(tmp_path, "qmsum.jsonl", *rows)
    documents = load("qmsum", tmp_path, words)
    assert [d.id for d in documents] == ["d10", "d20", "d30"]
    first, second = shortest(documents, limit=2, questions=3)
    assert (first.id, len(second.questions)) == ("d10", 3)
    assert shortest(documents, limit=2, questions=3) == [first, second]  # drawn by the seed


def test_the_shortest_documents_of_each_task(tmp_path: Path) -> None:
    """The shortest of all may leave a task without any."""
    lengths = {"qasper": (1, 2, 3), "musique": (7, 8), "gov_report": (9,)}
    rows = [
        {"doc_id": f"{task}{n}", "text": "word " * n, "questions": [{**ASKED[0], "task": task}]}
        for task, sizes in lengths.items()
        for n in sizes
    ]
    put(tmp_path, "longbench.jsonl", *rows)
    documents = load("longbench", tmp_path, words)
    some = shortest(documents, limit=1, questions=None, tasks=("gov_report", "musique"))
    assert [d.id for d in some] == ["musique7", "gov_report9"]
    every = shortest(documents, limit=None, questions=None, tasks=("musique",))
    assert [d.id for d in every] == ["musique7", "musique8"]
    with pytest.raises(CallerError, match=r"no task 'riddles'\. It has: qasper, musique"):
        shortest(documents, limit=1, questions=None, tasks=("riddles",))


ASKED = [{"question": "q?", "answers": ["a"]}]


@pytest.mark.parametrize(
    ("name", "file", "row", "said"),
    [
        ("qmsum", "qmsum.jsonl", {"doc_id": "a", "questions": ASKED}, "field 'text' is missing"),
        ("qmsum", "qmsum.jsonl", {"text": " ", "questions": ASKED}, "'text' is empty"),
        ("qmsum", "qmsum.jsonl", {"text": "a", "questions": [{}]}, "'question' is missing"),
        ("qmsum", "qmsum.jsonl", {"text": "a", "questions": "x"}, "no list of objects"),
        ("qmsum", "qmsum.jsonl", ["a"], "not a JSON object"),
        ("fairytaleqa", "fairytaleqa.jsonl", {"text": "a"}, "'questions' is missing"),
        ("quality", "quality.jsonl", {"doc_id": "a", "text": "a", "questions": [
            {"question": "q?", "options": ["a", "b"], "gold": 2}]}, "none of the 2 options"),
        ("loogle", "loogle.jsonl", {"text": "a", "questions": [
            {**ASKED[0], "task": "riddles"}]}, "'riddles' is none of LooGLE's"),
        ("longbench", "longbench.jsonl", {"text": "a", "questions": [
            {**ASKED[0], "task": "lcc"}]}, "'lcc' is none of narrativeqa"),
        ("bamboo", "bamboo_showssort_4k.jsonl", {"text": "a", "questions": [
            {"gold_order": [0, 2]}]}, "no order of 2 items"),
        ("literaryqa", "literaryqa.jsonl", {"doc_id": "a", "text": "a"}, "'questions' is missing"),
        ("literaryqa", "literaryqa.jsonl", {"doc_id": "a", "text": "a", "qas": ["q?"]}, "'qas' is"),
        ("literaryqa", "literaryqa.jsonl", {"text": "a", "qas": []}, "'doc_id' is missing"),
        ("fairytaleqa", "fairytaleqa.jsonl", {"doc_id": "a", "text": "a", "questions": [
            {**ASKED[0], "gold_sections": [1]}]}, "names section 1, but there are 1"),
        ("loogle", "loogle.jsonl", {"text": "a", "questions": ASKED}, "'task' is missing"),
        ("bamboo", "bamboo_showssort_4k.jsonl", {"text": "a", "questions": [
            {"gold_order": [0, "1"]}]}, "no list of whole numbers"),
        ("squality", "squality.jsonl", {"doc_id": "a", "text": "a"}, "'questions' is missing"),
    ],
)  # fmt: skip
def test_bad_data_is_named_by_file_and_line(
    tmp_path: Path, name: str, file: str, row: Any, said: str
) -> None:
    good = {"doc_id": "fine", "text": "fine", "questions": []}
    path = put(tmp_path, file, good, row)
    with pytest.raises(CallerError) as caught:
        load(name, tmp_path, words)
    message = str(caught.value)
    assert f"{path}, line 2" in message
    assert said in message
    assert "\n" not in message


def test_files_that_are_broken_or_missing(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="no file or folder"):
        load("qmsum", tmp_path / "nowhere", words)
    with pytest.raises(CallerError, match=r"no file of the suite qmsum.*qmsum\*\.jsonl"):
        load("qmsum", tmp_path, words)
    with pytest.raises(CallerError, match="no suite 'squad'"):
        load("squad", tmp_path, words)
    with pytest.raises(CallerError, match=r"needles\.json"):
        load("niah", tmp_path, words)
    whole = put(tmp_path, "qmsum.jsonl.gz", *[{"text": "a" * 999, "questions": []}] * 9)
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(CallerError, match=r"qmsum\.jsonl\.gz, line \d+, cannot be read"):
        load("qmsum", tmp_path, words)
    (tmp_path / "squality.jsonl").write_text('{"doc_id": ')
    with pytest.raises(CallerError, match="line 1, is no document: it is not JSON"):
        load("squality", tmp_path, words)
    put(tmp_path, "literaryqa.jsonl", {"doc_id": "a", "text": "a", "qas": []})
    with pytest.raises(CallerError, match="no document with questions"):
        load("literaryqa", tmp_path, words)
    assert "squality" in NAMES
