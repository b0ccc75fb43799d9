"""The verbs as API endpoints, for gradio_client: arguments and results as on the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import gradio as gr

from lift_app.errors import LiftError
from lift_app.ui import words
from lift_app.ui.door import Door
from lift_app.ui.security import forget_upload

if TYPE_CHECKING:
    from lift_app.reader import Reader

log = logging.getLogger(__name__)
VERBS = ("add_book", "ask", "books", "cancel", "pause", "resume", "status", "tune")
P = ParamSpec("P")
T = TypeVar("T")


def expose(door: Door) -> None:
    """Add the endpoints to the `gr.Blocks` that is being built."""
    shelf = door.reader

    def books(request: gr.Request) -> list[dict]:
        """The shelf: every book with its state."""
        return shelf(request).books()

    def tune(
        request: gr.Request, book: str, recipe: str | None = None, model: str | None = None
    ) -> dict:
        """Start learning a book; returns at once. Follow it with `/status`.

        Where a GPU is lent in slices, it returns when the lift has ended.
        """
        reader = shelf(request)
        return _learned(reader, reader.start_tune(book, recipe=recipe or None, model=model or None))

    def status(request: gr.Request, job_or_book: str) -> dict:
        """Where the learning of a book stands."""
        return shelf(request).status(job_or_book)

    def pause(request: gr.Request, job: str) -> dict:
        """Pause a lift; `/resume` goes on from there."""
        return shelf(request).pause(job)

    def resume(request: gr.Request, job: str) -> dict:
        """Go on with a paused lift; returns as `/tune` does."""
        reader = shelf(request)
        return _learned(reader, reader.resume(job))

    def cancel(request: gr.Request, job: str) -> dict:
        """Cancel a lift."""
        return shelf(request).cancel(job)

    def ask(
        request: gr.Request,
        book: str,
        question: str,
        arm: str | None = None,
        evidence: bool = True,
        strength: float | None = None,
    ) -> dict:
        """Answer a question about a book, with citations."""
        return shelf(request).ask(
            book, question, arm=arm or None, evidence=evidence, strength=strength
        )

    verbs: tuple[Callable[..., Any], ...] = (books, tune, status, pause, resume, cancel, ask)
    for verb in verbs:
        gr.api(_plain_errors(verb), api_name=verb.__name__, concurrency_limit=None)
    _expose_add(door)


def _learned(reader: Reader, started: dict[str, Any]) -> dict[str, Any]:
    """The status of a lift; in slices, whoever asks for it goes through with it."""
    if not reader.in_slices or "job" not in started:
        return started
    for _ in reader.learn(started["job"]):
        pass
    return reader.status(started["job"])


def _expose_add(door: Door) -> None:
    """`/add_book` takes a file. A real file component checks that the path is an upload."""

    def add_book(request: gr.Request, file: str) -> dict:
        """Read a file and put it on the shelf; gives the book and its report."""
        path = Path(file)
        try:
            return door.reader(request).add(path)
        finally:
            forget_upload(path)

    file = gr.File(visible=False, label="file")
    result = gr.JSON(visible=False, label="book")
    gr.Button(visible=False).click(
        _plain_errors(add_book), [file], [result], api_name="add_book", concurrency_limit=None
    )


def _plain_errors(verb: Callable[P, T]) -> Callable[P, T]:
    """Errors of the program reach the client as their text; others as a plain apology."""

    @wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except LiftError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception:
            log.exception("/%s failed", verb.__name__)
            raise gr.Error(words.UNEXPECTED, print_exception=False) from None

    return call
