"""The answer bench: how long a reader waits for a first word, and how fast the rest comes.

Everything is timed on the sample book in one run: the same questions with the kept prefix and with
nothing kept, in turn; the same prompt with the adapter and without; and the whole wait of a chat
while another book is being learned.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from lift_app.bench.machine import describe_run
from lift_app.errors import CallerError, LiftError
from lift_app.reader import Reader

WRITTEN = 48
"""Tokens that are written to time decoding."""
LIFTED = {"seed": 977, "epochs": 10}
"""What sets the lift that runs beside a chat apart from any on the shelf, and lets it outlast the
chat; its steps are those of any other."""


def run(
    reader: Reader,
    *,
    recipe: str,
    values: Mapping[str, Any],
    questions: int,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Lift the sample book if need be, and time its answers.

    Args:
        reader: owns the model.
        recipe: name of the recipe.
        values: fields of it to change.
        questions: how many are asked; at least 2.
        progress: told what is being done.

    Returns:
        `first_token_seconds` (`kept`, `not_kept`: medians; `ratio`: how many times sooner),
        `tokens_per_second` (`adapter`, `base`, `ratio`), `while_lifting` (seconds to the first
        piece of an answer, `idle` and `lifting`; `step_seconds`), `run`.

    Raises:
        LiftError: no question was answered by the model.
    """
    data = reader.sample_book().parent
    asked = json.loads((data / "sample_questions.json").read_text(encoding="utf-8"))
    texts = [item["question"] for item in asked["questions"]][:questions]
    progress("learning the sample book")
    book = reader.add_sample()["id"]  # which comes learned by the standard recipe
    last: dict[str, Any] = {}
    for last in reader.tune(book, recipe=recipe, values=values):
        if "loss" in last:
            progress(f"learning the sample book: step {last['step']} of {last['steps']}")
    progress("asking with and without the kept prefix")
    first = _first_tokens(reader, book, texts)
    progress("writing with and without the adapter")
    speed = _decoding(reader, book, last["adapter"], texts[0])
    progress("asking while a book is being learned")
    waits = _waits(reader, book, data / "control_book.md", recipe, values, texts)
    return {
        "suite": "answer",
        "questions": len(texts),
        "first_token_seconds": first,
        "tokens_per_second": speed,
        "while_lifting": waits,
        "run": describe_run(reader, recipe, values, last["adapter"]),
    }


def table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    first, speed = result["first_token_seconds"], result["tokens_per_second"]
    waits = result["while_lifting"]
    lines = [
        "| | | | ratio |",
        "|---|---|---|---|",
        f"| seconds to the first token | kept prefix {first['kept']:.2f} | nothing kept "
        f"{first['not_kept']:.2f} | {first['ratio']:.1f} times sooner |",
        f"| tokens a second | with the adapter {speed['adapter']:.1f} | without "
        f"{speed['base']:.1f} | {speed['ratio']:.2f} |",
        f"| seconds to the first words in a chat | idle {waits['idle']:.2f} | while a book is "
        f"learned {waits['lifting']:.2f} | a step takes {waits['step_seconds']:.2f} s |",
        "",
        result["run"]["sentence"],
    ]
    return "\n".join(lines)


def _first_tokens(reader: Reader, book: str, texts: list[str]) -> dict[str, float]:
    """Seconds to the first token, each question with a kept prefix and without, in turn."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    reader.ask(book, texts[0])  # what is computed once a process
    for text in texts:
        for kept in (False, True):
            if not kept:
                _forget(reader)
            timing = reader.ask(book, text)["timing"]
            if timing["first_token_seconds"] is not None:
                seconds[kept].append(timing["first_token_seconds"])
    if not seconds[True]:
        raise LiftError("No question reached the model, so there is nothing to time.")
    kept_s, other = median(seconds[True]), median(seconds[False])
    return {
        "kept": round(kept_s, 3),
        "not_kept": round(other, 3),
        "ratio": round(other / kept_s, 2),
        "slowest_kept": round(max(seconds[True]), 3),
    }


def _forget(reader: Reader) -> None:
    turn = reader.engine().submit(lambda host: host.prefixes.clear(), model=reader.settings.model)
    turn.result()


def _decoding(reader: Reader, book: str, key: str, text: str, rounds: int = 3) -> dict[str, float]:
    """Tokens a second after the same prompt, with the adapter and without, in turn."""
    from lift_app.answering.assembly import assemble
    from lift_app.answering.lookup import look_up
    from lift_app.answering.question import Question
    from lift_app.models.generation import generate

    engine, row = reader.engine(), reader.library.books.get(book)
    question = Question(text, "LIFT+ICL", max_tokens=WRITTEN)

    def turn(host: Any) -> dict[str, list[float]]:
        slot = engine.slot_for(host, key)
        lookup = look_up(reader.library.passages, row.id, text)
        prompt = assemble(host.base, reader.library, reader.settings, row, question, lookup)
        speeds: dict[str, list[float]] = {"adapter": [], "base": []}
        for _ in range(rounds):
            for name in speeds:
                with host.active(slot, 0.5) if name == "adapter" else host.disabled() as model:
                    written = generate(
                        model,
                        prompt.tokens,
                        tokenizer=host.base.tokenizer,
                        end_tokens=(),
                        max_tokens=WRITTEN,
                        on_text=lambda _: None,
                        stop=threading.Event(),
                    )
                speeds[name].append(written.tokens_per_second or 0.0)
        return speeds

    found = engine.submit(turn, model=reader.settings.model).result()
    adapter, base = median(found["adapter"]), median(found["base"])
    return {
        "adapter": round(adapter, 2),
        "base": round(base, 2),
        "ratio": round(adapter / base, 3),
    }


def _waits(
    reader: Reader,
    book: str,
    other: Any,
    recipe: str,
    values: Mapping[str, Any],
    texts: list[str],
) -> dict[str, float]:
    """Seconds from asking to the first words, idle and while another book is being learned."""
    idle = median(_wait(reader, book, text) for text in texts)
    lifted = reader.add(other)["id"]
    reader.start_tune(lifted, recipe=recipe, values={**values, **LIFTED})
    try:
        while (status := reader.status(lifted))["step"] < 1:
            if status["state"] not in ("queued", "running"):
                raise LiftError(f"The lift beside the chat is {status['state']}.")
            time.sleep(0.05)
        lifting = median(_waits_beside(reader, book, lifted, texts))
        status = reader.status(lifted)
    finally:
        _end(reader, lifted)
    pace = [
        e["tokens_per_second"] for _, e in reader.library.jobs.events(status["job"]) if "loss" in e
    ]
    numbers = reader.library.jobs.get(status["job"]).recipe
    tokens = numbers["segment_length"] * numbers["batch_segments"]
    return {
        "idle": round(idle, 3),
        "lifting": round(lifting, 3),
        "step_seconds": round(tokens / pace[-1], 3),
    }


def _waits_beside(reader: Reader, book: str, lifted: str, texts: list[str]) -> list[float]:
    """Seconds to the first words of each question during which the lift of another book went on.

    Raises:
        LiftError: it was over before the first of them was answered.
    """
    waits: list[float] = []
    for text in texts:
        wait = _wait(reader, book, text)
        if reader.status(lifted)["state"] != "running":
            break
        waits.append(wait)
    if not waits:
        raise LiftError(
            "The lift beside the chat was over before a question was answered, so no wait beside "
            "it could be timed. Choose a recipe that takes longer."
        )
    return waits


def _end(reader: Reader, lifted: str) -> None:
    """Cancel a lift, unless it is over."""
    try:
        reader.cancel(lifted)
    except CallerError as error:
        if error.code != "finished":
            raise


def _wait(reader: Reader, book: str, text: str) -> float:
    began = time.perf_counter()
    stream = reader.ask_stream(book, text)
    next(stream)
    waited = time.perf_counter() - began
    for _ in stream:
        pass
    return waited
