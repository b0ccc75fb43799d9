"""The report: what a reader should know about a book before asking or learning."""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.security import escape


def welcome_html() -> str:
    """What the middle shows while the shelf is empty."""
    steps = "".join(
        f"<li><b>{escape(name)}</b><span>{escape(text)}</span></li>"
        for name, text in words.WELCOME_STEPS
    )
    return (
        f'<section class="welcome"><h2>{escape(words.WELCOME_TITLE)}</h2>'
        f"<p>{escape(words.WELCOME)}</p><ol>{steps}</ol>"
        f'<p class="quiet">{escape(words.WELCOME_SAMPLE)}</p></section>'
    )


def report_html(book: dict[str, Any], *, opened: bool = True) -> str:
    """Title, numbers, and what was found in the file.

    Args:
        book: what `Reader.show` gives; missing entries are left out.
        opened: with numbers and findings; without, the title alone leaves its place to the page.
    """
    report = book.get("report") or {}
    pages = int(book.get("pages") or report.get("pages") or 0)
    tokens = words.count(int(book.get("tokens") or 0), "token", words.TOKENS)
    if not book.get("tokens_exact", True):
        tokens = f"about {tokens}"
    facts = [
        words.count(pages, words.PAGE_ONE, words.PAGES),
        words.count(int(book.get("words") or 0), "word", words.WORDS),
        tokens,
    ]
    author = f'<p class="author">{escape(words.BY.format(author=book["author"]))}</p>'
    about = f'<p class="facts">{escape(" · ".join(facts))}</p>{_found(report)}'
    return (
        f'<header class="about{"" if opened else " small"}"><div class="title">'
        f"<div><h2>{escape(book['title'])}</h2>{author if book.get('author') else ''}</div>"
        f'<button type="button" class="desk" data-act="desk" '
        f'aria-expanded="{"true" if opened else "false"}">{escape(words.DESK)}</button></div>'
        f"{about if opened else ''}</header>"
    )


def estimate_html(report: dict[str, Any]) -> str:
    """How long learning would take, and why the program thinks so."""
    minutes = report.get("estimated_minutes")
    if minutes is None:
        return ""
    text = words.ESTIMATE.format(time=words.duration(60 * float(minutes)))
    reason = report.get("estimate_reason")
    sentence = f"{reason[0].upper()}{reason[1:].rstrip('.')}." if reason else ""
    why = f' <span class="quiet">{escape(sentence)}</span>' if reason else ""
    meanwhile = f'<p class="quiet">{escape(words.ASK_MEANWHILE)}</p>'
    return f'<p class="estimate">{escape(text)}{why}</p>{meanwhile}'


def _found(report: dict[str, Any]) -> str:
    blank = list(report.get("pages_without_text") or [])
    dropped, warnings = list(report.get("dropped") or []), list(report.get("warnings") or [])
    kind = str(report.get("format") or "")
    rows = [
        (words.FORMAT, escape(words.FORMATS.get(kind, kind))),
        (words.LANGUAGE, escape(report.get("language") or "")),
        (words.ENCODING, escape(report.get("encoding") or "")),
        (
            words.WITHOUT_TEXT,
            escape(f"{len(blank)}: {words.ranges(blank)}" if blank else words.WITHOUT_TEXT_NONE),
        ),
        (words.LEFT_OUT, _lines(dropped)),
        (words.WORTH_KNOWING, _lines(warnings)),
        (words.READ_IN, escape(words.short_seconds(float(report.get("seconds") or 0.0)))),
    ]
    body = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows if value)
    # Something a reader should see is not hidden behind a click.
    opened = " open" if warnings or blank else ""
    return f"<details{opened}><summary>{escape(words.FOUND)}</summary><dl>{body}</dl></details>"


def _lines(sentences: list[str]) -> str:
    return "<br>".join(escape(sentence) for sentence in sentences)
