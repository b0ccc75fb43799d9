"""Auxiliary tasks: written from extracts, filtered, stored before they are learned."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lift_app.errors import CallerError
from lift_app.lifting.auxiliary import NOTHING_BESIDE, add_gradients
from lift_app.lifting.distillation import divergence, teach
from lift_app.lifting.framing import prefix_tokens
from lift_app.lifting.general import general_rows
from lift_app.lifting.packing import Packed, pack, packed_logits
from lift_app.lifting.recipe import Recipe
from lift_app.lifting.segments import cut_segments
from lift_app.lifting.task_writer import TaskWriter, held
from lift_app.lifting.tasks import Extract, Task, TaskFile, extracts_of, plain_tasks, sentences_in
from lift_app.lifting.trainer import Trainer
from lift_app.models.base_model import BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.lora import AdapterHost
from lift_app.models.tokens import load_tokenizer
from lift_app.reading.book import Book, Page, Report
from lift_app.settings import Settings

FIRST = (
    "In 1910 the keeper Orla Venn lit seven lanterns. The harbour was dark that night. "
    "She told Tobias Rook about the storm. He wrote 42 lines in the book of the tower. "
)
SECOND = (
    "Then the bell of Quell broke in two. Everyone heard it fall into the sea. "
    "The baker Tobias Rook wept for it. Orla Venn mended it with copper from a kettle. "
)
BOOK = Book(
    id="b" * 64,
    title="Lanterns",
    author="",
    pages=(
        Page(1, "1", FIRST * 3, None),
        Page(2, "2", SECOND * 3, None),
        Page(3, "3", "The end.", None),
    ),
    chapters=(),
    report=Report("text", 3, 100),
)
RECIPE = Recipe(segment_length=64, stride=64, rank=4, alpha=8, task_weight=1.0, learning_rate=1e-2)


@pytest.fixture
def host(tiny_model: Path, tiny_settings: Settings) -> AdapterHost:
    choice = Choice("cpu", "fp32", None, "a test")
    return AdapterHost(BaseModel.load(identify(tiny_model, tiny_settings), choice, tiny_settings))


@pytest.fixture
def writer(host: AdapterHost) -> TaskWriter:
    return TaskWriter(host, BOOK.title, extracts_of(BOOK), seed=0)


def test_extracts_are_pieces_of_a_page_long_enough_to_ask_of() -> None:
    extracts = extracts_of(BOOK)
    assert [extract.number for extract in extracts] == list(range(len(extracts)))
    assert {extract.page for extract in extracts} == {1, 2}  # the third page says too little
    assert all(extract.text in BOOK.pages[extract.page - 1].text for extract in extracts)


@given(seed=st.integers(0, 200))
def test_plain_tasks_are_answered_by_their_extract(seed: int) -> None:
    first, second = Extract(0, 1, FIRST), Extract(1, 2, SECOND)
    tasks = {task.kind: task for task in plain_tasks(first, second, random.Random(seed))}
    assert set(tasks) == {"cloze", "next", "order", "note"}
    assert tasks["note"].answer in sentences_in(FIRST)
    assert tasks["note"].question.split(" of ")[1].rstrip("?") in tasks["note"].answer
    sentence = tasks["cloze"].question.split("“")[1].rstrip("”")
    assert sentence.replace("___", tasks["cloze"].answer[:-1]) in FIRST
    said = tasks["next"].question.split("“")[1].split("”")[0]
    assert f"{said} {tasks['next'].answer}" in FIRST
    assert tasks["order"].answer == sentences_in(FIRST)[0]
    assert tasks["order"].answer in tasks["order"].question


def test_a_text_without_names_or_sentences_gives_what_it_can() -> None:
    assert plain_tasks(Extract(0, 1, "no sentence here"), None, random.Random(0)) == []
    only = plain_tasks(
        Extract(0, 1, "It rained on the town. It never stopped that night."), None, random.Random(0)
    )
    assert [task.kind for task in only] == ["next"]


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        ("Seven lanterns.", True),
        ("A kettle.", False),
        ("Of the.", False),
        ("42.", True),
        ("", False),
        ("Because the keeper Orla Venn lit seven lanterns.", True),
        ("Tobias Rook lit seven lanterns.", False),
        ("Tobias lit seven lanterns.", False),
        ("The harbour was blue.", False),
        ("Because of the storm.", True),
        ("Tobias Rook told her about the storm.", False),
    ],
)
def test_an_answer_must_stand_in_the_extract(answer: str, good: bool) -> None:
    assert held(answer, FIRST) == good


def test_tasks_are_stored_whole_and_read_again(tmp_path: Path) -> None:
    file = TaskFile(tmp_path / "deep" / "tasks.jsonl")
    assert file.groups == []
    file.add([Task("cloze", "What\u2028now?", "Seven.", 3)])
    file.add([])
    again = TaskFile(tmp_path / "deep" / "tasks.jsonl")
    assert again.groups == file.groups == [(Task("cloze", "What\u2028now?", "Seven.", 3),), ()]
    assert again.questions == {"what\u2028now?"}
    assert len((tmp_path / "deep" / "tasks.jsonl").read_text().split("\n")) == 3
    assert json.loads((tmp_path / "deep" / "tasks.jsonl").read_text().split("\n")[1]) == []


def test_groups_follow_from_the_seed_and_are_never_asked_twice(writer: TaskWriter) -> None:
    assert writer.write(1, set()) == writer.write(1, set())
    tasks = writer.write(0, set())
    assert {task.extract for task in tasks} == {tasks[0].extract}  # a group is one extract's
    assert writer.write(0, {task.question.lower() for task in tasks}) == []


def test_a_note_of_a_chapter_is_a_sentence_of_it() -> None:
    extract = Extract(0, 1, "It rained on the town. It never stopped that night.", "The Flood")
    notes = [t for t in plain_tasks(extract, None, random.Random(0)) if t.kind == "note"]
    assert notes == [
        Task("note", "What is told in the chapter “The Flood”?", "It rained on the town.", 0)
    ]


def test_what_a_start_asks_is_kept_only_if_it_is_worth_it(
    writer: TaskWriter, host: AdapterHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    extract = extracts_of(BOOK)[0]

    def say(*texts: str, gain: float = 1.0) -> list[Task]:
        monkeypatch.setattr(
            "lift_app.lifting.task_writer.continue_openings",
            lambda *a, **k: [host.base.text_tokens(text) for text in texts],
        )
        monkeypatch.setattr(writer, "_gains", lambda tasks: [gain] * len(tasks))
        return writer._ask(extract)

    good = Task("question", "How many lanterns?", "Seven lanterns.", 0)
    assert say("How many lanterns?\nSeven lanterns.") == [good]
    assert say("Who wept?\nThe emperor.", "How many lanterns?\nSeven lanterns.") == [good]
    assert say("How many lanterns?") == []  # no answer
    assert say("How many lanterns.\nSeven lanterns.") == []  # no question
    assert say("Who wept?\nThe emperor of China.") == []  # made up
    assert say("How many lanterns?\nSeven lanterns.", gain=0.1) == []  # known without the book


def test_the_gain_of_an_extract_is_that_of_each_task_alone(writer: TaskWriter) -> None:
    tasks = writer.write(0, set())
    together = writer._gains(tasks)
    alone = [gain for task in tasks for gain in writer._gains([task])]
    assert together == pytest.approx(alone, abs=1e-4)
    assert writer._gains([]) == []


def test_a_student_equal_to_its_teacher_has_no_distance() -> None:
    logits = torch.randn(5, 40)
    peaked = logits.clone()
    peaked[:, 16:] = -1e4  # all of the teacher's mass is among the tokens that are kept
    assert torch.allclose(divergence(peaked, teach(peaked)), torch.zeros(5), atol=1e-4)
    assert (divergence(logits.flip(-1), teach(logits)) > 0).all()


@pytest.mark.parametrize(
    "weights",
    [
        {"task_weight": 1.0},
        {"task_weight": 1.0, "open_book": True},
        {"distillation_weight": 1.0},
        {"retention_weight": 1.0},
        {"general_weight": 1.0},
        {
            "task_weight": 0.5,
            "open_book": True,
            "distillation_weight": 1.0,
            "retention_weight": 1.0,
        },
    ],
)
def test_each_loss_is_learned(
    host: AdapterHost, writer: TaskWriter, weights: dict[str, float]
) -> None:
    recipe = Recipe(**weights)  # type: ignore[arg-type]
    general = tuple(general_rows(host.base, 0, 0))
    rows = replace(writer.rows(writer.write(0, set())), general=general)
    host.reset("lift", 4, 8, seed=0)
    with torch.no_grad():  # a fresh adapter is its own teacher
        for parameter in host.parameters("lift"):
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.AdamW(host.parameters("lift"), lr=1e-2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        losses.append(add_gradients(host, "lift", rows, recipe))
        optimizer.step()
    assert losses[-1] < losses[0]


def test_a_step_learns_text_and_tasks_together(host: AdapterHost, writer: TaskWriter) -> None:
    encoding = load_tokenizer(host.base.identity.path).encode(BOOK.text, add_special_tokens=False)
    segments = cut_segments(encoding.offsets, 64, 64)

    def first_update(tasks: list[Task]) -> dict[str, torch.Tensor]:
        trainer = Trainer(host, "lift", encoding.ids, segments, RECIPE)
        trainer.step(writer.rows(tasks) if tasks else NOTHING_BESIDE)
        return host.state("lift")

    plain, mixed = first_update([]), first_update(writer.write(0, set()))
    assert any(not torch.equal(plain[name], mixed[name]) for name in plain)


def test_the_context_framing_puts_head_and_tail_before_a_segment(host: AdapterHost) -> None:
    recipe = Recipe(framing="context", context_tokens=80)
    text = host.base.tokenizer.decode(prefix_tokens(host.base, recipe, BOOK))
    assert FIRST[:30] in text
    assert "The end." in text
    assert text.endswith("From the book:\n")


def test_a_recipe_refuses_impossible_weights() -> None:
    for bad in (
        {"task_weight": -1},
        {"tasks_every": 0},
        {"general_every": 0},
        {"context_tokens": -1},
        {"open_book": "x"},
    ):
        with pytest.raises(CallerError, match="Recipe"):
            Recipe().with_values(bad)
    assert Recipe().with_values({"open_book": "true"}).open_book
    assert not Recipe().has_tasks


def test_a_text_without_spaces_and_capitals_gives_tasks_too() -> None:
    text = "到徐州见着父亲，看见满院狼藉的东西，又想起祖母。不禁簌簌地流下眼泪，父亲说不必难过。"
    [extract, *_] = extracts_of(replace(BOOK, pages=(Page(1, "1", text * 3, None),)))
    kinds = {task.kind for task in plain_tasks(extract, None, random.Random(0))}
    assert kinds == {"next"}
    assert held("看见满院狼藉的东西。", extract.text)
    assert not held("父亲见着东西。", extract.text)
    russian = Extract(0, 1, "Тогда старый Иван Петрович вышел к реке. Было тихо.")
    [gap] = [t for t in plain_tasks(russian, None, random.Random(0)) if t.kind == "cloze"]
    assert gap.answer == "Иван Петрович."


def test_the_order_of_events_is_proved_by_both_extracts() -> None:
    tasks = plain_tasks(Extract(0, 1, FIRST), Extract(3, 2, SECOND), random.Random(0))
    [order] = [task for task in tasks if task.kind == "order"]
    assert order.extracts == (0, 3)
    assert all(task.extracts == (0,) for task in tasks if task is not order)


def test_halves_are_open_by_turns_and_only_what_is_open_is_read_with_its_extract(
    host: AdapterHost, writer: TaskWriter
) -> None:
    groups = [writer.write(number, set()) for number in range(4)]
    marks = {
        (task.kind, opened)
        for group in groups
        for task, opened in zip(group, writer.rows(group).labelled_open, strict=True)
    }
    assert {("next", True), ("next", False)} <= marks
    host.reset("lift", 4, 8, seed=0)
    rows = writer.rows(groups[0])
    recipe = replace(RECIPE, open_book=True)
    losses = {
        opened: add_gradients(
            host, "lift", replace(rows, labelled_open=(opened,) * len(rows.opened)), recipe
        )
        for opened in (True, False)
    }
    with torch.no_grad(), host.active("lift", 1.0) as model:
        means = {
            opened: token_mean(model, pack(part, host.base.device))
            for opened, part in ((True, rows.opened), (False, rows.closed))
        }
    assert losses == pytest.approx(means, rel=1e-4)


def token_mean(model: torch.nn.Module, packed: Packed) -> float:
    logits = packed_logits(model, packed)
    return float(torch.nn.functional.cross_entropy(logits, packed.targets))
