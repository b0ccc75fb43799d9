"""The conversation: messages as safe HTML, citations that can be clicked, and the chosen arm.

`gr.Chatbot` shows what it is given as HTML after sanitising, so every text is escaped here first
and the only markup is ours. A citation is a link `#cite-PAGE-START-END`, which `page.js` turns
into an event: the sanitiser keeps links and classes, but no data attributes.
"""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.seat import Mark
from lift_app.ui.security import escape

_CITE = "#cite-"
DEFAULT_ARM = "LIFT+ICL"
PLAIN_ARM = "ICL"

Message = dict[str, Any]


def arms_of(book: dict[str, Any] | None, status: dict[str, Any]) -> list[str]:
    """Arms that can be asked now: those with an adapter need one, finished or growing."""
    if book is not None and (book.get("learned") or _growing(status)):
        return list(words.ARMS)
    return [PLAIN_ARM]


def arm_note(status: dict[str, Any]) -> str:
    """That what was learned is not complete yet."""
    return words.ARM_PARTIAL if _growing(status) else ""


def _growing(status: dict[str, Any]) -> bool:
    return status.get("state") == "running" and bool(status.get("step"))


def messages_html(messages: list[Message]) -> list[Message]:
    """What `Reader.messages` gives, as `gr.Chatbot` takes it."""
    return [
        user(message["content"])
        if message["role"] == "user"
        else assistant(message["content"], message.get("answer"), number)
        for number, message in enumerate(messages)
    ]


def user(text: str) -> Message:
    """A question."""
    return {"role": "user", "content": f'<div class="said">{escape(text)}</div>'}


def assistant(text: str, answer: dict[str, Any] | None, number: int | None = None) -> Message:
    """An answer; with its citations and figures once it is complete.

    Args:
        text: what was said.
        answer: all that came with it; None while it is being written.
        number: of the message in its chat, for the link that shows what it saw.
    """
    html = f'<div class="said">{escape(text)}</div>'
    if answer is not None:
        html += citations_html(answer) + _figures(answer, number)
    return {"role": "assistant", "content": html}


def waiting(text: str) -> Message:
    """What stands in the answer's place before its first word."""
    return {"role": "assistant", "content": f'<div class="waiting">{escape(text)}</div>'}


def trouble(text: str) -> Message:
    """A problem, told in the answer's place."""
    return {"role": "assistant", "content": f'<div class="trouble">{escape(text)}</div>'}


def mark_of(reference: str) -> Mark | None:
    """The inverse of a citation's link; None for anything else."""
    mark = Mark.parse(reference[len(_CITE) :]) if reference.startswith(_CITE) else None
    return mark if mark is not None and len(mark.spans) == 1 else None


def chats_html(chats: list[dict[str, Any]], current: str | None) -> str:
    """The conversations about the book, and what can be done with the open one.

    Args:
        chats: newest first.
        current: the open one; None for one that has no question yet.
    """
    items = "".join(_chat(chat, chat["id"] == current) for chat in chats)
    listed = ""
    if chats:
        label = words.count(len(chats), words.CHAT_ONE, words.CHAT_MANY)
        listed = (
            f'<details class="chats"><summary>{escape(label)}</summary><ul>{items}</ul></details>'
        )
    tools = ""
    if current is not None:
        address = f"chats/{escape(current)}.md"
        tools = (
            f'<button type="button" data-act="new">{escape(words.NEW_CHAT)}</button>'
            f'<a href="{address}" download>{escape(words.EXPORT)}</a>'
            f'<button type="button" data-act="drop">{escape(words.DELETE_CHAT)}</button>'
        )
    return f'<div class="talks">{listed}<div class="tools">{tools}</div></div>'


def starters_html(questions: list[str]) -> str:
    """First questions as buttons; `page.js` asks them."""
    items = "".join(
        f'<li><button type="button" data-act="start">{escape(question)}</button></li>'
        for question in questions
    )
    if not items:
        return ""
    return f'<p class="quiet">{escape(words.STARTERS)}</p><ul class="starters">{items}</ul>'


def _chat(chat: dict[str, Any], current: bool) -> str:
    here = ' aria-current="true"' if current else ""
    return (
        f'<li><button type="button" data-act="chat" data-chat="{escape(chat["id"])}"{here}>'
        f"{escape(chat.get('title') or words.UNTITLED)}</button></li>"
    )


def citations_html(answer: dict[str, Any]) -> str:
    """The quotes of an answer as links, or that there is none."""
    citations = answer.get("citations") or []
    if not citations:
        if not answer.get("supported", True):
            return ""  # the answer says itself that the book does not
        return f'<p class="quiet">{escape(words.NO_CITATION)}</p>'
    items = "".join(_citation(number, c) for number, c in enumerate(citations, start=1))
    return f'<ol class="cites">{items}</ol>'


def _citation(number: int, citation: dict[str, Any]) -> str:
    place = Mark(int(citation["page"]), ((int(citation["start"]), int(citation["end"])),))
    label = citation.get("page_label") or citation["page"]
    return (
        f'<li><a class="cite" href="{_CITE}{place.reference}">'
        f'<b>{number}</b><span class="quote">“{escape(citation["quote"])}”</span>'
        f'<span class="source">{escape(words.source(label, citation.get("chapter")))}</span>'
        "</a></li>"
    )


def _figures(answer: dict[str, Any], number: int | None) -> str:
    """The small line under an answer: arm, how much of the book it saw, and how fast it was."""
    context, timing = answer.get("context") or {}, answer.get("timing") or {}
    saw = sum(int(context.get(part) or 0) for part in ("head", "tail", "evidence"))
    parts = [
        words.ARMS.get(str(answer.get("arm")), str(answer.get("arm"))),
        words.SAW.format(tokens=words.whole(saw)) if saw else words.SAW_NOTHING,
    ]
    if timing.get("first_token_seconds") is not None:
        seconds = words.short_seconds(float(timing["first_token_seconds"]))
        parts.append(words.FIRST_WORD.format(time=seconds))
    if timing.get("tokens_per_second"):
        parts.append(words.SPOKEN.format(speed=words.whole(float(timing["tokens_per_second"]))))
    if answer.get("notice"):
        parts.append(str(answer["notice"]))
    figures = [escape(part) for part in parts]
    if number is not None:
        figures[1] = f'<a class="saw" href="#saw-{number}">{figures[1]}</a>'
        figures.append(f'<a class="copy" href="#copy-{number}">{escape(words.COPY)}</a>')
    return f'<p class="figures">{" · ".join(figures)}</p>'
