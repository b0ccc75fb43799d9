"""Pre-LIFT SFT: documents become lessons, lessons a start, and a start a part of the base."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import BARE

from lift_app.errors import CallerError, LiftError
from lift_app.lifting.recipe import Recipe
from lift_app.models.adapter_file import read_adapter, write_adapter
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.lora import AdapterHost
from lift_app.models.provision import ensure_model
from lift_app.models.start_weights import joined
from lift_app.models.starts import WEIGHTS, find_start, folder_of, reference, starts
from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.sft.corpus import _document, as_sentence, read_corpus
from lift_app.sft.lessons import LessonWriter
from lift_app.sft.run import train_start
from lift_app.sft.trainer import SftRecipe
from lift_app.template import NOT_SAID

CHOICE = Choice("cpu", "fp32", None, "a test")
RECIPE = SftRecipe(lessons=6, rank=2, alpha=4, held_out=1, learning_rate=1e-2)
IDS = torch.arange(5, 45)[None]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Tales with gold sections and a meeting with spans of lines."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    tales = [_tale(name) for name in ("anka", "bero", "cilla", "doran", "ede", "fenn")]
    (folder / "tales.jsonl").write_text("\n".join(json.dumps(tale) for tale in tales) + "\n")
    with gzip.open(folder / "talks.jsonl.gz", "wt") as file:
        file.write(json.dumps(_talk()) + "\n")
    return folder


def _tale(name: str) -> dict[str, Any]:
    sections = [f"{name} lost a {thing} .\nIt was old." for thing in ("cup", "hat", "key")]
    questions = [
        {
            "question": f"what did {name} lose in part {number} ?",
            "answers": [f"a {thing}"],
            "gold_sections": [number],
            "attribute": "action",
        }
        for number, thing in enumerate(("cup", "hat", "key"))
    ]
    guess = {"question": "What next?", "answers": ["Joy"], "attribute": "prediction"}
    return {
        "doc_id": name,
        "title": f"{name}-and-the-{name}-story",
        "text": "\n\n".join(sections),
        "sections": sections,
        "questions": [*questions, guess],
    }


def _talk() -> dict[str, Any]:
    long = "They spoke about the bell and its cost. " * 6
    return {
        "doc_id": "talk",
        "text": "A: The bell is loud.\nB: It is.\nA: Paint it.",
        "questions": [
            {"question": "Summarize", "answers": [long]},
            {"question": "The bell?", "answers": [long], "relevant_text_span": [["0", "1"]]},
        ],
    }


def _base(settings: Settings, start: str = "") -> BaseModel:
    ref = f"{settings.model}+{start}" if start else settings.model
    return BaseModel.load(ensure_model(ref, settings), CHOICE, settings)


def _train(settings: Settings, corpus: Path, **options: Any) -> list[dict[str, Any]]:
    host = AdapterHost(_base(settings))
    target = folder_of("mine", settings)
    return list(train_start(host, read_corpus(corpus), RECIPE, target, **options))


def test_documents_come_in_sections_with_tidy_sentences(corpus: Path) -> None:
    tale, *_, talk = read_corpus(corpus)
    assert tale.title == "Anka And The Anka"
    assert tale.sections[0] == "anka lost a cup . It was old."
    assert next(q.question for q in tale.questions) == "What did anka lose in part 0?"
    assert len(tale.questions) == 3  # a guess about what comes next has no ground in the text
    assert (tale.discursive, talk.discursive) == (False, True)
    assert talk.questions[1].sections == (0, 1)
    assert as_sentence("") == ""


@pytest.mark.parametrize("content", ["{}\n", "no json\n", ""])
def test_a_folder_without_documents_says_what_it_needs(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(CallerError, match="document"):
        read_corpus(tmp_path)
    with pytest.raises(CallerError, match="no folder"):
        read_corpus(tmp_path / "nowhere")


def test_lessons_follow_from_the_seed_and_hold_every_kind(
    tiny_settings: Settings, corpus: Path
) -> None:
    base = _base(tiny_settings)
    writer = LessonWriter(base, read_corpus(corpus), seed=3)
    kinds: dict[str, str] = {}
    for number in range(80):
        lesson = writer.write(number)
        assert lesson == LessonWriter(base, read_corpus(corpus), seed=3).write(number)
        for row, kind in zip(lesson.rows, lesson.kinds, strict=True):
            said = base.tokenizer.decode(row.answer)
            kinds[kind] = said
            asked = base.tokenizer.decode(row.prompt)
            if kind == "read":
                # What is asked for stands in the passages; what is declined does not.
                assert said.split()[1].rstrip(".<").lower().split(".")[0] in asked
            if kind != "text":
                assert row.answer[-1] == base.tokenizer.eos_token_id
    assert set(kinds) == {"read", "decline", "ask", "excerpt", "closed", "discursive", "text"}
    assert kinds["decline"].startswith(NOT_SAID)
    assert kinds["ask"].startswith("What did")


def test_a_start_is_trained_measured_and_found(tiny_settings: Settings, corpus: Path) -> None:
    events = _train(tiny_settings, corpus)
    assert [event["stage"] for event in events][-1] == "done"
    losses = [event["loss"] for event in events if "loss" in event]
    assert len(losses) == RECIPE.lessons
    card = events[-1]["card"]
    assert card["nll"]["before"].keys() == card["nll"]["after"].keys()
    assert len(card["held_out"]) == 1
    start = find_start("mine", tiny_settings)
    assert start.card["recipe"] == RECIPE.to_json()
    assert [found.name for found in starts(tiny_settings)][-1] == "mine"
    assert not list(start.path.parent.glob(".*"))  # no checkpoint is left


def test_an_interrupted_start_ends_with_the_same_weights(
    tiny_settings: Settings, corpus: Path, tmp_path: Path
) -> None:
    _train(tiny_settings, corpus)
    whole = read_adapter(folder_of("mine", tiny_settings)).tensors
    other = folder_of("other", tiny_settings)
    documents = read_corpus(corpus)
    run = train_start(
        AdapterHost(_base(tiny_settings)), documents, RECIPE, other, checkpoint_seconds=0
    )
    for event in run:
        if event["step"] == 4:
            break
    assert not other.exists()
    torch.manual_seed(99)  # another process has another random state
    resumed = list(train_start(AdapterHost(_base(tiny_settings)), documents, RECIPE, other))
    assert resumed[0]["step"] == 4
    for name, tensor in read_adapter(other).tensors.items():
        assert torch.equal(tensor, whole[name])


def test_a_start_belongs_to_the_base(tiny_settings: Settings, corpus: Path, tmp_path: Path) -> None:
    _train(tiny_settings, corpus)
    plain, standing = _base(tiny_settings), _base(tiny_settings, "mine")
    start = folder_of("mine", tiny_settings)
    host = AdapterHost(plain)
    host.load("start", start)
    with host.active("start"):
        expected = host.model(IDS).logits
    with AdapterHost(standing).disabled() as model:  # the adapter is off, the start is not
        assert torch.allclose(model(IDS).logits, expected, atol=1e-5)
    with host.disabled() as model:
        assert not torch.allclose(model(IDS).logits, expected, atol=1e-3)


def test_an_export_does_what_both_do_together(
    tiny_settings: Settings, corpus: Path, tmp_path: Path
) -> None:
    _train(tiny_settings, corpus)
    host = AdapterHost(_base(tiny_settings, "mine"))
    host.reset("lift", 3, 9, targets=("q_proj", "v_proj"), seed=1)
    state = {name: torch.randn(t.shape) * 0.1 for name, t in host.state("lift").items()}
    host.load_state("lift", state)
    host.save("lift", tmp_path / "book")
    with host.active("lift") as model:
        expected = model(IDS).logits
    write_adapter(tmp_path / "both", joined(folder_of("mine", tiny_settings), tmp_path / "book"))
    assert read_adapter(tmp_path / "both").rank == RECIPE.rank + 3
    plain = AdapterHost(_base(tiny_settings))
    plain.load("both", tmp_path / "both")
    with plain.active("both") as model:
        assert torch.allclose(model(IDS).logits, expected, atol=1e-4)
    with pytest.raises(LiftError, match="start"):
        plain.load("book", tmp_path / "book")  # it was trained on the start


def test_a_damaged_start_is_refused(tiny_settings: Settings, corpus: Path) -> None:
    _train(tiny_settings, corpus)
    file = folder_of("mine", tiny_settings) / WEIGHTS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(LiftError, match="damaged"):
        _base(tiny_settings, "mine")


def test_references_name_model_and_start() -> None:
    embedded = "smollm2-135m-instruct"
    assert reference(embedded, "auto") == f"{embedded}+reader"
    assert reference(embedded, "none") == embedded
    assert reference(f"{embedded}+mine", "auto") == f"{embedded}+mine"
    assert reference(f"{embedded}+none", "auto") == embedded
    assert reference("some/model", "auto") == "some/model"
    assert reference("no such model", "auto") == "no such model"


@pytest.mark.parametrize("name", ["../x", "", "none", "auto", "Ä", "a" * 65])
def test_a_name_that_no_start_can_have(settings: Settings, name: str) -> None:
    with pytest.raises(CallerError, match="cannot be called"):
        folder_of(name, settings)


def test_a_reader_trains_a_start_and_lifts_on_it(
    tiny_settings: Settings, corpus: Path, story: Path
) -> None:
    values = {**RECIPE.to_json(), "lessons": "2"}
    with Reader(tiny_settings) as reader:
        *_, last = reader.train_start(corpus, name="mine", values=values)
        assert last["stage"] == "done"
        book = reader.add(story)["id"]
        recipe = {"segment_length": 64, "stride": 64, "rank": 2, **BARE}
        *_, bare = reader.tune(book, values=recipe)
        *_, standing = reader.tune(book, values=recipe, start="mine")
        assert bare["adapter"] != standing["adapter"]
        answer = reader.ask(book, "How many lanterns?", arm="LIFT_only", start="mine")
        assert answer["adapter"] == standing["adapter"]
        assert reader.ask(book, "How many?", arm="LIFT_only")["adapter"] == bare["adapter"]
        with pytest.raises(CallerError, match="no start 'yours'"):
            reader.start_tune(book, start="yours")


def test_a_start_is_trained_though_a_lift_waits(
    tiny_settings: Settings, corpus: Path, story: Path
) -> None:
    values = {**RECIPE.to_json(), "lessons": "2"}
    with Reader(tiny_settings) as reader:
        book = reader.add(story)["id"]
        row = reader.library.books.find(book)
        reader.library.jobs.create(row.id, "k" * 64, tiny_settings.model, Recipe().to_json())
        *_, last = reader.train_start(corpus, name="mine", values=values)
        assert last["stage"] == "done"
        assert reader.status(book)["state"] == "queued"
        [chosen] = [one for one in reader.models() if one["chosen"]]
        assert chosen["starts"] == ["mine"]


def test_documents_without_lessons_are_named(tiny_settings: Settings, tmp_path: Path) -> None:
    """Evidence outside of a document, and evidence too long for any lesson."""
    wrong = _tale("anka") | {"sections": ["Only one."]}
    (tmp_path / "tales.jsonl").write_text(json.dumps(wrong))
    with pytest.raises(CallerError, match="line 1"):
        read_corpus(tmp_path)
    long = _talk()
    long["text"] = "word " * 900
    long["questions"] = [long["questions"][1] | {"relevant_text_span": [["0", "0"]]}]
    (tmp_path / "tales.jsonl").write_text(json.dumps(long))
    writer = LessonWriter(_base(tiny_settings), read_corpus(tmp_path), seed=0)
    with pytest.raises(CallerError, match="No lesson"):
        writer.write(0)


def test_no_answered_question_is_taught_to_be_declined(tiny_settings: Settings) -> None:
    """Of a corpus of one tale, too, only what the passages leave open is declined."""
    base = _base(tiny_settings)
    document = _document(_tale("anka"))
    for number in range(60):
        lesson = LessonWriter(base, [document], seed=1).write(number)
        said = list(zip(lesson.rows, lesson.kinds, strict=True))
        prompts = {kind: {row.prompt for row, k in said if k == kind} for _, kind in said}
        assert prompts.get("decline", set()).isdisjoint(prompts.get("read", set()))


def test_a_damaged_start_leaves_the_others_alone(tiny_settings: Settings, corpus: Path) -> None:
    _train(tiny_settings, corpus)
    other = folder_of("broken", tiny_settings)
    other.mkdir(parents=True)
    (other / "start.json").write_text("{")
    assert find_start("mine", tiny_settings).name == "mine"
    assert "broken" not in [start.name for start in starts(tiny_settings)]
    with pytest.raises(LiftError, match="damaged"):
        find_start("broken", tiny_settings)
