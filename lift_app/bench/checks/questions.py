"""Questions: are the synthetic questions any good, and what does each kind of them bring?

The writer of the lifts asks about extracts of each document. A sample is judged, by a judge where
one is named and in any case by three mechanical signs: the answer's words stand in the extract, the
base gives the same answer when it reads the extract, and the extract makes the answer likelier.

Then each kind of question is learned alone, with the same number of updates, and the gold questions
of the benchmark are scored without a context, apart for causal, temporal and factual ones.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from lift_app.bench.arms import add_document
from lift_app.bench.documents import Asked, BenchDocument
from lift_app.bench.intervals import bootstrap, paired
from lift_app.bench.judging.judge import Judge
from lift_app.bench.machine import describe_machine
from lift_app.bench.metrics.token_f1 import token_f1
from lift_app.bench.runs.kept import Kept, digest
from lift_app.reader import Reader
from lift_app.template import ask, instruct

EXTRACTS = 12
"""Extracts of a document that are asked about."""
UPDATES = 12
"""Optimizer steps on one kind."""
RANK, RATE = 16, 1e-3
"""Of the adapter that learns one kind."""
SLOT = "check"
SPREAD = 6
"""Updates go through the tasks of a kind in groups of so many."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sampled:
    """One synthetic question and what can be said of it."""

    kind: str
    question: str
    answer: str
    extract: str
    held: float
    """1 if the words of the answer stand in the extract."""
    agrees: float
    """Token F1 of what the base answers with the extract before it."""
    gain: float
    """By how much the extract lowers the NLL of the answer, nats a token."""


def kind_of(question: str) -> str:
    """`causal`, `temporal` or `factual`, by the words of a question."""
    text = question.lower()
    if re.match(r"\W*(why|what (?:caused|made)|how come|for what reason)\b", text):
        return "causal"
    if re.search(r"\b(when|before|after|then|first|last|finally|until|while|happened)\b", text):
        return "temporal"
    return "factual"


def run(
    reader: Reader,
    documents: Sequence[BenchDocument],
    *,
    judge: Judge | None,
    progress: Progress,
) -> dict[str, Any]:
    """Write, judge and learn the synthetic questions of documents.

    Args:
        reader: with a home of the bench's own.
        documents: with gold questions.
        judge: says whether an answer is right; None for the mechanical signs alone.
        progress: told what is being done.

    Returns:
        `check`, `sample` (a row a kind), `effects` ({"learned", "kind", "nll", "difference", "low",
        "high"}: a row for each kind learned and each kind of gold question), `judge`, `run`.
    """
    kept = Kept(reader.settings.home / "tasks.jsonl")
    sampled: list[Sampled] = []
    scored: list[tuple[str, str, str, float]] = []
    for place, document in enumerate(documents, 1):
        progress(f"{place} of {len(documents)}: {document.title[:40]}")
        record = _document(reader, document, kept)
        sampled += [Sampled(**row) for row in record["sampled"]]
        for learned, values in record["nll"].items():
            for asked, value in zip(document.questions, values, strict=True):
                scored.append((learned, kind_of(asked.question), document.id, value))
    verdicts: dict[str, list[float]] = {}
    for one in sampled if judge else ():
        assert judge is not None
        asked = Asked("", one.question, (one.extract,), form="written")
        verdict = judge.score(asked, one.answer)
        if verdict is not None:
            verdicts.setdefault(one.kind, []).append(verdict)
    return {
        "check": "questions",
        "documents": len(documents),
        "sample": _sample(sampled, verdicts),
        "effects": _effects(scored),
        "judge": judge.name if judge else None,
        "examples": [asdict(one) for one in sampled[:: max(1, len(sampled) // 10)]],
        "run": describe_machine(reader),
    }


def _document(reader: Reader, document: BenchDocument, kept: Kept) -> dict[str, Any]:
    """Tasks of a document with their signs, and the gold NLL after each kind was learned."""
    book = reader.library.books.load(add_document(reader, document))
    for _ in reader.fetch_model():
        pass
    of = digest(
        [
            [document.text, [asdict(asked) for asked in document.questions]],
            [reader.settings.model, EXTRACTS, UPDATES, RANK, RATE, SPREAD],
        ]
    )
    if (known := kept.get(of)) is not None:
        return known
    turn = reader.engine().submit(
        lambda host: _work(host, book, document), model=reader.settings.model
    )
    record = turn.result()
    kept.put(of, record)
    return record


def _work(host: Any, book: Any, document: BenchDocument) -> dict[str, Any]:
    from lift_app.lifting.task_writer import TaskWriter, held
    from lift_app.lifting.tasks import extracts_of

    extracts = extracts_of(book)
    writer = TaskWriter(host, book.title, extracts, 0, asks=host.base.identity.start is not None)
    tasks: list[Any] = []
    for group in range(min(EXTRACTS, len(extracts))):
        known = {task.question.lower() for task in tasks}
        tasks += writer.write(group, known)
    sampled = []
    for task in tasks:
        extract = extracts[task.extract].text
        pair = [(task.question, task.answer)]
        closed, opened = (
            _losses(host, _rows(host, book.title, pair, evidence))[0]
            for evidence in ([], [extract])
        )
        said = _say(host, book.title, ask(task.question, [extract]))
        sampled.append(
            Sampled(
                kind=task.kind,
                question=task.question,
                answer=task.answer,
                extract=extract,
                held=float(held(task.answer, extract)),
                agrees=token_f1(said, task.answer),
                gain=closed - opened,
            )
        )
    kinds = sorted({task.kind for task in tasks})
    nll = {"nothing": _gold(host, book.title, document.questions, None)}
    for kind in kinds:
        own = [(task.question, task.answer) for task in tasks if task.kind == kind]
        _learn(host, _rows(host, book.title, own))
        nll[kind] = _gold(host, book.title, document.questions, SLOT)
    return {"sampled": [asdict(one) for one in sampled], "nll": nll}


def _learn(host: Any, rows: Sequence[Any]) -> None:
    """Learn the answers of one kind of question in a fresh adapter."""
    import torch

    from lift_app.lifting.packing import pack, packed_losses

    host.reset(SLOT, RANK, 2 * RANK, seed=0)
    optimizer = torch.optim.AdamW(host.parameters(SLOT), lr=RATE)
    for step in range(UPDATES):
        start = step * SPREAD % len(rows)
        some = [*rows[start:], *rows[:start]][:SPREAD]
        with host.training(SLOT) as model:
            packed_losses(model, pack(some, host.base.device)).mean().backward()
            optimizer.step()
            optimizer.zero_grad()


def _gold(host: Any, title: str, questions: Sequence[Asked], slot: str | None) -> list[float]:
    """NLL of the gold answers, as answers are told, without a context."""
    pairs = [(one.question, one.told) for one in questions]
    return _losses(host, _rows(host, title, pairs), slot)


def _rows(
    host: Any, title: str, pairs: Sequence[tuple[str, str]], evidence: Sequence[str] = ()
) -> list[Any]:
    """Questions and their answers as the product asks them, with passages or without."""
    from lift_app.lifting.packing import spoken

    return [
        spoken(
            host.base,
            [instruct(title), {"role": "user", "content": ask(question, evidence)}],
            answer,
        )
        for question, answer in pairs
    ]


def _losses(host: Any, rows: Sequence[Any], slot: str | None = None) -> list[float]:
    """Mean NLL of each row's answer, nats a token."""
    import torch

    from lift_app.lifting.packing import pack, packed_losses

    with host.active(slot, 1.0) if slot else host.disabled() as model, torch.no_grad():
        return [packed_losses(model, pack([row], host.base.device)).mean().item() for row in rows]


def _say(host: Any, title: str, content: str) -> str:
    from lift_app.models.generation import generate

    base = host.base
    with host.disabled() as model:
        return generate(
            model,
            base.chat_tokens([instruct(title), {"role": "user", "content": content}]),
            tokenizer=base.tokenizer,
            end_tokens=base.end_tokens,
            max_tokens=32,
            on_text=lambda _: None,
            stop=threading.Event(),
        ).text


def _sample(
    sampled: Sequence[Sampled], verdicts: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    rows = []
    for kind in dict.fromkeys(one.kind for one in sampled):
        own = [one for one in sampled if one.kind == kind]
        judged = verdicts.get(kind, ())
        rows.append(
            {
                "kind": kind,
                "questions": len(own),
                "held": round(100 * fmean(one.held for one in own), 1),
                "agrees": round(100 * fmean(one.agrees for one in own), 1),
                "gain": round(fmean(one.gain for one in own), 3),
                "judged_right": round(100 * fmean(judged), 1) if judged else None,
            }
        )
    return rows


def _effects(scored: Sequence[tuple[str, str, str, float]]) -> list[dict[str, Any]]:
    """Gold NLL after each kind was learned, against the base, by kind of gold question."""
    rows = []
    for learned in dict.fromkeys(one[0] for one in scored):
        for kind in ("causal", "temporal", "factual"):
            own = [one for one in scored if one[:2] == (learned, kind)]
            base = [one for one in scored if one[:2] == ("nothing", kind)]
            if not own:
                continue
            clusters = [one[2] for one in own]
            values = [one[3] for one in own]
            pair = paired(
                learned,
                values,
                "nothing",
                [one[3] for one in base],
                metric="nll",
                clusters=clusters,
            )
            low, high = bootstrap(values, clusters=clusters)
            rows.append(
                {
                    "learned": learned,
                    "kind": kind,
                    "questions": len(own),
                    "nll": round(fmean(values), 3),
                    "nll_low": round(low, 3),
                    "nll_high": round(high, 3),
                    **{k: v for k, v in pair.to_json().items() if k not in ("a", "b", "metric")},
                }
            )
    return rows


def markdown(result: Mapping[str, Any]) -> str:
    """The check as Markdown."""
    lines = [
        "| kind of synthetic question | number | answer in the extract | base agrees, F1 | "
        "gain of the extract, nats | judged right |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["sample"]:
        judged = "–" if row["judged_right"] is None else f"{row['judged_right']:.0f} %"
        lines.append(
            f"| {row['kind']} | {row['questions']} | {row['held']:.0f} % | {row['agrees']:.1f} | "
            f"{row['gain']:.2f} | {judged} |"
        )
    kinds = list(dict.fromkeys(row["kind"] for row in result["effects"]))
    lines += ["", f"| learned alone | {' | '.join(f'{kind} gold questions' for kind in kinds)} |"]
    lines += [f"|---{'|---' * len(kinds)}|"]
    for learned in dict.fromkeys(row["learned"] for row in result["effects"]):
        own = {row["kind"]: row for row in result["effects"] if row["learned"] == learned}
        cells = []
        for kind in kinds:
            row = own[kind]
            gap = f" ({row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}])"
            cells.append(f"NLL {row['nll']:.2f}{gap if learned != 'nothing' else ''}")
        lines.append(f"| {learned} | {' | '.join(cells)} |")
    judge = f" Judge: {result['judge']}." if result["judge"] else ""
    count = result["documents"]
    said = f"{count} document{'' if count == 1 else 's'}.{judge} {result['run']['sentence']}"
    return "\n".join([*lines, "", said])
