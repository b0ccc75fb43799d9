"""What a window shows: one update for each part of the page, a skip where nothing changed.

It reads the Reader and the window's `Seat`, and changes a seat only where the Reader has moved
on: a book that was removed, a first chat that was begun in another window.
"""

from __future__ import annotations

import logging
from threading import Thread
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_app.errors import LiftError, NotFound
from lift_app.ui import chat, space_words, words
from lift_app.ui.compare import compare_html
from lift_app.ui.finder import found_html
from lift_app.ui.leaf import leaf_html
from lift_app.ui.lift_view import ACTIVE, lift_html, line_html
from lift_app.ui.preferences import preferences_html
from lift_app.ui.replay import offer_html, replay_html
from lift_app.ui.report import estimate_html, recipe_choices, report_html, welcome_html
from lift_app.ui.seat import Seat
from lift_app.ui.security import escape
from lift_app.ui.shelf import shelf_html
from lift_app.ui.steps import steps_html
from lift_app.ui.strip import strip_html
from lift_app.ui.writing import Writings

if TYPE_CHECKING:
    from lift_app.reader import Reader

log = logging.getLogger(__name__)

PARTS = (
    "model",
    "shelf",
    "sample",
    "preferences",
    "steps",
    "about",
    "learn",
    "recipe",
    "tasks",
    "estimate",
    "learn_button",
    "lift",
    "controls",
    "pause",
    "resume",
    "finder",
    "found",
    "leaf",
    "strip",
    "remove",
    "talk",
    "compare",
    "turns",
    "arm",
    "more",
    "chat",
    "send",
    "stop",
    "chats",
    "starters",
    "receipt",
)
"""Everything that a draw may change, in the order of its results."""
Updates = list[Any]


class View:
    """Draws windows over one Reader."""

    def __init__(self, reader: Reader, writings: Writings) -> None:
        self._reader = reader
        self._writings = writings

    def draw(self, seat: Seat) -> Updates:
        """An update for each of `PARTS`; a skip where the window is up to date."""
        with seat.drawing():
            books = self._reader.books()
            book = next((b for b in books if b["id"] == seat.book), None)
            if seat.book is not None and book is None:
                # Removed in another window or on the command line.
                seat.open(None, {}, None)
            status = self.status(seat.book)
            changes: dict[str, Any] = {"model": seat.news("model", *_same(self._model()))}
            changes["shelf"] = seat.news("shelf", *_same(shelf_html(books, seat.book)))
            changes["preferences"] = self._preferences(seat, books)
            changes["sample"] = seat.news("sample", not books, gr.update(visible=not books))
            changes["steps"] = self._steps(seat, book if len(books) == 1 else None)
            changes.update(self._middle(seat, book, status))
            changes.update(self._talk(seat, book, status))
            changes["receipt"] = seat.receipt()
            return [changes[part] for part in PARTS]

    def turn(self, seat: Seat, *, turned: bool = False) -> Updates:
        """As `draw`, but only the page and what marks it: a turn must not wait for the rest.

        Args:
            seat: whose page is drawn.
            turned: the window shows it already: it had the leaf before it was asked for.
        """
        with seat.drawing():
            if turned and not seat.doubted:
                seat.news("leaf", _place(seat), None)
            seat.doubted = seat.doubted and not turned
            changes = dict.fromkeys(PARTS, gr.skip())
            changes["found"] = self._found(seat)
            changes["leaf"] = self._leaf(seat)
            changes["strip"] = self._strip(seat, seat.shown.get("learned"))
            changes["receipt"] = seat.receipt()
            return [changes[part] for part in PARTS]

    def _middle(
        self, seat: Seat, book: dict[str, Any] | None, status: dict[str, Any]
    ) -> dict[str, Any]:
        active = status.get("state") in ACTIVE
        paused = status.get("state") == "paused"
        slices = self._reader.in_slices
        if seat.replay is not None and seat.replay.over:
            seat.replay, seat.desk = None, False
        desk = seat.desk and seat.replay is None
        offer = book is not None and not active and desk
        again = bool(book and book.get("learned"))
        removable = book is not None and desk
        report = seat.details.get("report") or {}
        about = report_html(seat.details, opened=desk) if book else welcome_html(in_slices=slices)
        estimate = estimate_html(report) if offer and not again else ""
        choices = recipe_choices(self._reader.recipes(), report)
        label = words.LEARN_AGAIN if again else words.LEARN
        head = words.LEARN_AGAIN if again else words.HOW_THOROUGH
        learn = gr.update(visible=offer, label=head)
        if seat.begins("learn", (seat.book, offer, again)):
            learn["open"] = not again
        recipe = gr.update(choices=choices)
        suggested = report.get("suggested_recipe")
        if seat.begins("recipe", seat.book) and suggested in [name for _, name in choices]:
            recipe["value"] = suggested
        tasks = gr.update(value=False) if seat.begins("tasks", seat.book) else gr.update()
        button = gr.update(value=label, variant="secondary" if again else "primary")
        return {
            "about": seat.news("about", *_same(about)),
            "learn": seat.news("learn", (seat.book, offer, again), learn),
            "recipe": seat.news("recipe", (seat.book, choices), recipe),
            "tasks": seat.news("tasks", seat.book, tasks),
            "estimate": seat.news("estimate", *_same(estimate)),
            "learn_button": seat.news("learn_button", again, button),
            "lift": seat.news("lift", *_same(_lift(seat, status, in_slices=slices))),
            "controls": seat.news("controls", active and desk, gr.update(visible=active and desk)),
            "pause": seat.news("pause", paused, gr.update(visible=not paused)),
            "resume": seat.news("resume", paused, gr.update(visible=paused)),
            "finder": seat.news("finder", bool(book), gr.update(visible=bool(book))),
            "found": self._found(seat),
            "leaf": self._leaf(seat),
            "strip": self._strip(seat, _learned(book)),
            "remove": seat.news("remove", removable, gr.update(visible=removable)),
        }

    def _steps(self, seat: Seat, book: dict[str, Any] | None) -> Any:
        """The first steps, while the first book is the only one and nothing was asked yet."""
        steps = steps_html(
            book if seat.steps else None,
            asked=bool(seat.chat) or seat.answering,
            recorded=seat.recording is not None,
            replayed=seat.replayed,
        )
        return seat.news("steps", *_same(steps))

    def _found(self, seat: Seat) -> Any:
        note = f'<p class="trouble" role="alert">{escape(seat.note)}</p>' if seat.note else ""
        found = found_html(seat.wanted, seat.found, seat.mark)
        return seat.news("found", *_same(note + found))

    def _leaf(self, seat: Seat) -> Any:
        place = _place(seat)
        if seat.shown.get("leaf") == place:
            return gr.skip()
        if seat.book is None:
            return seat.news("leaf", place, "")
        leaf = leaf_html(self._reader, seat.details, seat.page, seat.mark, seat.view)
        # Told apart from what was sent before: the browser may have turned on from it by itself.
        return seat.news("leaf", place, f"<!-- {seat.receipts.number} -->{leaf}")

    def _strip(self, seat: Seat, learned: Any) -> Any:
        """The ribbon is read only where the lift or the adapter has moved on.

        Args:
            seat: whose strip it is.
            learned: what `_learned` says of its book.
        """
        if seat.book is None:
            return seat.news("strip", None, "")
        if seat.ribbon is None or seat.shown.get("learned") != learned or not seat.ribbon["exact"]:
            seat.ribbon = self._reader.ribbon(seat.book)
            seat.shown["learned"] = learned
        answer, ribbon = self._told(seat), seat.ribbon
        if seat.replay is not None:
            answer, ribbon = None, seat.replay.ribbon(ribbon)
        return seat.news("strip", *_same(strip_html(seat.details, ribbon, seat.page, answer)))

    def _told(self, seat: Seat) -> dict[str, Any] | None:
        """The answer whose context is shown: the chosen one, else the last."""
        messages = self._messages(seat)
        if seat.told is not None and seat.told < len(messages):
            return messages[seat.told].get("answer")
        answers = [m["answer"] for m in messages if m.get("answer")]
        return answers[-1] if answers else None

    def _messages(self, seat: Seat) -> list[dict[str, Any]]:
        return self._reader.messages(seat.chat) if seat.chat else []

    def _preferences(self, seat: Seat, books: list[dict[str, Any]]) -> Any:
        """The settings page; sizes are looked up only where something has come or gone."""
        if not seat.preferences:
            return seat.news("preferences", None, "")
        state = self._reader.model_state()
        what = (state, [(book["id"], book.get("adapter")) for book in books])
        if seat.shown.get("preferences") == what:
            return gr.skip()
        model = next((one for one in self._reader.models() if one["chosen"]), None)
        return seat.news(
            "preferences", what, preferences_html(model, state, self._reader.storage())
        )

    def _talk(
        self, seat: Seat, book: dict[str, Any] | None, status: dict[str, Any]
    ) -> dict[str, Any]:
        arms, note = chat.arms_of(book, status), chat.arm_note(status)
        arm = gr.update(
            choices=[(words.ARMS[name], name) for name in arms], visible=len(arms) > 1, info=note
        )
        if seat.begins("arm", (seat.book, arms)):
            arm["value"] = chat.DEFAULT_ARM if chat.DEFAULT_ARM in arms else chat.PLAIN_ARM
        chats = self._reader.chats(seat.book) if seat.book else []
        if seat.chat is None and chats and not seat.blank and not seat.answering:
            # The first chat was begun in another window.
            seat.chat = chats[0]["id"]
        busy = self.answering(seat)
        return {
            "talk": seat.news("talk", bool(book), gr.update(visible=bool(book))),
            "send": seat.news("send", busy, gr.update(visible=not busy)),
            "stop": seat.news("stop", busy, gr.update(visible=busy)),
            "arm": seat.news("arm", (seat.book, arms, note), arm),
            "more": seat.news("more", len(arms) > 1, gr.update(visible=len(arms) > 1)),
            "chat": self._chat(seat),
            "chats": seat.news("chats", *_same(chat.chats_html(chats, seat.chat))),
            "compare": gr.skip() if seat.answering else self.comparison(seat),
            "turns": self._turns(seat),
            "starters": self._starters(seat, bool(chats)),
        }

    def arms(self, seat: Seat) -> list[str]:
        """The arms that the open book can be asked with now."""
        book = next((one for one in self._reader.books() if one["id"] == seat.book), None)
        return chat.arms_of(book, self.status(seat.book))

    def comparison(self, seat: Seat) -> Any:
        """The comparison, as far as it has come."""
        with seat.lock:
            html = "" if seat.compared is None else compare_html(*seat.compared, seat.details)
            return seat.news("compare", *_same(html))

    def _turns(self, seat: Seat) -> Any:
        """What can be done with the last answer, where there is one."""
        there = seat.chat is not None and bool(self._messages(seat)) and not self.answering(seat)
        return seat.news("turns", there, gr.update(visible=there))

    def _starters(self, seat: Seat, asked: bool) -> Any:
        """First questions, until the first one is asked; found in the background."""
        if seat.book is None or asked or seat.answering:
            return seat.news("starters", *_same(""))
        if seat.starters is None:
            seat.starters = []
            Thread(target=self._find_starters, args=(seat, seat.book), daemon=True).start()
        return seat.news("starters", *_same(chat.starters_html(seat.starters)))

    def _find_starters(self, seat: Seat, book: str) -> None:
        try:
            found = self._reader.first_questions(book)
        except LiftError:
            return  # it was removed meanwhile
        if seat.book == book:
            seat.starters = found

    def _chat(self, seat: Seat) -> Any:
        if seat.answering:
            return gr.skip()
        writing = self._writings.of(seat.chat)  # first: an answer that ends meanwhile is a message
        messages = self._messages(seat)
        html = chat.messages_html(messages)
        if writing is None or writing.answer is not None:
            return seat.news("chat", (seat.book, seat.chat, len(messages)), html)
        # Asked in a window that is gone, or in another one; or it failed.
        html.append(chat.user(writing.question))
        if writing.trouble:
            html.append(chat.trouble(writing.trouble))
        elif writing.text.strip():
            html.append(chat.assistant(writing.text, None))
        else:
            html.append(chat.waiting(self.waiting()))
        state = (id(writing), len(writing.text), writing.trouble)
        return seat.news("chat", (seat.book, seat.chat, len(messages), state), html)

    def answering(self, seat: Seat) -> bool:
        """Whether an answer is being written, into this window or into its chat."""
        return seat.answering or self._writings.under_way(seat.chat)

    def waiting(self) -> str:
        """What stands in an answer's place before its first word."""
        ready = self._reader.model_state().get("state") == "ready"
        return words.THINKING if ready else words.THINKING_MODEL

    def status(self, book: str | None) -> dict[str, Any]:
        """Where the book's newest lift stands; empty if there never was one."""
        if book is None:
            return {}
        try:
            return self._reader.status(book)
        except NotFound:
            return {}

    def _model(self) -> str:
        model = self._reader.model_state()
        state = str(model.get("state"))
        if state == "ready":
            return ""
        known = {
            "absent": words.MODEL_ABSENT,
            "downloading": words.MODEL_DOWNLOADING,
            "loading": words.MODEL_LOADING,
            "failed": words.MODEL_FAILED,
        }
        text = model.get("message") or known.get(state, state)
        if model.get("progress") is not None and state != "failed":
            text += f", {words.PERCENT.format(percent=int(100 * float(model['progress'])))}"
        return f'<p class="model {escape(state)}" role="status">{escape(text)}</p>'


def _lift(seat: Seat, status: dict[str, Any], *, in_slices: bool) -> str:
    """The lift, or the replay of one, whole or in a line; the offer of a replay."""
    if seat.replay is not None:
        return replay_html(seat.replay, whole=seat.desk)
    if not seat.desk:
        return line_html(status)
    offer = "" if seat.recording is None else offer_html(seat.recording.seconds)
    note = (
        space_words.KEEP_OPEN if in_slices and status.get("state") in ("queued", "running") else ""
    )
    return lift_html(status, note=note) or offer


def _learned(book: dict[str, Any] | None) -> Any:
    """What changes when more of a book is known."""
    if book is None:
        return None
    job = book.get("job") or {}
    return book["id"], book.get("adapter"), job.get("state"), job.get("step")


def _place(seat: Seat) -> tuple[Any, ...]:
    """What the leaf of a window shows."""
    return seat.book, seat.page, seat.mark, seat.view


def _same(html: str) -> tuple[str, str]:
    """HTML is its own signature."""
    return html, html
