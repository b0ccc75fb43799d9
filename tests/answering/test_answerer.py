"""The Answerer on a tiny model: arms, budgets, streaming, stopping, citations, the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tiny_model import make_tiny_model

from lift_app.answering import ARMS, Answer, Answerer, Question, Timing
from lift_app.answering.assembly import HISTORY_TOKENS, assemble
from lift_app.answering.lookup import look_up
from lift_app.answering.manner import STARTED
from lift_app.answering.question import ADAPTER_ARMS, EXCERPT_ARMS
from lift_app.answering.voice import OwnVoice
from lift_app.answering.witness import LONGEST_HEARD, Witness
from lift_app.errors import CallerError
from lift_app.library import BookRow, Library
from lift_app.models import AdapterHost, BaseModel
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.models.starts import Start
from lift_app.settings import Settings
from lift_app.template import NOT_SAID

pytestmark = pytest.mark.usefixtures("believed")

Ask = Callable[..., Answer]
ASKED = "How many lanterns did Orla Venn keep?"


@pytest.fixture
def slot(host: AdapterHost) -> str:
    host.reset("answer", 2, 4)
    with host.training("answer"):
        for parameter in host.parameters("answer"):
            parameter.data.normal_(std=0.5)
    return "answer"


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("evidence", [True, False])
def test_each_arm_sees_what_it_should_and_cites(
    ask: Ask, library: Library, row: BookRow, slot: str, arm: str, evidence: bool
) -> None:
    answer = ask(ASKED, arm=arm, evidence=evidence, slot=slot if arm in ADAPTER_ARMS else None)
    assert answer.supported
    assert answer.arm == arm
    assert (answer.adapter is not None) == (arm in ADAPTER_ARMS)
    assert (answer.context.head > 0) == (arm in EXCERPT_ARMS)
    assert (answer.context.evidence > 0) == evidence == bool(answer.evidence)
    assert answer.context.question == len(ASKED)  # a token of the tiny model is a byte
    (citation,) = answer.citations
    assert "seven lanterns" in citation.quote
    for piece in answer.evidence:
        page = library.books.page(row.id, piece.page)
        assert page.text[piece.start : piece.end] == piece.text


def test_the_answer_as_json_has_the_promised_fields(ask: Ask) -> None:
    plain = ask(ASKED).to_json()
    assert {"answer", "arm", "citations", "context", "adapter", "timing", "supported"} <= set(plain)
    assert set(plain["context"]) == {"head", "tail", "evidence", "question"}
    assert {"first_token_seconds", "tokens_per_second"} <= set(plain["timing"])
    assert {"page", "page_label", "chapter", "quote", "start", "end"} == set(plain["citations"][0])


@pytest.mark.parametrize("arm", ARMS)
def test_what_the_book_does_not_say_is_said_plainly(ask: Ask, slot: str, arm: str) -> None:
    answer = ask("Who won the Nobel prize for physics?", arm=arm, slot=slot)
    assert answer.answer == NOT_SAID
    assert not answer.supported
    assert answer.citations == ()
    assert answer.timing.first_token_seconds is None


def test_an_arm_without_its_adapter_is_refused(ask: Ask) -> None:
    with pytest.raises(CallerError, match="has not been learned") as raised:
        ask(ASKED, arm="LIFT+ICL")
    assert raised.value.code == "no_adapter"


def test_the_strength_reaches_the_adapter(ask: Ask, slot: str) -> None:
    options = {"arm": "LIFT+ICL", "slot": slot, "max_tokens": 12}
    plain = ask(ASKED, max_tokens=12)
    assert ask(ASKED, strength=0.0, **options).answer == plain.answer
    assert ask(ASKED, strength=1.0, **options).answer != plain.answer
    assert ask(ASKED, max_tokens=12).answer == plain.answer  # nothing stays switched on


def test_the_pieces_joined_are_the_answer(
    library: Library, host: AdapterHost, row: BookRow
) -> None:
    pieces: list[str] = []
    answer = Answerer(library, OwnVoice(host)).answer(
        row,
        Question(ASKED, max_tokens=16),
        slot=None,
        adapter_key=None,
        on_text=pieces.append,
        stop=threading.Event(),
    )
    assert "".join(pieces).strip() == answer.answer
    assert answer.timing.seconds > 0


def test_a_stop_keeps_what_was_written(library: Library, host: AdapterHost, row: BookRow) -> None:
    stop, pieces = threading.Event(), []

    def on_text(piece: str) -> None:
        pieces.append(piece)
        stop.set()

    answer = Answerer(library, OwnVoice(host)).answer(
        row,
        Question(ASKED, max_tokens=64),
        slot=None,
        adapter_key=None,
        on_text=on_text,
        stop=stop,
    )
    assert answer.stopped
    assert len(pieces) <= 2
    assert "".join(pieces).strip() == answer.answer


def test_a_stop_before_the_start_writes_nothing(
    library: Library, host: AdapterHost, row: BookRow
) -> None:
    stop = threading.Event()
    stop.set()
    answer = Answerer(library, OwnVoice(host)).answer(
        row, Question(ASKED), slot=None, adapter_key=None, on_text=lambda _: None, stop=stop
    )
    assert (answer.answer, answer.citations, answer.stopped) == ("", (), True)


def test_head_and_tail_keep_to_their_budget(ask: Ask, tiny_settings: Settings) -> None:
    context = ask(ASKED).context
    assert 1 <= context.head + context.tail <= tiny_settings.context_tokens
    assert 1 <= context.evidence <= tiny_settings.evidence_tokens


def test_the_oldest_turns_go_first(library: Library, host: AdapterHost, row: BookRow) -> None:
    history = tuple((f"Question {n}?", "word " * 15) for n in range(9))
    question = Question(ASKED, history=history, max_tokens=8, evidence=False)
    lookup = look_up(library.passages, row.id, ASKED)
    prompt = assemble(host.base, library, library.settings, row, question, lookup)
    spoken = [m["content"] for m in prompt.messages if m["role"] == "user"][:-1]
    assert 0 < prompt.history < 9
    assert spoken == [asked for asked, _ in history[-prompt.history :]]
    turns = history[-prompt.history :]
    assert sum(len(" ".join(turn)) for turn in turns) <= HISTORY_TOKENS


def test_the_constant_part_comes_first(library: Library, host: AdapterHost, row: BookRow) -> None:
    def messages(text: str, *history: tuple[str, str]) -> list[dict[str, str]]:
        question = Question(text, history=history, max_tokens=8)
        lookup = look_up(library.passages, row.id, text)
        return list(assemble(host.base, library, library.settings, row, question, lookup).messages)

    first = messages(ASKED)
    second = messages("Who painted the gate?", (ASKED, "Seven."))
    assert first[0] == second[0]
    assert first[0]["role"] == "system"
    assert second[-1]["content"].rstrip().endswith("Who painted the gate?")


@pytest.mark.parametrize("arm", ARMS)
def test_what_is_constant_is_the_same_in_every_question(
    library: Library, host: AdapterHost, row: BookRow, arm: str
) -> None:
    def prompt(text: str, **options: Any) -> tuple[int, ...]:
        question = Question(text, arm=arm, max_tokens=8, **options)
        lookup = look_up(library.passages, row.id, text)
        found = assemble(host.base, library, library.settings, row, question, lookup)
        return found.tokens[: found.constant]

    first = prompt(ASKED)
    text = host.base.tokenizer.decode(first)
    assert "Orla Venn" in text if arm in EXCERPT_ARMS else "Orla Venn" not in text
    assert ASKED not in text
    assert prompt("Who painted the gate?", history=((ASKED, "Seven."),)) == first
    assert prompt("Who painted the gate?", evidence=False) == first


@pytest.mark.parametrize("arm", ARMS)
def test_an_answer_is_the_same_with_a_kept_prefix(
    ask: Ask, host: AdapterHost, slot: str, arm: str
) -> None:
    def said(question: str) -> Answer:
        return replace(ask(question, slot=slot, arm=arm), timing=Timing())

    questions = (ASKED, "Who painted the gate?")
    alone = []
    for question in questions:
        host.prefixes.clear()
        alone.append(said(question))
    assert [said(question) for question in questions] == alone
    assert len(host.prefixes) == 1


@pytest.fixture(scope="module")
def narrow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("narrow"), window=400)


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    turns=st.lists(st.tuples(st.text(max_size=60), st.text(max_size=120)), max_size=5),
    text=st.just("What is this book about?") | st.text(min_size=1, max_size=500).filter(str.strip),
    budget=st.integers(0, 2000),
    max_tokens=st.integers(1, 900),
    arm=st.sampled_from(ARMS),
    evidence=st.booleans(),
    started=st.booleans(),
)
def test_prompt_and_answer_never_exceed_the_window(
    library: Library,
    narrow_model: Path,
    tiny_settings: Settings,
    row: BookRow,
    turns: list[tuple[str, str]],
    text: str,
    budget: int,
    max_tokens: int,
    arm: str,
    evidence: bool,
    started: bool,
) -> None:
    settings = replace(tiny_settings, context_tokens=budget, evidence_tokens=budget)
    identity = identify(narrow_model, settings)
    base = BaseModel.load(identity, Choice("cpu", "fp32", None, "a test"), settings)
    if started:
        base.identity = replace(identity, start=Start("start", Path(), "", "", {}))
    question = Question(text, arm, evidence, history=tuple(turns), max_tokens=max_tokens)
    lookup = look_up(library.passages, row.id, text, turns)
    prompt = assemble(base, library, settings, row, question, lookup)
    begun = len(prompt.tokens) + len(base.text_tokens(prompt.opening))
    assert begun + min(max_tokens, base.window // 2) <= base.window
    assert prompt.size.head + prompt.size.tail <= budget


def test_a_window_too_small_for_any_question_is_an_error(
    library: Library, row: BookRow, tmp_path: Path, tiny_settings: Settings
) -> None:
    folder = make_tiny_model(tmp_path / "small", window=64)
    choice = Choice("cpu", "fp32", None, "a test")
    base = BaseModel.load(identify(folder, tiny_settings), choice, tiny_settings)
    lookup = look_up(library.passages, row.id, ASKED)
    with pytest.raises(CallerError, match="too small"):
        assemble(base, library, tiny_settings, row, Question(ASKED, max_tokens=8), lookup)


@pytest.mark.parametrize(
    "options", [{"text": "  "}, {"arm": "LIFT"}, {"strength": 1.5}, {"max_tokens": 0}]
)
def test_a_question_that_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(CallerError):
        Question(**{"text": "Who?", **options})  # type: ignore[arg-type]


@pytest.mark.model
def test_the_embedded_model_answers_and_declines(
    embedded_settings: Settings, library: Library, row: BookRow
) -> None:
    from lift_app.models import choose_device, ensure_model

    folder = ensure_model(embedded_settings.model, embedded_settings)
    base = BaseModel.load(folder, choose_device(embedded_settings), embedded_settings)
    answerer = Answerer(library, OwnVoice(AdapterHost(base)), embedded_settings)
    options = {"slot": None, "adapter_key": None, "on_text": lambda _: None}
    options["stop"] = threading.Event()
    answer = answerer.answer(row, Question("What colour was the gate?", max_tokens=24), **options)
    assert "yellow" in answer.answer.lower()
    assert "yellow" in answer.citations[0].quote
    again = answerer.answer(row, Question("What colour was the gate?", max_tokens=24), **options)
    assert replace(again, timing=answer.timing) == answer  # with a kept prefix
    declined = answerer.answer(row, Question("Who was the king of Spain?"), **options)
    assert not declined.supported


def test_an_answer_that_stands_on_nothing_is_taken_back(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift_app.answering.answerer.stands", lambda *_: False)
    answer = ask(ASKED)
    assert answer.timing.first_token_seconds is not None  # it was written, and then taken back
    assert (answer.answer, answer.supported, answer.citations) == (NOT_SAID, False, ())


@pytest.mark.usefixtures("believed", "started")
def test_a_start_that_would_rather_decline_declines(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The likelier thing to say counts, not the likeliest first word."""
    assert ask(ASKED).supported
    monkeypatch.setattr("lift_app.models.generation._likelihood", lambda *_: 0.0)
    answer = ask(ASKED)
    assert (answer.answer, answer.supported, answer.citations) == (NOT_SAID, False, ())


@pytest.mark.usefixtures("believed", "started")
def test_a_quote_that_does_not_bear_the_answer_out_is_not_cited(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read alone by the base, a quote must make the answer likely."""
    assert ask(ASKED).citations == ()  # nothing makes a random model sure
    sure = replace(STARTED, most_surprise=1e6, least_lead=-1e6)
    monkeypatch.setattr("lift_app.answering.manner.STARTED", sure)
    assert "seven lanterns" in ask(ASKED).citations[0].quote
    torn = replace(STARTED, most_surprise=1e6, least_lead=1e6)
    monkeypatch.setattr("lift_app.answering.manner.STARTED", torn)
    assert ask(ASKED).citations == ()  # likely enough, but it would rather decline


@pytest.mark.usefixtures("believed", "started")
def test_a_reader_who_stops_is_not_kept_waiting_for_a_witness(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(
        "lift_app.answering.witness.Witness.bears_out", lambda self, quote: heard.append(quote)
    )
    ask(ASKED)
    assert heard
    heard.clear()
    monkeypatch.setattr("threading.Event.is_set", lambda self: True)
    ask(ASKED)
    assert heard == []


@pytest.mark.usefixtures("started")
def test_a_witness_hears_no_more_than_it_needs_of_a_long_question(host: AdapterHost) -> None:
    history = (("What? " * 4000, "Nothing. " * 4000),)
    question = Question("Why? " * 4000, history=history)
    witness = Witness(OwnVoice(host), "Lanterns", question, "Seven.", STARTED)
    assert len(witness._question) == LONGEST_HEARD
    assert all(len(said) <= LONGEST_HEARD for turn in witness._history for said in turn)
