"""The report: what a reader should know about a book before asking or learning."""

from __future__ import annotations

from typing import Any

from lift_app.ui import space_words, words
from lift_app.ui.languages import LANGUAGES
from lift_app.ui.security import escape


def welcome_html(*, in_slices: bool = False) -> str:
    """What the middle shows while the shelf is empty.

    Args:
        in_slices: a book is learned only while the page is open.
    """
    steps = "".join(
        f"<li><b>{escape(name)}</b><span>{escape(text)}</span></li>"
        for name, text in (
            space_words.WELCOME_STEPS_IN_SLICES if in_slices else words.WELCOME_STEPS
        )
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
    tokens = words.count(int(book.get("tokens") or 0), words.TOKEN_ONE, words.TOKENS)
    if not book.get("tokens_exact", True):
        tokens = words.ABOUT.format(number=tokens)
    facts = [
        _language(report),
        words.count(pages, words.PAGE_ONE, words.PAGES),
        words.count(int(book.get("words") or 0), words.WORD_ONE, words.WORDS),
        tokens,
    ]
    author = f'<p class="author">{escape(words.BY.format(author=book["author"]))}</p>'
    about = (
        f'<p class="facts">{escape(" · ".join(fact for fact in facts if fact))}</p>{_found(report)}'
    )
    return (
        f'<header class="about{"" if opened else " small"}"><div class="title">'
        f"<div><h2>{escape(book['title'])}</h2>{author if book.get('author') else ''}</div>"
        f'<button type="button" class="desk" data-act="desk" '
        f'aria-expanded="{"true" if opened else "false"}">{escape(words.DESK)}</button></div>'
        f"{about if opened else ''}</header>"
    )


def recipe_choices(recipes: list[dict[str, Any]], report: dict[str, Any]) -> list[tuple[str, str]]:
    """(label, name) of each recipe: its name and minutes, then what it does on a line of its own.

    Args:
        recipes: what `Reader.recipes` gives.
        report: of the open book.
    """
    minutes = report.get("minutes_by_recipe") or {}
    choices = []
    for recipe in recipes:
        name = str(recipe["name"])
        if name not in words.RECIPES:
            continue
        head = words.RECIPES[name]
        if name in minutes:
            time = words.duration(60 * float(minutes[name]))
            head = words.RECIPE_TAKES.format(name=head, time=time)
        does = str(recipe.get("reason") or "")
        if name == report.get("suggested_recipe"):
            does = words.RECIPE_SUGGESTED.format(does=does)
        choices.append((f"{head}\n{does}".strip(), name))
    return choices


def estimate_html(report: dict[str, Any]) -> str:
    """What learning needs, why the program thinks so, and that asking need not wait for it."""
    reason = str(report.get("estimate_reason") or "").rstrip(".")
    parts = [f"{reason[0].upper()}{reason[1:]}." if reason else ""]
    if report.get("memory_gb"):
        parts.append(words.MEMORY.format(size=words.size(1e9 * float(report["memory_gb"]))))
    why = " ".join(part for part in parts if part)
    return (
        f'<p class="estimate quiet">{escape(why)}</p>'
        f'<p class="quiet">{escape(words.ASK_MEANWHILE)}</p>'
    )


def _found(report: dict[str, Any]) -> str:
    blank = list(report.get("pages_without_text") or [])
    dropped, warnings = list(report.get("dropped") or []), list(report.get("warnings") or [])
    kind = str(report.get("format") or "")
    rows = [
        (words.FORMAT, escape(words.FORMATS.get(kind, kind))),
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


def _language(report: dict[str, Any]) -> str:
    code = str(report.get("language") or "")
    return LANGUAGES.get(code.split("-")[0].lower(), code)


def _lines(sentences: list[str]) -> str:
    return "<br>".join(escape(sentence) for sentence in sentences)
