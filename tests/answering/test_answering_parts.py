"""Head and tail, evidence, generation, scoring and the grounding bench, each by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lift_app.answering import Answerer, Question
from lift_app.answering.citations import cite
from lift_app.answering.context import head_and_tail
from lift_app.answering.evidence import gather
from lift_app.answering.lookup import look_up
from lift_app.answering.scoring import answers_nll, score
from lift_app.answering.voice import OwnVoice
from lift_app.bench.grounding import overlaps, run, token_f1
from lift_app.errors import CallerError
from lift_app.library import BookRow, Library
from lift_app.models import AdapterHost
from lift_app.models.generation import REPEAT_GRAM, generate


class Pages:
    """Stands for `Books`, and notes which pages were asked for."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.asked: list[int] = []
        self.row: Any = SimpleNamespace(id="b", pages=len(texts))

    def page(self, book_id: str, number: int) -> Any:
        self.asked.append(number)
        return SimpleNamespace(text=self.texts[number - 1])


def count_words(text: str) -> int:
    return len(text.split())


def test_a_book_that_fits_is_all_head() -> None:
    books = Pages("one two", "three four")
    excerpt = head_and_tail(books, books.row, 10, count_words)  # type: ignore[arg-type]
    assert excerpt.head.split() == ["one", "two", "three", "four"]
    assert (excerpt.tail, excerpt.head_tokens, excerpt.tail_tokens) == ("", 4, 0)


def test_a_long_book_gives_its_ends_and_loads_little() -> None:
    texts = [" ".join(f"p{page}w{word}" for word in range(50)) for page in range(200)]
    books = Pages(*texts)
    excerpt = head_and_tail(books, books.row, 20, count_words)  # type: ignore[arg-type]
    assert excerpt.head.split() == texts[0].split()[:10]
    assert excerpt.tail.split() == texts[-1].split()[-10:]
    assert len(books.asked) < 10


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.lists(st.text("abc", min_size=1, max_size=6), max_size=30), min_size=1, max_size=6),
    st.integers(0, 60),
)
def test_head_and_tail_never_overlap_nor_exceed(pages: list[list[str]], budget: int) -> None:
    numbered = iter(range(10_000))
    texts = [" ".join(f"{word}{next(numbered)}" for word in page) for page in pages]
    books = Pages(*texts)
    excerpt = head_and_tail(books, books.row, budget, count_words)  # type: ignore[arg-type]
    everything = " ".join(texts).split()
    head, tail = excerpt.head.split(), excerpt.tail.split()
    assert len(head) + len(tail) <= budget
    assert everything[: len(head)] == head
    assert not tail or everything[-len(tail) :] == tail
    assert len(head) + len(tail) <= len(everything)


def test_evidence_keeps_to_its_budget_and_puts_the_best_last(
    library: Library, row: BookRow
) -> None:
    lookup = look_up(library.passages, row.id, "What did Orla Venn mend the bell with?")

    def page_text(number: int) -> str:
        return library.books.page(row.id, number).text

    found = gather(lookup, 400, len, page_text)
    assert "copper" in found[-1].text
    assert sum(len(passage.text) for passage in found) <= 400
    assert gather(lookup, 10, len, page_text) == []
    for passage in found:
        assert page_text(passage.page)[passage.start : passage.end] == passage.text


class Scripted(torch.nn.Module):
    """A model that wants to say given tokens, and then `end` for ever."""

    def __init__(self, script: list[int], end: int = 0) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.script, self.end, self.calls = script, end, 0

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        wanted = self.script[self.calls] if self.calls < len(self.script) else self.end
        self.calls += 1
        logits = torch.zeros(1, input_ids.shape[1], 300)
        logits[0, -1, wanted] = 2.0
        logits[0, -1, 7] += 1.0
        return SimpleNamespace(logits=logits, past_key_values=None)


class Bytes:
    """Decodes a token to the byte of its number."""

    def decode(self, ids: list[int], **_: Any) -> str:
        return bytes(ids).decode("utf-8", "replace")


def write(script: list[int], max_tokens: int = 50) -> tuple[str, list[str]]:
    pieces: list[str] = []
    written = generate(
        Scripted(script),
        [1, 2, 3],
        tokenizer=Bytes(),
        end_tokens={0},
        max_tokens=max_tokens,
        on_text=pieces.append,
        stop=threading.Event(),
    )
    assert "".join(pieces) == written.text
    return written.text, pieces


def test_generation_ends_at_the_end_token_and_at_the_limit() -> None:
    assert write(list(b"abc"))[0] == "abc"
    assert write(list(b"abc"), max_tokens=2)[0] == "ab"


def test_half_a_character_waits_for_its_other_half() -> None:
    assert write(list(" aéb".encode())) == ("aéb", ["a", "é", "b"])


def test_a_loop_is_broken() -> None:
    text, _ = write(list(b"abcdefgh" * 6), max_tokens=40)
    runs = [text[i : i + REPEAT_GRAM] for i in range(len(text) - REPEAT_GRAM + 1)]
    assert len(runs) == len(set(runs))


def test_the_likelihoods_of_what_is_written_and_of_its_rival(host: AdapterHost) -> None:
    prompt = host.base.chat_tokens([{"role": "user", "content": "How many lamps?"}])
    rival = host.base.text_tokens("none at all")
    options = {"tokenizer": host.base.tokenizer, "max_tokens": 6, "stop": threading.Event()}
    options |= {"end_tokens": (), "on_text": lambda _: None}
    plain = generate(host.model, prompt, **options)
    written = generate(host.model, prompt, rival=rival, **options)
    assert (written.text, written.likelihood) == (plain.text, pytest.approx(plain.likelihood))
    assert plain.rival is None
    logits = host.model(torch.tensor([prompt + rival])).logits[0].log_softmax(-1)
    steps = [logits[len(prompt) - 1 + i, token].item() for i, token in enumerate(rival)]
    assert written.rival == pytest.approx(sum(steps), rel=1e-4)


def test_the_nll_is_that_of_the_answer_alone(host: AdapterHost) -> None:
    prompts = [
        host.base.chat_tokens([{"role": "user", "content": text}])
        for text in ("How many lamps?", "How many lamps did she light?", "How many?")
    ]
    answers = ["seven", "eleven", "one"]
    together = answers_nll(host.base, prompts, answers)
    for prompt, answer, nll in zip(prompts, answers, together, strict=True):
        target = host.base.text_tokens(answer)
        logits = host.model(torch.tensor([prompt + target])).logits[0].log_softmax(-1)
        steps = [logits[len(prompt) - 1 + i, token].item() for i, token in enumerate(target)]
        assert nll == pytest.approx(-sum(steps) / len(target), rel=1e-4)
        # Reading the shared beginning once changes nothing.
        assert answers_nll(host.base, [prompt], [answer]) == [pytest.approx(nll, rel=1e-4)]


def test_scores_of_the_arms(library: Library, host: AdapterHost, row: BookRow) -> None:
    host.reset("answer", 2, 4)
    questions = [
        Question("How many lanterns did Orla Venn keep?", max_tokens=16),
        Question("What did she mend with copper?", max_tokens=16),
    ]
    answers = ["seven", "the bell"]
    plain = [one.nll for one in score(library, host, row, questions, answers, slot=None)]
    assert len(plain) == 2 and min(plain) > 0
    lifted = [Question(question.text, "LIFT+ICL", max_tokens=16) for question in questions]
    # A fresh adapter changes nothing.
    fresh = score(library, host, row, lifted, answers, slot="answer", write=True)
    assert [one.nll for one in fresh] == pytest.approx(plain)
    # An answer that is written after a beginning read once is the one written alone.
    for question, one in zip(lifted, fresh, strict=True):
        alone = score(library, host, row, [question], ["seven"], slot="answer", write=True)
        assert alone[0].answer == one.answer
    with pytest.raises(CallerError, match="needs an adapter"):
        score(library, host, row, lifted, answers, slot=None)
    with pytest.raises(CallerError, match="empty"):
        score(library, host, row, questions, ["seven", ""], slot=None)


@pytest.mark.usefixtures("believed")
def test_the_grounding_bench_counts(
    library: Library, host: AdapterHost, shelve: Callable[..., BookRow]
) -> None:
    row = shelve("Orla Venn kept seven\nlanterns. Nobody knew why. The gate was yellow.")
    result = run(
        Answerer(library, OwnVoice(host)),
        library,
        row,
        [
            {
                "id": "q",
                "question": "How many lanterns did Orla Venn keep?",
                "answer": "Seven",
                "evidence": ["Orla Venn kept seven lanterns."],
                "kind": "number",
            },
            {
                "id": "r",
                "question": "What colour was the gate?",
                "answer": "Yellow",
                "evidence": ["The gate was painted by nobody."],
                "kind": "colour",
            },
        ],
        [{"id": "u", "question": "Who discovered penicillin?", "kind": "out_of_book"}],
        max_tokens=4,
    )
    totals = result.totals
    assert (totals.answerable, totals.refused, totals.citations, totals.on_proof) == (2, 0, 2, 1)
    assert (totals.unanswerable, totals.abstained, totals.not_verbatim) == (1, 1, 0)
    assert [record.id for record in result.records] == ["q", "r", "u"]
    assert result.to_json()["totals"]["on_proof"] == 1


def test_token_f1_and_overlap() -> None:
    assert token_f1("The seven lanterns.", "seven lanterns") == 1.0
    assert token_f1("nothing", "seven") == 0.0
    assert token_f1("seven lanterns", "seven") == pytest.approx(2 / 3)
    assert overlaps("One two.\nThree four.", 0, 8, "two. Three")
    assert not overlaps("One two.\nThree four.", 0, 4, "Three four.")


def test_a_quote_brings_its_neighbours_but_never_another_paragraph(
    library: Library, shelve: Callable[..., BookRow]
) -> None:
    row = shelve(
        "The gate was green once. Mirem Daal painted it yellow. It took her a day.\n\n"
        "Pepper slept. " + "The long road went on past the mill and the chapel. " * 12
    )
    lookup = look_up(library.passages, row.id, "Who painted the gate yellow?")
    [citation] = cite(library, row, lookup, "Mirem Daal.")
    page = library.books.page(row.id, citation.page).text
    assert page[citation.start : citation.end] == citation.quote
    assert citation.quote == page.partition("\n\n")[0]
