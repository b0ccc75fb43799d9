"""Harm: what an adapter does to prompts that have nothing to do with its book.

General prompts that come with the project (no lift trains on them, and no probe looks at them), and
context-reading prompts: questions to other documents with their gold evidence in the context, or
with the passages that a search finds where that is not known. The negative log-likelihood of the
gold answers with the adapter on, beside that of the base, as a share of the base's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.intervals import RESAMPLES
from lift_app.sft.corpus import joined
from lift_app.template import Message, ask, instruct

if TYPE_CHECKING:
    from lift_app.models.lora import AdapterHost
    from lift_app.reader import Reader

Array = NDArray[np.float64]

LONGEST_EVIDENCE = 220
"""Words; longer gold evidence is left out, so that many passages can be read."""


@dataclass(frozen=True)
class Prompt:
    """A prompt that is not about the book, and what should follow it."""

    kind: str
    """`general` or `reading`; where several files are read from, `reading FILE`."""
    of: str
    """What it is about; prompts about the same thing stand together, and begin alike."""
    document: str
    """The document that it is from, or itself: prompts of one document are no two witnesses."""
    messages: tuple[Message, ...]
    answer: str


@dataclass(frozen=True)
class Harm:
    """By which share of the base's NLL the adapters raise it, with a 95 % interval: over other
    books that might have been lifted, and other documents that might have been asked about."""

    kind: str
    prompts: int
    share: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """A plain dict, numbers rounded to four places."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def general_prompts() -> list[Prompt]:
    """The general prompts of the benches."""
    file = resources.files("lift_app.bench").joinpath("general.json")
    return [
        Prompt("general", asked, asked, ({"role": "user", "content": asked},), p["answer"])
        for p in json.loads(file.read_text(encoding="utf-8"))
        if (asked := p["question"])
    ]


def with_evidence(reader: Reader, document: BenchDocument) -> BenchDocument:
    """A document whose questions have evidence, gold where it is known of any of them.

    Elsewhere it is the passages that a search of the document finds first, as a reader's own
    question would: some do not answer, as readers' do not.
    """
    if any(asked.gold for asked in document.questions):
        return document
    from lift_app.bench.arms import add_document

    book = add_document(reader, document)
    return replace(
        document,
        questions=tuple(
            replace(asked, gold=_found(reader, book, asked.question))
            for asked in document.questions
            if asked.question.strip()
        ),
    )


def _found(reader: Reader, book: str, question: str) -> tuple[str, ...]:
    """The best passages that are not too long together."""
    texts: list[str] = []
    for hit in reader.library.passages.search(book, question):
        words = sum(len(text.split()) for text in [*texts, hit.passage.text])
        if words > LONGEST_EVIDENCE:
            break
        texts.append(hit.passage.text)
    return tuple(texts)


def reading_prompts(
    documents: Sequence[BenchDocument], most: int, kind: str = "reading"
) -> list[Prompt]:
    """Questions to documents that no adapter has learned, their evidence in the context.

    Args:
        documents: others than those that were lifted.
        most: passages; they are taken from the documents in turn, those first that are evidence
            for most questions, each with all questions to it.
        kind: of the prompts.
    """
    of_each = [sorted(_passages(d, kind), key=len, reverse=True) for d in documents]
    rounds = range(max(map(len, of_each), default=0))
    found = [passages[turn] for turn in rounds for passages in of_each if turn < len(passages)]
    return [prompt for passage in found[:most] for prompt in passage]


def _passages(document: BenchDocument, kind: str) -> list[list[Prompt]]:
    """The prompts to each passage of a document."""
    by_passage: dict[tuple[str, ...], list[Asked]] = {}
    for q in document.questions:
        if q.gold and len(" ".join(q.gold).split()) <= LONGEST_EVIDENCE:
            by_passage.setdefault(q.gold, []).append(q)
    return [
        [
            Prompt(
                kind,
                f"{document.id}/{number}",
                document.id,
                (
                    instruct(document.title),
                    {"role": "user", "content": ask(q.question, [joined(text) for text in gold])},
                ),
                q.told,
            )
            for q in asked
        ]
        for number, (gold, asked) in enumerate(by_passage.items())
    ]


def surprises(host: AdapterHost, prompts: Sequence[Prompt]) -> list[float]:
    """Mean NLL of each prompt's answer, in nats a token, with whatever adapter is on."""
    import torch

    from lift_app.lifting.packing import pack, row_means, spoken

    found: list[float] = []
    with torch.no_grad():
        for _, together in groupby(prompts, key=lambda prompt: prompt.of):
            rows = [spoken(host.base, prompt.messages, prompt.answer) for prompt in together]
            found += row_means(host.model, pack(rows, host.base.device)).tolist()
    return found


def harms(
    prompts: Sequence[Prompt], base: Sequence[float], adapted: Sequence[Sequence[float]]
) -> list[Harm]:
    """How much worse some adapters are than the base, by kind of prompt.

    Args:
        prompts: in the order of the other arguments.
        base: NLL of each prompt without an adapter.
        adapted: the same for each adapter.
    """
    found = []
    for kind in dict.fromkeys(prompt.kind for prompt in prompts):
        places = [place for place, prompt in enumerate(prompts) if prompt.kind == kind]
        of: dict[str, list[int]] = {}
        for place in places:
            of.setdefault(prompts[place].document, []).append(place)
        before = np.array([sum(base[place] for place in group) for group in of.values()])
        after = np.array(
            [[sum(v[place] for place in group) for group in of.values()] for v in adapted]
        )
        share, low, high = _two_ways(after - before, before)
        found.append(Harm(kind, len(places), share, low, high))
    return found


def _two_ways(rise: Array, before: Array) -> tuple[float, float, float]:
    """The rise as a share, with an interval: adapters and documents are drawn, each with its own.

    Args:
        rise: sums of shape (adapters, documents).
        before: sums of the base, of shape (documents,).
    """
    adapters, documents = rise.shape
    draw = np.random.default_rng(0)
    rows = draw.multinomial(adapters, np.full(adapters, 1 / adapters), RESAMPLES)
    columns = draw.multinomial(documents, np.full(documents, 1 / documents), RESAMPLES)
    drawn = ((rows @ rise) * columns).sum(axis=1) / adapters / (columns @ before)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(rise.sum() / adapters / before.sum()), float(low), float(high)
