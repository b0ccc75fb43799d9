"""The Gradio app: where everything is on the page, what it is wired to, and how it is served."""

from __future__ import annotations

import errno
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import gradio as gr
import httpx
from gradio.utils import get_space

from lift_app.errors import CallerError
from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.ui import api, security, uploads, words
from lift_app.ui.belongings import MOST_OPEN
from lift_app.ui.door import Door
from lift_app.ui.doorkeeper import keeper
from lift_app.ui.finder import finder_html
from lift_app.ui.learning import Learning
from lift_app.ui.report import recipe_choices
from lift_app.ui.room import Room
from lift_app.ui.routes import routes
from lift_app.ui.seat import Seat
from lift_app.ui.space_words import DUPLICATE
from lift_app.ui.talk import Talk
from lift_app.ui.theme import theme
from lift_app.ui.view import PARTS
from lift_app.visitors import House
from lift_app.visitors.house import within_limits

if TYPE_CHECKING:
    from lift_app.engine.sliced_access import Gpu

log = logging.getLogger(__name__)

BRIDGE = """(function connect() {
  if (window.liftPage) window.liftPage.connect((data) => trigger('act', data));
  else setTimeout(connect, 30);
})()"""
LEAF = """(function follow() {
  if (!window.liftLeaf) return setTimeout(follow, 30);
  window.liftLeaf.turned(element);
  watch('value', () => window.liftLeaf.turned(element));
})()"""
RECEIPT = """(function follow() {
  if (!window.liftPage) return setTimeout(follow, 30);
  window.liftPage.drawn(Number(props.value));
  watch('value', () => window.liftPage.drawn(Number(props.value)));
})()"""
INTERNAL: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_limit": None,
}
"""Events of the page itself: not part of the API, no spinner, no waiting for another window."""
MOST_WINDOWS = MOST_OPEN + 16
"""Windows that Gradio remembers, at half a MB each and more with a long chat; then it forgets those
unused for longest. Its own limit is 10,000, and a window that was closed counts until then. A few
more than a doorkeeper keeps open: who is to lose one is better known there."""

Parts = dict[str, Any]


def build(reader: Reader, door: Door | None = None) -> gr.Blocks:
    """The reading room over a Reader, and the API endpoints.

    Args:
        reader: what all shelves have in common: its settings and recipes.
        door: where requests find their shelf; by default all find the reader's.
    """
    door = door or Door(reader)
    # Uploads are deleted as soon as they are read; the sweep is for those that never got there.
    with gr.Blocks(
        title=words.APP, analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)
    ) as demo:
        seat = gr.State(Seat())
        parts: Parts = {}
        _html(
            _asset("bar.html").format(app=words.APP, theme=words.THEME, settings=words.SETTINGS),
            elem_id="bar",
        )
        parts["model"] = _html("", elem_id="model")
        bridge = _html("", elem_id="bridge", js_on_load=BRIDGE)
        with gr.Row(elem_id="room"):
            with gr.Column(elem_id="shelf-pane", elem_classes="pane"):
                _shelf(parts, door)
            with gr.Column(elem_id="book-pane", elem_classes="pane"):
                _book(parts, reader)
            with gr.Column(elem_id="chat-pane", elem_classes="pane"):
                _chat(parts, reader)
        _html(_panes(), elem_id="panes")
        clock = gr.Timer(1.0)
        parts["receipt"] = _html("", elem_id="receipt", js_on_load=RECEIPT)
        # The verbs come first, so that they get their own names and the page's events do not.
        api.expose(door)
        _wire(door, seat, parts, bridge, clock, demo)
    return demo


@contextmanager
def open_reader(
    settings: Settings, tell: Callable[[str], None], gpu: Gpu | None = None
) -> Iterator[Reader]:
    """The Reader of an app that is about to be served; its `settings` are those to serve it with.

    Args:
        settings: as wanted; those of a shared app get the limits of visitors.
        tell: called with a word of warning where others than this machine can reach the app.
        gpu: lends a GPU in slices, as on ZeroGPU.
    """
    if settings.shared:
        settings = within_limits(settings)
    if word := security.exposure(settings.host, shared=settings.shared):
        tell(word)
    with Reader(settings, preload=True, gpu=gpu) as reader:
        yield reader


def serve(
    reader: Reader,
    settings: Settings,
    *,
    open_browser: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the reading room until interrupted.

    Args:
        reader: of `open_reader`.
        settings: the reader's.
        open_browser: show the page in the reader's browser.
        on_ready: called with the page's address once it answers.

    Raises:
        CallerError: the port is taken or the address is not this machine's.
    """
    port = free_port(settings)
    waiting = uploads.keep()
    house = House(reader) if settings.shared else None
    door = Door(reader, house)
    security.fetch_nothing()
    demo = build(reader, door)
    _, url, _ = demo.launch(
        server_name=settings.host,
        server_port=port,
        prevent_thread_lock=True,
        inbrowser=open_browser,
        quiet=True,
        share=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        run_history=False,
        footer_links=[],
        allowed_paths=[],
        max_file_size=settings.max_file_mb * 2**20,
        enable_monitoring=False,
        state_session_capacity=MOST_WINDOWS,
        # Or a machine that is busy for three seconds is told to publish the app on the web.
        _frontend=False,
        app_kwargs={
            "middleware": security.middleware(settings.host)
            + ([] if house is None else [keeper(house, settings)]),
            "routes": routes(door),
        },
        favicon_path=str(files("lift_app.ui") / "favicon.svg"),
        theme=theme(),
        css=_style(),
        head=f"<script>{_asset('leaf.js')}{_asset('page.js')}</script>",
    )
    try:
        with nullcontext() if house is None else house.kept_tidy():
            # Gradio keeps its first answer for all, with the address that who asked had claimed.
            httpx.get(f"{url}gradio_api/info", trust_env=False, timeout=60).raise_for_status()
            # Only now: importing torch beside it, the page would come half a second later.
            reader.model_state()
            if on_ready is not None:
                on_ready(url)
            threading.Event().wait()
    except KeyboardInterrupt:
        log.info("interrupted")
    finally:
        demo.close(verbose=False)
        door.close()
        uploads.forget(waiting)


def free_port(settings: Settings) -> int:
    """The port to serve on; port 0 lets the system choose.

    Raises:
        CallerError: it is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES):
                text = words.PORT_TAKEN.format(
                    port=settings.port, host=settings.host, other=settings.port + 1
                )
                raise CallerError(text, code="port_taken") from None
            raise CallerError(words.HOST_UNKNOWN.format(host=settings.host)) from None
        return int(probe.getsockname()[1])


def _shelf(parts: Parts, door: Door) -> None:
    _html(f"<h2>{words.SHELF}</h2>")
    # Above the books: a long shelf must not push it out of sight.
    parts["drop"] = gr.File(
        label=words.ADD_BOOK, file_count="multiple", height=84, elem_id="drop", show_label=False
    )
    _html(f'<p class="quiet">{words.DROP_KINDS}</p>')
    if door.house is not None:
        _html(f'<p class="quiet" id="your-shelf">{door.limits()}</p>')
    if get_space() is not None:
        gr.DuplicateButton(DUPLICATE, elem_id="duplicate")
    parts["notice"] = _html("", elem_id="notice")
    parts["shelf"] = _html("", elem_id="shelf")


def _book(parts: Parts, reader: Reader) -> None:
    opening = f'<p class="quiet" role="status">{words.OPENING}</p>'
    parts["preferences"] = _html("", elem_id="preferences")
    parts["steps"] = _html("", elem_id="steps")
    parts["about"] = _html(opening, elem_id="about")
    parts["sample"] = gr.Button(
        words.SAMPLE, visible=False, elem_id="sample", size="md", variant="primary"
    )
    with gr.Accordion(words.HOW_THOROUGH, visible=False, elem_id="learn") as parts["learn"]:
        recipes = recipe_choices(reader.recipes(), {})
        names = [name for _, name in recipes]
        parts["recipe"] = gr.Radio(
            recipes,
            value=reader.settings.recipe if reader.settings.recipe in names else names[0],
            label=words.HOW_THOROUGH,
            show_label=False,
            elem_id="recipe",
        )
        parts["tasks"] = gr.Checkbox(
            value=False, label=words.TASKS, info=words.TASKS_NOTE, elem_id="tasks"
        )
        parts["learn_button"] = gr.Button(words.LEARN, variant="primary", elem_id="learn-button")
        parts["estimate"] = _html("", elem_id="estimate")
    parts["lift"] = _html("", elem_id="lift")
    with gr.Row(visible=False, elem_id="controls") as parts["controls"]:
        parts["pause"] = gr.Button(words.PAUSE, size="sm", elem_id="pause")
        parts["resume"] = gr.Button(words.RESUME, size="sm", elem_id="resume", visible=False)
        parts["cancel"] = gr.Button(words.CANCEL, size="sm", elem_id="cancel")
    with gr.Accordion(words.REMOVE, open=False, visible=False, elem_id="remove") as parts["remove"]:
        _html(f'<p class="quiet">{words.REMOVE_NOTE}</p>')
        parts["remove_yes"] = gr.Button(words.REMOVE_YES, variant="stop", size="sm")
    parts["compare"] = _html("", elem_id="compare")
    parts["finder"] = _html(finder_html(), elem_id="finder", visible=False)
    parts["found"] = _html("", elem_id="found")
    parts["leaf"] = _html("", elem_id="leaf", js_on_load=LEAF)
    parts["strip"] = _html("", elem_id="strip")


def _chat(parts: Parts, reader: Reader) -> None:
    _html(f"<h2>{words.ASK_THE_BOOK}</h2>")
    parts["chats"] = _html("", elem_id="chats")
    parts["chat"] = gr.Chatbot(
        elem_id="chat",
        show_label=False,
        label=words.ASK_THE_BOOK,
        height=None,
        placeholder=words.CHAT_EMPTY,
        buttons=[],
        feedback_options=None,
        latex_delimiters=[],
        render_markdown=False,
        sanitize_html=True,
        layout="panel",
        group_consecutive_messages=False,
    )
    parts["starters"] = _html("", elem_id="starters")
    with gr.Row(visible=False, elem_id="turns") as parts["turns"]:
        parts["again"] = gr.Button(words.AGAIN, size="sm", elem_id="again")
        parts["edit"] = gr.Button(words.EDIT, size="sm", elem_id="edit")
    with gr.Column(visible=False, elem_id="talk") as parts["talk"]:
        with gr.Row(elem_id="ask-row"):
            parts["question"] = gr.Textbox(
                label=words.QUESTION,
                placeholder=words.QUESTION_HINT,
                lines=1,
                max_lines=5,
                container=False,
                elem_id="question",
                scale=1,
            )
            parts["send"] = gr.Button(words.SEND, variant="primary", elem_id="send", scale=0)
            parts["stop"] = gr.Button(words.STOP, elem_id="stop", visible=False, scale=0)
        parts["arm"] = gr.Radio(
            [(words.ARMS["ICL"], "ICL")], value="ICL", label=words.ARM, elem_id="arm", visible=False
        )
        with gr.Row(elem_id="ask-how"):
            parts["evidence"] = gr.Checkbox(
                value=True, label=words.LOOK_UP, elem_id="evidence", scale=1, min_width=0
            )
            parts["ask_all"] = gr.Button(
                words.COMPARE, size="sm", elem_id="compare-button", scale=0, min_width=0
            )
        with gr.Accordion(words.STRENGTH, open=False, visible=False, elem_id="more") as more:
            parts["strength"] = gr.Slider(
                0,
                1,
                value=reader.settings.default_strength(evidence=True),
                step=0.05,
                label=words.STRENGTH,
                info=words.STRENGTH_NOTE,
                show_label=False,
                elem_id="strength",
            )
        parts["more"] = more


def _wire(
    door: Door, seat: gr.State, parts: Parts, bridge: gr.HTML, clock: gr.Timer, demo: gr.Blocks
) -> None:
    shown = [parts[name] for name in PARTS]
    demo.load(door.arrive, [seat], shown, **INTERNAL)
    # Not queued: a tick is a plain, short request, and never waits behind an answer.
    clock.tick(
        door.enter(Room.tick),
        [seat, parts["receipt"]],
        shown,
        js="(seat) => [seat, window.liftPage?.receipt() ?? '']",
        queue=False,
        **INTERNAL,
    )
    # Nor does a page that turns. A click is not dropped because an earlier one is under way.
    bridge.act(door.act, [seat], shown, queue=False, trigger_mode="multiple", **INTERNAL)

    added = [*shown, parts["notice"], parts["drop"]]
    parts["drop"].upload(door.enter(Room.add), [seat, parts["drop"]], added, **INTERNAL)
    parts["sample"].click(door.enter(Room.add_sample), [seat], added, **INTERNAL)
    parts["remove_yes"].click(door.enter(Room.remove), [seat], shown, **INTERNAL)

    # Where a GPU is lent in slices, the visitor who learns is the one who pays for it.
    slices = door.host.in_slices
    learn, resume = (Learning.learn, Learning.resume) if slices else (Room.learn, Room.resume)
    parts["learn_button"].click(
        door.enter(learn), [seat, parts["recipe"], parts["tasks"]], shown, **INTERNAL
    )
    parts["resume"].click(door.enter(resume), [seat], shown, **INTERNAL)
    for name in ("pause", "cancel"):
        parts[name].click(door.enter(getattr(Room, name)), [seat], shown, **INTERNAL)

    question = [parts[name] for name in ("question", "arm", "evidence", "strength")]
    answer = [parts[name] for name in ("chat", "question", "send", "stop", "compare", "receipt")]
    asked = [parts["question"].submit, parts["send"].click]
    gr.on(asked, door.enter_talk(Talk.ask), [seat, *question], answer, **INTERNAL)
    parts["again"].click(door.enter_talk(Talk.again), [seat, *question], answer, **INTERNAL)
    parts["edit"].click(door.enter_talk(Talk.edit), [seat], answer, **INTERNAL)
    parts["ask_all"].click(None, js="() => window.liftPage.show('book')", **INTERNAL)
    parts["ask_all"].click(door.enter_talk(Talk.compare), [seat, *question], answer, **INTERNAL)
    parts["stop"].click(door.enter_talk(Talk.stop), [seat], queue=False, **INTERNAL)


def _panes() -> str:
    """The tabs of a phone; hidden where all three panes fit."""
    tabs = "".join(
        f'<button type="button" data-act="pane" data-pane="{pane}"'
        f"{' aria-current' if pane == 'book' else ''}>{name}</button>"
        for pane, name in (("shelf", words.SHELF), ("book", words.BOOK), ("chat", words.ASK))
    )
    spoken = f'<p id="spoken" role="status" data-copied="{words.COPIED}"></p>'
    return f'<nav class="tabs" aria-label="{words.PANES}">{tabs}</nav>{spoken}'


def _html(value: str, **options: Any) -> gr.HTML:
    """HTML of ours: no styles of Gradio's, and no event a click."""
    return gr.HTML(value, apply_default_css=False, **{"js_on_load": None, **options})


def _style() -> str:
    """The style sheet, with the words that only a style sheet can put on Gradio's drop zone."""
    return f":root {{ --drop-words: {json.dumps(words.DROP)}; }}\n{_asset('style.css')}"


def _asset(name: str) -> str:
    return (files("lift_app.ui") / name).read_text(encoding="utf-8")
