"""Load: many readers ask many books at once, by a server and by the engine of this process.

All books are asked the same questions, and each has words of its own for the answers, so an answer
shows whose book it came from. Both sides go the way of every question, in one run on one machine.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lift_app.bench.machine import describe_machine
from lift_app.errors import CallerError, LiftError
from lift_app.reader import Reader
from lift_app.settings import Settings

OWN = (
    *("amber", "copper", "ivory", "scarlet", "velvet", "marble", "golden", "wooden"),
    *("purple", "crystal", "leather", "silver", "crimson", "granite", "woollen", "bronze"),
)
"""One word for each book, in all of its answers and in no other book's."""
HIDDEN = (
    *(("well", "key"), ("cellar", "lamp"), ("attic", "flute"), ("garden", "crown")),
    *(("stable", "mirror"), ("chapel", "cup"), ("kitchen", "box"), ("tower", "bell")),
)
PLACES = ("market", "school", "mill", "bridge", "harbour", "forest")


def run(
    settings: Settings,
    *,
    books: int,
    questions: int,
    recipe: str,
    values: Mapping[str, Any],
    arm: str | None,
    progress: Callable[[str], None],
    seed: int = 0,
) -> dict[str, Any]:
    """Lift small books, then ask them many questions at once, on both sides.

    Args:
        settings: of the bench; `server` names the server.
        books: how many, 2 to 16.
        questions: how many are asked at once, over all books.
        recipe: of the lifts.
        values: fields of the recipe to change.
        arm: LIFT+ICL by default.
        progress: told what is being done.
        seed: of the order of the questions.

    Returns:
        `server` and `local` (`seconds`, `per_second`, `own`, `foreign`, `other`), `same` (answers
        that are word for word the same), `ratio` (local seconds by the server's), `run`.

    Raises:
        CallerError: no server, or too many or too few books.
        LiftError: the server is away, or takes no adapters.
    """
    if not settings.server:
        raise CallerError("Name the server that is measured: --server URL, or LIFT_SERVER.")
    if not 2 <= books <= len(OWN):
        raise CallerError(f"The books are 2 to {len(OWN)}, not {books}.")
    with Reader(replace(settings, server="")) as reader:
        ids = [_lifted(reader, number, recipe, values, progress) for number in range(books)]
    order = [(number % books, HIDDEN[number // books % len(HIDDEN)]) for number in range(questions)]
    random.Random(seed).shuffle(order)
    sides = {}
    said = {}
    for name, side in (("server", settings), ("local", replace(settings, server=""))):
        progress(f"{questions} questions to {books} books: {name}")
        with Reader(side) as reader:
            seconds, said[name] = _asked(reader, ids, order, arm)
            sides[name] = {**_whose(said[name], order), **_speed(seconds, questions)}
            machine = describe_machine(reader)
    same = sum(a == b for a, b in zip(said["server"], said["local"], strict=True))
    return {
        **sides,
        "questions": questions,
        "books": books,
        "same": same,
        "ratio": sides["local"]["seconds"] / sides["server"]["seconds"],
        "seed": seed,
        "run": machine,
    }


def table(result: Mapping[str, Any]) -> str:
    """The result for a terminal."""
    lines = [f"{result['questions']} questions at once to {result['books']} books"]
    for name in ("server", "local"):
        side = result[name]
        lines.append(
            f"{name:7} {side['seconds']:7.1f} s  {side['per_second']:6.2f} a second  own word "
            f"{side['own']}, another book's {side['foreign']}, neither {side['other']}"
        )
    lines.append(
        f"the server answers {result['ratio']:.2f} times as many questions a second; "
        f"{result['same']} answers are the same"
    )
    return "\n".join([*lines, result["run"]["sentence"]])


def text_of(number: int) -> str:
    """A small book: who hid what in which place, and little else."""
    own = OWN[number]
    lines = [f"# The {own} papers"]
    for place, thing in HIDDEN:
        lines.append(
            f"The keeper hid the {own} {thing} in the {place}. "
            + " ".join(f"Nobody near the {other} saw the {place} that day." for other in PLACES[:2])
        )
    return "\n\n".join(lines)


def _lifted(
    reader: Reader,
    number: int,
    recipe: str,
    values: Mapping[str, Any],
    progress: Callable[[str], None],
) -> str:
    progress(f"lifting book {number + 1}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{OWN[number]}.md"
        path.write_text(text_of(number), encoding="utf-8")
        book: str = reader.add(path)["id"]
    for _ in reader.tune(book, recipe=recipe, values=values):
        pass
    return book


def _asked(
    reader: Reader,
    ids: Sequence[str],
    order: Sequence[tuple[int, tuple[str, str]]],
    arm: str | None,
) -> tuple[float, list[str]]:
    """Seconds and answers; each book was asked once before, so that all is loaded."""

    # Both sides at the same one, whatever the guards of such small books may have found.
    strength = reader.settings.default_strength(evidence=True)

    def ask(one: tuple[int, tuple[str, str]]) -> str:
        number, (place, _) = one
        question = f"What did the keeper hide in the {place}?"
        answer = reader.ask(ids[number], question, arm=arm, strength=strength)
        if answer["notice"]:  # by another side than the one that is measured
            raise LiftError(answer["notice"])
        return str(answer["answer"])

    with ThreadPoolExecutor(len(order)) as pool:
        list(pool.map(ask, [(number, HIDDEN[-1]) for number in range(len(ids))]))
        began = time.perf_counter()
        said = list(pool.map(ask, order))
        return time.perf_counter() - began, said


def _whose(said: Sequence[str], order: Sequence[tuple[int, tuple[str, str]]]) -> dict[str, int]:
    counts = {"own": 0, "foreign": 0, "other": 0}
    for answer, (number, _) in zip(said, order, strict=True):
        found = {word for word in OWN if word in answer.lower()}
        whose = "foreign" if found - {OWN[number]} else "own" if found else "other"
        counts[whose] += 1
    return counts


def _speed(seconds: float, questions: int) -> dict[str, float]:
    return {"seconds": seconds, "per_second": questions / seconds}
