"""Figure 3: time and peak memory against input length, for ICL and LIFT.

ICL reads the whole input and keeps it (prefix cache) for the questions that follow; LIFT lifts the
input with the recipe and then answers with head and tail of it in the context. Each length is
measured, curves are fitted (LIFT's time linear, ICL's quadratic), and the crossing point is
computed for 1, 10 and 100 questions. What has been measured is kept: the same command goes on.

Without a GPU, time is CPU seconds of this process: others who use the machine stretch the clock on
the wall, and both arms keep every core busy alike.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lift_app.bench.arms import add_document
from lift_app.bench.documents import BenchDocument
from lift_app.bench.figures.fits import Curve, crossing, fit, reaches
from lift_app.bench.machine import describe_run
from lift_app.bench.runs.kept import Kept, digest
from lift_app.bench.sample import text_of_length
from lift_app.errors import LiftError
from lift_app.models.peak import forget_peak, machine_bytes, peak_bytes
from lift_app.models.provision import find_local
from lift_app.reader import Reader

LENGTHS = (1000, 2000, 4000, 8000, 16000)
QUESTIONS = (1, 10, 100)
ANSWER_TOKENS = 16
"""Tokens that are written to each question, so that every answer costs the same."""
_ASK = "\n\nQuestion: What happened, and who was there when it happened?\nAnswer:"

Progress = Callable[[str], None]


class Clock:
    """What time is measured by.

    Args:
        on_cpu: whether the model runs on the CPU.
    """

    def __init__(self, *, on_cpu: bool) -> None:
        self.name = "CPU seconds" if on_cpu else "seconds"
        self.now = time.process_time if on_cpu else time.perf_counter


def measure(
    reader: Reader,
    *,
    lengths: Sequence[int],
    recipe: str,
    values: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Measure and fit.

    Args:
        reader: with a home of the bench's own.
        lengths: of the input, in tokens.
        recipe: of the lifts.
        values: fields of it to change.
        progress: told what is being done.

    Returns:
        `seconds` (which they are), `points` ([{"arm", "length", "once", "question", "bytes",
        "error"}]: seconds once and a question), `fits`, `crossings`, `memory`, `run`.
    """
    for event in reader.fetch_model():
        progress(str(event.get("message", "the model is here")))
    device = reader.engine().submit(lambda host: host.base.device, model=reader.settings.model)
    clock = Clock(on_cpu=str(device.result()) == "cpu")
    points, key = [], ""
    for length in sorted(lengths):
        progress(f"ICL: {length} tokens")
        points.append(_kept(reader, "ICL", length, clock, {}, partial(_icl, reader, length, clock)))
        progress(f"LIFT: {length} tokens")
        point = _kept(
            reader,
            "LIFT",
            length,
            clock,
            {"recipe": recipe, **values},
            partial(_lift, reader, length, clock, recipe, values, progress),
        )
        key = point.get("adapter", key)
        points.append(point)
    return {
        "seconds": clock.name,
        "points": points,
        **conclusions(points, machine_bytes()),
        "run": describe_run(reader, recipe, values, key),
    }


def conclusions(points: Sequence[Mapping[str, Any]], limit: int) -> dict[str, Any]:
    """Curves, crossing points and the end of memory, from measured points.

    Args:
        points: of both arms.
        limit: bytes of the machine.
    """
    good = {
        arm: [p for p in points if p["arm"] == arm and not p["error"]] for arm in ("ICL", "LIFT")
    }
    if not all(good.values()):
        return {"fits": {}, "crossings": [], "memory": {"machine_bytes": limit}}

    def curve(arm: str, what: str, degree: int) -> Curve:
        known = [(p["length"], p[what]) for p in good[arm] if p[what] is not None]
        return fit([x for x, _ in known], [y for _, y in known], degree)

    fits = {
        "ICL once": curve("ICL", "once", 2),
        "ICL question": curve("ICL", "question", 1),
        "LIFT once": curve("LIFT", "once", 1),
        "LIFT question": curve("LIFT", "question", 0),
        "ICL bytes": curve("ICL", "bytes", 1),
        "LIFT bytes": curve("LIFT", "bytes", 1),
    }
    shortest = min(p["length"] for some in good.values() for p in some)
    crossings = []
    for count in QUESTIONS:
        lift = fits["LIFT once"] + fits["LIFT question"] * count
        cached = fits["ICL once"] + fits["ICL question"] * count
        anew = (fits["ICL once"] + fits["ICL question"]) * count
        crossings.append(
            {
                "questions": count,
                "cached": _whole(crossing(lift, cached, after=shortest)),
                "uncached": _whole(crossing(lift, anew, after=shortest)),
            }
        )
    failed = [p["length"] for p in points if p["arm"] == "ICL" and p["error"]]
    return {
        "fits": {name: list(one.coefficients) for name, one in fits.items()},
        "crossings": crossings,
        "memory": {
            "machine_bytes": limit,
            "icl_failed_at": min(failed) if failed else None,
            "icl_full_at": _whole(reaches(fits["ICL bytes"], limit)),
        },
    }


def _whole(length: float | None) -> int | None:
    return None if length is None else round(length)


def _kept(
    reader: Reader,
    arm: str,
    length: int,
    clock: Clock,
    recipe: Mapping[str, Any],
    work: Callable[[], Any],
) -> dict[str, Any]:
    """A point, measured only if it is not on disk."""
    folder = find_local(reader.settings.model, reader.settings)
    assert folder is not None
    kept = Kept(reader.settings.home / "costs.jsonl")
    model = [folder.weights_sha256, folder.start_sha256, reader.settings.device]
    of = digest([arm, length, clock.name, dict(recipe), model, reader.settings.context_tokens])
    if (known := kept.get(of)) is not None:
        return known
    try:
        point = {"arm": arm, "length": length, "error": None, **work()}
    except LiftError as error:
        if error.code != "out_of_memory" and "allocate memory" not in str(error):
            raise
        point = {"arm": arm, "length": length, "error": str(error)}
        point |= {"once": None, "question": None, "bytes": None}
    kept.put(of, point)
    return point


def _icl(reader: Reader, length: int, clock: Clock) -> dict[str, Any]:
    text = text_of_length(reader, length)
    turn = reader.engine().submit(
        lambda host: _read_and_answer(host, text, None, clock), model=reader.settings.model
    )
    return turn.result()


def _lift(
    reader: Reader,
    length: int,
    clock: Clock,
    recipe: str,
    values: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    document = BenchDocument(f"cost-{length}", f"Cost {length}", text_of_length(reader, length), ())
    book = add_document(reader, document)
    plan: dict[str, Any] = {"recipe": recipe, "values": values}
    started = reader.start_tune(book, **plan)
    if started.get("cached"):  # its memory was not measured: once more
        reader.library.adapters.delete(started["adapter"])
    forget_peak()
    began = clock.now()
    last: dict[str, Any] = {}
    for last in reader.tune(book, **plan):
        if last.get("steps"):
            progress(f"LIFT: {length} tokens, step {last['step']} of {last['steps']}")
    seconds, lifted = clock.now() - began, peak_bytes()
    key = last["adapter"]
    row = reader.library.adapters.find(key)
    assert row is not None
    engine = reader.engine()
    context = text_of_length(reader, min(length, reader.settings.context_tokens))
    answered = engine.submit(
        lambda host: _read_and_answer(host, context, engine.slot_for(host, key), clock),
        model=reader.settings.model,
    ).result()
    return {
        "once": seconds + answered["once"],
        "question": answered["question"],
        "bytes": max(filter(None, (lifted, answered["bytes"])), default=None),
        "adapter": key,
        "tokens_trained": row.summary["tokens_trained"],
    }


def _read_and_answer(host: Any, text: str, slot: str | None, clock: Clock) -> dict[str, Any]:
    """Seconds to read a text and to answer one question after it, and the peak of memory."""
    from lift_app.models.generation import generate

    base = host.base
    read = base.text_tokens(text)
    ask = base.text_tokens(_ASK)
    forget_peak()
    with host.active(slot, 1.0) if slot else host.disabled():
        cache = _cache(base)
        began = clock.now()
        _write(generate, base, read, 1, cache)
        once = clock.now() - began
        began = clock.now()
        _write(generate, base, ask, ANSWER_TOKENS, cache)
        question = clock.now() - began
    return {"once": once, "question": question, "bytes": peak_bytes()}


def _cache(base: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=base.model.config)


def _write(generate: Any, base: Any, tokens: Sequence[int], count: int, cache: Any) -> None:
    """Read tokens into a cache and write exactly `count`."""
    generate(
        base.model,
        tokens,
        tokenizer=base.tokenizer,
        end_tokens=frozenset(),
        max_tokens=count,
        on_text=lambda _: None,
        stop=threading.Event(),
        cache=cache,
    )
