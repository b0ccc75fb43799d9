"""Reader: the Python face. The command line and the app say the same verbs and get the same dicts.

Books come from the library, lifts are jobs in it, questions go through the access to the model.
Importing this module is cheap: torch comes in only with the engine's thread.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lift_app import cards
from lift_app.answering.first_questions import first_questions
from lift_app.conversations import Conversations
from lift_app.engine.access import open_access
from lift_app.engine.lifts import Lifts
from lift_app.engine.recovery import open_library
from lift_app.errors import Busy, CallerError
from lift_app.library import Library
from lift_app.lifting.recipe import resolve_recipe
from lift_app.lifting.ribbon import Ribbons
from lift_app.models.catalogue import split_start
from lift_app.models.identity import ModelFolder
from lift_app.models.provision import fetch_model, find_local, require_local
from lift_app.models.starts import NONE, folder_of, reference
from lift_app.pages import Pages
from lift_app.parcel import Parcels
from lift_app.reading import Book, FileReader
from lift_app.recording import Recording, install_recording, recording_of
from lift_app.settings import Settings
from lift_app.shelving import shelve
from lift_app.storage import storage

if TYPE_CHECKING:
    from lift_app.engine.engine import Engine
    from lift_app.engine.sliced_access import Gpu


class Reader(Conversations):
    """A shelf of books that can be learned and asked.

    Use it as a context manager, or call `close()`: a lift in progress is then checkpointed.

    Args:
        settings: every knob; read from the environment by default.
        preload: take the model, load it and run lifts from the first `model_state` on, as the app.
        gpu: lends a GPU for some seconds at a time, as `spaces.GPU` (`engine.sliced_access`).
    """

    def __init__(
        self, settings: Settings | None = None, *, preload: bool = False, gpu: Gpu | None = None
    ) -> None:
        settings = settings or Settings.from_environment()
        self.settings = replace(settings, model=reference(settings.model, settings.start))
        self._preload = preload
        self._files = FileReader(self.settings)
        library = open_library(self.settings)
        self._access = open_access(library, self.settings, preload=preload, gpu=gpu)
        self._stand_on(library, Pages(library, self.settings))

    def _stand_on(self, library: Library, pages: Pages) -> None:
        self.library, self.pages = library, pages
        self._lifts = Lifts(library, self.settings, self._access)
        self._ribbons = Ribbons(library, self.settings)
        self.parcels = Parcels(library, self.settings, self._files)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Checkpoint a running lift, stop the engine and the process that reads files."""
        self._access.close()
        self._files.close()
        self.pages.close()
        self.library.close()

    # Books

    def add(
        self, path: str | Path, *, title: str | None = None, encoding: str | None = None
    ) -> dict[str, Any]:
        """Read a file into the library. The same file twice is the same book.

        Returns:
            `id`, `title`, `author`, `format`, `pages`, `words`, `tokens`, `tokens_exact`, `new`,
            `chapters` and `report`, with the minutes that a lift is expected to take.

        Raises:
            UnreadableFile: the file cannot become a book; nothing was stored.
        """
        path = Path(path).expanduser()
        if not os.path.isfile(path):  # noqa: PTH113 (Path's own fails on names that are too long)
            raise CallerError(f"There is no file {path}.", code="no_such_file")
        book = self._files.read(path, encoding=encoding, title=title)
        self._accept(book)
        row = shelve(self.library, self.settings, book, path, replace_text=encoding is not None)
        return cards.description(self.library, self.settings, row) | {"new": row.new}

    def books(self) -> list[dict[str, Any]]:
        """Every book on the shelf, newest first, with its adapter and its unfinished job."""
        jobs = {job.book_id: job for job in reversed(self.library.jobs.list())}
        adapters = self._adapters_by_book()
        return [
            cards.spine(row, jobs.get(row.id), adapters.get(row.id))
            for row in self.library.books.list()
        ]

    def show(self, book: str) -> dict[str, Any]:
        """One book with its chapters, report, adapters and chats."""
        row = self.library.books.find(book)
        return {
            **cards.spine(row, self._lifts.newest(row.id), self._adapters_by_book().get(row.id)),
            **cards.description(self.library, self.settings, row),
            "adapters": [a.to_json() for a in self.library.adapters.for_book(row.id)],
            "chats": self.chats(row.id),
        }

    def page(self, book: str, number: int) -> dict[str, Any]:
        """The text of a page: `number` (1-based), `label`, `chapter`, `text`, `pages`."""
        return self.pages.page(book, number)

    def ribbon(self, book: str) -> dict[str, Any]:
        """The book as a ribbon of segments and how well each is known; see `Ribbons.of`."""
        return self._ribbons.of(self.library.books.find(book))

    def rm(self, book: str) -> dict[str, Any]:
        """Delete a book and everything of it: text, file, adapters, jobs, chats."""
        row = self.library.books.find(book)
        self._lifts.end_all(row.id)
        self.pages.forget(row.id)
        self.library.books.delete(row.id)
        return {"removed": row.id, "title": row.title}

    def forget(self, book: str) -> dict[str, Any]:
        """Delete what was learned of a book, and end what is being learned; the book stays."""
        row = self.library.books.find(book)
        return {"forgotten": self._lifts.forget(row.id), "title": row.title}

    def storage(self) -> dict[str, Any]:
        """The room that books, what was learned and models take; see `storage.storage`."""
        return storage(self.library, self.settings)

    def sample_book(self) -> Path:
        """The short book that comes with the project."""
        return Path(__file__).resolve().parent.parent / "data" / "sample_book.md"

    def add_sample(self) -> dict[str, Any]:
        """Put the sample book on the shelf, as learned if its recording is current; as `add`."""
        added = self.add(self.sample_book())
        install_recording(self.library, self.settings, added["id"])
        return added

    def recording(self, book: str) -> Recording | None:
        """The record of how a book was learned, where it came with the project."""
        key = self._adapters_by_book().get(self.library.books.find(book).id)
        return recording_of(self.library, key) if key else None

    # Lifts

    def start_tune(
        self,
        book: str,
        *,
        recipe: str | None = None,
        model: str | None = None,
        start: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Queue a lift and return at once.

        Args:
            book: id, unique prefix or title.
            recipe: a name of `recipes()`; by default the setting, or a quicker one where that
                would take too long for this book on this machine.
            model: base model; the setting by default.
            start: what it stands on: `auto`, `none` or a name; the setting by default.
            values: fields of the recipe to change.

        Returns:
            The status of the job; or `{"stage": "done", "adapter", "cached"}` if the same lift
            already stands on the shelf.
        """
        row = self.library.books.find(book)
        model = self.reference(model, start)
        folder = self.present_model(model)
        recipe = recipe or self.suggested_recipe(row.id, model=model, values=values)
        plan = resolve_recipe(recipe, window=folder.window, values=values)
        return self._lifts.start(row, plan, model=model, folder=folder)

    def suggested_recipe(
        self, book: str, *, model: str | None = None, values: Mapping[str, Any] | None = None
    ) -> str:
        """The recipe that a lift follows when none is named; arguments as `start_tune`."""
        settings = replace(self.settings, model=model or self.settings.model)
        return cards.suggested_recipe(self.library, settings, self.library.books.find(book), values)

    def tune(
        self,
        book: str,
        *,
        recipe: str | None = None,
        model: str | None = None,
        start: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Lift a book and yield its progress; the last one is `{"stage": "done", "adapter"}`.

        Fetches the base model first if it is not on this machine. If the caller stops listening,
        the lift goes on as long as the process that owns the model lives.

        Raises:
            LiftError: the lift failed, was paused or was cancelled.
        """
        row = self.library.books.find(book)
        yield from self._fetch_model(self.reference(model, start))
        started = self.start_tune(row.id, recipe=recipe, model=model, start=start, values=values)
        if started.get("cached"):
            yield started
            return
        yield from self._lifts.follow(started["job"], seen=started["last_event"])

    def status(self, ref: str) -> dict[str, Any]:
        """Where a lift stands; `ref` is a job, or a book whose newest lift is meant."""
        return self._lifts.status(ref)

    def pause(self, ref: str) -> dict[str, Any]:
        """Pause a lift after its present step; it keeps what it has learned."""
        return self._lifts.request(ref, "pause")

    def resume(self, ref: str) -> dict[str, Any]:
        """Go on with a paused lift from its checkpoint."""
        return self._lifts.request(ref, "run")

    def cancel(self, ref: str) -> dict[str, Any]:
        """End a lift and drop its checkpoint; the book stays."""
        return self._lifts.request(ref, "cancel")

    @property
    def in_slices(self) -> bool:
        """Whether lifts go on only while somebody listens to `learn`, as on a lent GPU."""
        return self._access.in_slices

    def learn(self, ref: str) -> Generator[None]:
        """Go on with a lift in slices; whoever stops listening pauses it (`SlicedAccess`)."""
        yield from self._access.learn(self.library.owner, self.status(ref)["job"])

    def jobs(self) -> list[dict[str, Any]]:
        """Status of every lift, newest first."""
        return self._lifts.all()

    def train_start(
        self,
        corpus: Path,
        *,
        name: str,
        model: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Pre-LIFT SFT: train a start on a folder of documents with questions.

        The same call again goes on from the last checkpoint. Questions are answered in between.

        Args:
            corpus: folder of JSON lines (`sft.corpus`).
            name: what the start will be called.
            model: base model; the setting by default.
            values: fields of `SftRecipe` to change.

        Yields:
            Progress as of a lift; the last one has stage `done`, `start` and its `card`.

        Raises:
            CallerError: no documents, a name or a number that cannot be.
            Busy: another process has the model.
        """
        target, base = folder_of(name, self.settings), self.reference(model, NONE)
        yield from self._fetch_model(base)
        from lift_app.sft.run import train_in_turns

        # Lifts that wait are left alone: they stand on another start.
        submit = partial(self.engine(lifting=False).submit, model=base)
        yield from train_in_turns(submit, corpus, target, values or {})

    # Questions

    def ask(self, book: str, question: str, **arguments: Any) -> dict[str, Any]:
        """Ask a book; arguments as `ask_stream`. Returns the whole answer as a dict."""
        answer: dict[str, Any] = {}
        for event in self.ask_stream(book, question, **arguments):
            answer = event.get("answer", answer)
        return answer

    def ask_stream(
        self,
        book: str,
        question: str,
        *,
        arm: str | None = None,
        evidence: bool = True,
        strength: float | None = None,
        chat: str | None = None,
        model: str | None = None,
        start: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Ask a book and stream the answer.

        Args:
            book: id, unique prefix or title.
            question: what the reader wants to know.
            arm: `ICL`, `LIFT_only` or `LIFT+ICL`; by default LIFT+ICL once the book is learned.
            evidence: put passages found for the question into the context.
            strength: of the adapter, 0 to 1; by default the setting, with or without passages, or
                less where the lift's guard found it.
            chat: id of a chat, whose earlier turns are read and to which this one is added.
            model: base model; the setting by default.
            start: what it stands on: `auto`, `none` or a name; the setting by default.

        Yields:
            `{"text": piece}` while it is written, then `{"answer": {...}}`.

        Raises:
            LiftError: with a sentence for the reader.
        """
        row = self.library.books.find(book)
        arguments: dict[str, Any] = {
            "owner": row.owner,
            "book": row.id,
            "question": question,
            "arm": arm,
            "evidence": bool(evidence),
            "strength": strength,
            "history": cards.history(self.library, chat),
            "model": self.reference(model, start),
        }
        self.present_model(arguments["model"])
        for event in self._access.ask(arguments):
            if chat is not None and (answer := event.get("answer")):
                with self.library.db.write():  # both messages, or none
                    self.library.chats.add_message(chat, "user", question, None)
                    self.library.chats.add_message(chat, "assistant", answer["answer"], answer)
            yield event

    def stop_answer(self) -> None:
        """Cut running answers to this owner short; what was written so far is kept."""
        self._access.stop_answers(self.library.owner)

    def chat(self, chat: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """(the book, the conversation) of a conversation's id."""
        found = self.library.chats.get(chat)
        return self.show(found.book_id), found.to_json()

    def first_questions(self, book: str) -> list[str]:
        """Questions that the book can answer, for a reader who has just opened it."""
        row = self.library.books.find(book)
        return first_questions(self.library.books.load(row.id), self.library.passages)

    # What there is

    def adapters(self) -> list[dict[str, Any]]:
        """Every adapter on the shelf."""
        return [adapter.to_json() for adapter in self.library.adapters.list()]

    def recipes(self) -> list[dict[str, Any]]:
        """Recipes by name, with their numbers and the reason for them."""
        return cards.recipes()

    def models(self) -> list[dict[str, Any]]:
        """Base models of the catalogue, and which of them are on this machine."""
        return cards.models(self.settings)

    def fetch_model(self, model: str | None = None) -> Iterator[dict[str, Any]]:
        """Fetch and convert a base model; yields progress, the last one has stage `ready`."""
        yield from self._fetch_model(self.reference(model))
        yield {"stage": "ready", "model": self.reference(model)}

    def model_state(self) -> dict[str, Any]:
        """What the model is doing: `state`, `message`, `progress`, `device`, `precision`, `reason`.

        An app whose model was taken by another process takes it over here when that one ends.
        """
        state = self._access.model_state(wanted=self._preload)
        if state is not None:
            return dict(vars(state))
        return cards.model_elsewhere(self.settings, wanted=self._preload)

    def reference(self, model: str | None = None, start: str | None = None) -> str:
        """The one spelling of a model and its start, the settings' where they are not named."""
        if start:
            return reference(split_start(model or self.settings.model)[0], start)
        return reference(model, self.settings.start) if model else self.settings.model

    def present_model(self, model: str | None = None) -> ModelFolder:
        """The base model on this machine, with its start.

        Raises:
            Busy: it is not here yet (code `model_missing`).
        """
        return require_local(model or self.settings.model, self.settings)

    def engine(self, *, lifting: bool = True) -> Engine:
        """The engine of this process, for other work; with `lifting` it also runs what waits.

        Raises:
            Busy: another process has the model.
        """
        engine = self._access.own(lifting=lifting)
        if engine is None:
            raise Busy("Another LIFT Reader on this machine has the model. Close it first.")
        return engine

    # How it is done

    def _accept(self, book: Book) -> None:
        """Comes before anything is made of a book; one shelf may hold less than another."""

    def _fetch_model(self, model: str) -> Iterator[dict[str, Any]]:
        if find_local(model, self.settings) is None:
            for event in fetch_model(model, self.settings):
                yield {**event.to_json(), "stage": "model"}

    def _adapters_by_book(self) -> dict[str, str]:
        """Key of the newest adapter of each book, for the chosen model."""
        rows = reversed(self.library.adapters.list())
        return {row.book_id: row.key for row in rows if row.model == self.settings.model}
