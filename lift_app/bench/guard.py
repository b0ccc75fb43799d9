"""The guard's bench: how much harm a probe may show at the strength that is chosen.

Every document is lifted without a guard. At each strength the probe says what harm it sees, and
questions say what is really gained and lost: those to the document, and those to other documents,
which neither the probe nor a lift has seen. So a recipe's `allowed_harm` is chosen by what a reader
would feel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from statistics import fmean
from typing import Any

from lift_app.answering.question import Question
from lift_app.bench import arms
from lift_app.bench.documents import BenchDocument
from lift_app.bench.harm import Harm, Prompt, harms, reading_prompts, surprises, with_evidence
from lift_app.bench.intervals import paired
from lift_app.bench.machine import describe_machine
from lift_app.bench.recipe import READING
from lift_app.bench.runs.kept import Kept, digest
from lift_app.errors import CallerError
from lift_app.lifting.guard import TRIED, Guard
from lift_app.lifting.probe import AT_ONCE, SURE, Probe
from lift_app.models.catalogue import split_start
from lift_app.reader import Reader

STRENGTHS = (TRIED[1], 0.45, 0.3, TRIED[0], 0.1, 0.0)
"""Strengths that are looked at."""
ALLOWED = (0.0025, 0.005, 0.01)
"""Harms on the probe that are tried, as shares of the base's NLL."""


@dataclass(frozen=True)
class _Found:
    """What one document's adapter does at one strength."""

    probe: float
    """Harm on the probe, the most that there may be."""
    plain: list[float]
    """NLL of the gold answers, head and tail in the context."""
    evidence: list[float]
    """The same with passages."""
    others: list[float]
    """NLL of the answers to the questions about other documents."""


def run(
    reader: Reader,
    documents: Sequence[BenchDocument],
    others: Sequence[BenchDocument],
    *,
    recipe: str,
    values: Mapping[str, Any],
    suite: str,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Lift the documents without a guard, and look at every strength.

    What was measured is kept in the home, so that the same command goes on after an interruption.

    Args:
        reader: with a home of the bench's own.
        documents: what is lifted and asked; none of those that a claim is made on.
        others: documents that are not lifted.
        recipe: of the lifts.
        values: fields of it to change.
        suite: name of the questions.
        progress: told what is being done.

    Raises:
        CallerError: there are no documents, or no others with questions.

    Returns:
        `suite`, `documents`, `questions`, `prompts`, `strengths` and `allowed` (rows with "probe",
        the mean of the most that there may be, or "allowed", the most that is allowed; "strength",
        a mean; "gain" and "evidence", differences to the base; "harm"), `run`.
    """
    prompts = reading_prompts([with_evidence(reader, d) for d in others[:READING]], READING)
    if not (documents and prompts):
        raise CallerError(
            "The bench needs documents that are long enough, and others with questions."
        )
    stands = split_start(reader.settings.model)[1] is not None
    arm = arms.ARMS[(arms.SFT if stands else "") + "LIFT+ICL"]
    plan = arms.Plan((arm,), recipe, {**values, "guard": False}, {}, write=False)
    kept = Kept(reader.settings.home / "guard.jsonl")
    probe = resources.files("lift_app.lifting").joinpath("probe.json").read_bytes()
    probed = hashlib.sha256(probe).hexdigest()

    def look(document: BenchDocument, key: str, strength: float) -> _Found:
        progress(f"{document.title}: strength {strength:g}")
        place = digest(
            [key, strength, probed, SURE, AT_ONCE]
            + [reader.settings.context_tokens, reader.settings.evidence_tokens]
            + [[q.question, q.told] for q in document.questions]
            + [[prompt.messages, prompt.answer] for prompt in prompts]
        )
        if (known := kept.get(place)) is None:
            known = asdict(_look(reader, document, key, strength, prompts))
            kept.put(place, known)
        return _Found(**known)

    found: list[dict[float, _Found]] = []
    for document in documents:
        key, _ = arms.lift_document(reader, document, arm, plan, progress)
        of: dict[float, _Found] = {}
        for strength in STRENGTHS:
            of[strength] = look(document, key, strength)
        for strength in {_chosen(of, allowed) for allowed in ALLOWED} - set(of):
            of[strength] = look(document, key, strength)
        found.append(of)
    table = _Table(documents, prompts, found)
    return {
        "suite": suite,
        "documents": len(documents),
        "questions": sum(len(document.questions) for document in documents),
        "prompts": len(prompts),
        "strengths": [
            {"probe": round(fmean(of[strength].probe for of in found), 4)}
            | table.row([strength] * len(found))
            for strength in STRENGTHS
        ],
        "allowed": [
            {"allowed": allowed} | table.row([_chosen(of, allowed) for of in found])
            for allowed in ALLOWED
        ],
        "run": describe_machine(reader),
    }


def _look(
    reader: Reader, document: BenchDocument, key: str, strength: float, prompts: Sequence[Prompt]
) -> _Found:
    from lift_app.answering.scoring import score
    from lift_app.lifting.tasks import extracts_of

    engine = reader.engine()
    row = reader.library.books.get(arms.add_document(reader, document))
    extracts = extracts_of(reader.library.books.load(row.id))
    told = [asked.told for asked in document.questions]

    def turn(host: Any) -> _Found:
        slot = engine.slot_for(host, key)
        assert slot is not None
        plain, evidence = (
            score(
                reader.library,
                host,
                row,
                [
                    Question(asked.question, "LIFT+ICL", evidence=passages, strength=strength)
                    for asked in document.questions
                ],
                told,
                slot=slot,
                write=False,
            )
            for passages in (False, True)
        )
        with host.active(slot, strength):
            others = surprises(host, prompts)
        probe = in_one_turn(Probe(host, document.title, extracts, 0).harm(slot, strength))
        return _Found(round(probe, 5), [s.nll for s in plain], [s.nll for s in evidence], others)

    return engine.submit(turn, model=reader.settings.model).result()


def in_one_turn(turns: Generator[None, None, float]) -> float:
    """What turns return, taken without a pause."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return float(end.value)


def _chosen(found: Mapping[float, _Found], most: float) -> float:
    """What the guard would choose, were so much harm allowed."""

    class Shown(Probe):
        """A probe that has been asked already."""

        def __init__(self) -> None:
            self._book = None

        def harm(self, slot: str, strength: float = 1.0) -> Generator[None, None, float]:
            yield
            return found[strength].probe

        def memory(self, slot: str, strength: float = 1.0) -> float:
            return 0.0

    guard = Guard(Shown(), "", 1, most)
    list(guard.look(1))
    return guard.verdicts[-1].strength


class _Table:
    """Differences to the base, which is strength 0, with a strength for each document."""

    def __init__(
        self,
        documents: Sequence[BenchDocument],
        prompts: Sequence[Prompt],
        found: Sequence[Mapping[float, _Found]],
    ) -> None:
        self._clusters = [document.id for document in documents for _ in document.questions]
        self._prompts = prompts
        self._found = found

    def row(self, strengths: Sequence[float]) -> dict[str, Any]:
        with_adapter = [of[s] for of, s in zip(self._found, strengths, strict=True)]
        base = [of[0.0] for of in self._found]
        return {
            "strength": round(fmean(strengths), 3),
            "gain": self._pair([of.plain for of in with_adapter], [of.plain for of in base]),
            "evidence": self._pair(
                [of.evidence for of in with_adapter], [of.evidence for of in base]
            ),
            "harm": self._harm(with_adapter, base[0]).to_json(),
        }

    def _pair(self, left: Sequence[list[float]], right: Sequence[list[float]]) -> dict[str, Any]:
        return paired(
            "with",
            [value for values in left for value in values],
            "without",
            [value for values in right for value in values],
            metric="nll",
            clusters=self._clusters,
        ).to_json()

    def _harm(self, adapted: Sequence[_Found], base: _Found) -> Harm:
        return harms(self._prompts, base.others, [of.others for of in adapted])[0]


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "| | strength | LIFT+ICL − ICL | with evidence | harm to reading |",
        "|---|---|---|---|---|",
    ]
    for row in result["strengths"]:
        lines.append(f"| the probe shows up to {100 * row['probe']:+.2f} % |" + _cells(row))
    for row in result["allowed"]:
        lines.append(f"| at most {100 * row['allowed']:g} % allowed |" + _cells(row))
    return "\n".join(
        [
            *lines,
            "",
            f"{result['documents']} documents, {result['questions']} questions; "
            f"{result['prompts']} questions to other documents. {result['run']['sentence']}",
        ]
    )


def _cells(row: Mapping[str, Any]) -> str:
    harm = row["harm"]
    pairs = " | ".join(
        f"{pair['difference']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]"
        for pair in (row["gain"], row["evidence"])
    )
    return (
        f" {row['strength']:g} | {pairs} | {100 * harm['share']:+.2f} % "
        f"[{100 * harm['low']:+.2f}, {100 * harm['high']:+.2f}] |"
    )
