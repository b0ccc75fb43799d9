"""A conversation as Markdown, with its citations: to keep, to send, to print."""

from __future__ import annotations

import re
from typing import Any

from lift_app.ui import words

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")


def transcript(book: dict[str, Any], chat: dict[str, Any], messages: list[dict[str, Any]]) -> str:
    """The whole conversation.

    Args:
        book: what `Reader.show` gives.
        chat: its `title` and `created`.
        messages: what `Reader.messages` gives.
    """
    author = f", {book['author']}" if book.get("author") else ""
    lines = [
        f"# {_plain(chat.get('title') or words.UNTITLED)}",
        f"*{_plain(book['title'])}*{_plain(author)} · {str(chat.get('created') or '')[:10]}",
    ]
    for message in messages:
        if message["role"] == "user":
            lines.append(f"## {_plain(message['content'])}")
            continue
        answer = message.get("answer") or {}
        marks = "".join(f"[^{number}]" for number in _numbers(answer, lines))
        lines.append(f"{_plain(message['content'])}{marks}")
        lines += [
            f"[^{number}]: “{_plain(one['quote'])}” ({_plain(_source(one))})"
            for number, one in zip(
                _numbers(answer, lines[:-1]), answer.get("citations") or [], strict=True
            )
        ]
        if answer.get("arm"):
            lines.append(f"<small>{_plain(words.ARMS.get(answer['arm'], answer['arm']))}</small>")
    return "\n\n".join(lines) + "\n"


def file_name(chat: dict[str, Any]) -> str:
    """A name for the file: the letters of the title."""
    name = re.sub(r"\W+", "-", str(chat.get("title") or words.UNTITLED)).strip("-")
    return f"{name[:60] or 'chat'}.md"


def _numbers(answer: dict[str, Any], before: list[str]) -> range:
    """Numbers of an answer's notes: they go on through the whole conversation."""
    first = 1 + sum(line.startswith("[^") for line in before)
    return range(first, first + len(answer.get("citations") or []))


def _source(citation: dict[str, Any]) -> str:
    return words.source(citation.get("page_label") or citation["page"], citation.get("chapter"))


def _plain(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))
