"""Published: what the papers report, cell by cell, with the model that it was measured with.

Sources: arXiv 2412.13626 with its blog version (tables 1 to 5), arXiv 2502.14644 v3 and v4 (6).
The same baseline differs between papers (ICL on LongQA: 30.88 and 15.44), so these numbers are
never compared with ours, only shown beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_app.bench.suites.loogle import LONG_TASKS, SHORT

LLAMA = "Llama-3-8B-Instruct"
GPT = "GPT-3.5"
V3 = "Llama-3-8B-Instruct, v3"
V4 = "Llama-3-8B-Instruct, v4"

NO_API = "the adapter of a closed model belongs to its owner"
NO_REORDER = "the paper's timeline questions on QuALITY were not released"
NO_GATE = "gated memory changes the attention of the base, which no plain adapter can"


@dataclass(frozen=True)
class Column:
    """One column: what is measured on which questions."""

    name: str
    suite: str
    tasks: tuple[str, ...] = ()
    """Prefixes of the tasks of the suite; all without them."""
    metrics: tuple[str, ...] = ("judge", "f1", "order_right")
    """The first of them that an answer has is its score."""
    suffix: str = ""
    """Put after the name of a row's arm: `+gold`."""
    empty: str = ""
    """Why it cannot be run here."""


@dataclass(frozen=True)
class Row:
    """One row: an arm, and what a paper reports for each column (None where it does not)."""

    arm: str
    model: str
    published: tuple[float | None, ...]
    empty: str = ""
    """Why it cannot be run here."""
    name: str = ""
    """What the paper calls it, where that is not the arm."""


@dataclass(frozen=True)
class Table:
    """One table of the papers."""

    number: int
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


_LONG = Column("LongQA", "loogle", LONG_TASKS)
_SHORT = Column("ShortQA", "loogle", (SHORT,))


def _coordinate(name: str, suite: str, *tasks: str, empty: str = "") -> Column:
    return Column(name, suite, tasks, ("concordance",), empty=empty)


TABLES: dict[int, Table] = {
    table.number: table
    for table in (
        Table(
            1,
            "LooGLE, GPT-4 score",
            (_LONG, _SHORT),
            (
                Row("ICL", LLAMA, (30.88, 44.23)),
                Row("LIFT_only", LLAMA, (27.34, 35.83)),
                Row("LIFT+ICL", LLAMA, (33.42, 50.44)),
                Row("ICL", GPT, (44.82, 66.82), NO_API),
                Row("LIFT+ICL", GPT, (45.76, 69.66), NO_API),
            ),
        ),
        Table(
            2,
            "LooGLE LongQA by task, GPT-4 score",
            tuple(Column(task, "loogle", (task,)) for task in LONG_TASKS),
            (
                Row("ICL", LLAMA, (40.88, 28.16, 24.00, 22.33)),
                Row("LIFT+ICL", LLAMA, (44.83, 28.16, 22.00, 26.51)),
            ),
        ),
        Table(
            3,
            "LongBench, official metrics",
            (
                Column("Musique", "longbench", ("musique",), ("f1",)),
                Column("NarrativeQA", "longbench", ("narrativeqa",), ("f1",)),
                Column("QMSum", "longbench", ("qmsum",), ("rouge_l",)),
                Column("GovReport", "longbench", ("gov_report",), ("rouge_l",)),
                Column(
                    "PassageRetrievalEN", "longbench", ("passage_retrieval_en",), ("retrieval",)
                ),
            ),
            (
                Row("ICL", LLAMA, (15.10, 20.73, 21.28, 29.39, 61.11)),
                Row("LIFT_only", LLAMA, (5.21, 5.55, 14.00, 12.50, 9.03)),
                Row("LIFT+ICL", LLAMA, (10.99, 25.84, 22.96, 31.26, 41.67)),
            ),
        ),
        Table(
            4,
            "Auxiliary tasks (AT) and pre-LIFT SFT, coordinate score",
            (
                _coordinate("Bamboo", "bamboo"),
                _coordinate("LooGLE", "loogle", "timeline reorder"),
                _coordinate("QuALITY", "quality", empty=NO_REORDER),
            ),
            (
                Row("ICL", LLAMA, (29.03, 19.97, 24.06)),
                Row("LIFT+ICL", LLAMA, (30.83, 21.04, 24.19)),
                Row("LIFT+AT+ICL", LLAMA, (30.90, 21.14, 23.75)),
                Row("SFT+ICL", LLAMA, (31.00, 24.11, 25.23)),
                Row("SFT+LIFT+ICL", LLAMA, (32.47, 23.52, 25.48)),
                Row("SFT+LIFT+AT+ICL", LLAMA, (31.13, 22.13, 24.57)),
            ),
        ),
        Table(
            5,
            "Gold evidence, LooGLE LongQA, GPT-4 score",
            (
                Column("without", "loogle", LONG_TASKS),
                Column("with gold evidence", "loogle", LONG_TASKS, suffix="+gold"),
            ),
            (
                Row("ICL", LLAMA, (30.88, 53.77)),
                Row("LIFT+ICL", LLAMA, (33.42, 55.13)),
            ),
        ),
        Table(
            6,
            "The later papers on LooGLE, GPT-4 score",
            (_SHORT, _LONG),
            (
                Row("ICL", V3, (44.49, 15.44)),
                Row("LIFT+ICL", V3, (47.51, 29.97), NO_GATE, "LIFT with gated memory"),
                Row("LIFT+AT_only", V4, (52.69, 27.25), name="LIFT on synthetic questions"),
            ),
        ),
    )
}
