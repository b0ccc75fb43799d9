"""The memory strip: the whole book under the page, how well it is known, what an answer saw of it.

One cell a segment, the stronger the better known. Below the cells stands what was in the context
of an answer (head, tail, passages); everything else of it can only have come from the adapter.
"""

from __future__ import annotations

from typing import Any

from lift_app.ui import words
from lift_app.ui.security import escape

CELLS = 160
"""Most cells of a strip; beyond that, several segments share one."""
WELL_KNOWN = 0.35
"""Share of the first loss at which a segment's cell is as strong as it gets."""
LEAST = 0.4
"""Percent of the strip that the smallest mark is wide, to be seen at all."""


def strip_html(
    book: dict[str, Any], ribbon: dict[str, Any], page: int, answer: dict[str, Any] | None
) -> str:
    """The strip.

    Args:
        book: what `Reader.show` gives.
        ribbon: what `Reader.ribbon` gives.
        page: the page that is open, 1-based.
        answer: the answer whose context is shown, as it was given.
    """
    cells = list(ribbon["cells"])
    if not cells:
        return ""
    group = -(-len(cells) // CELLS)
    groups = [cells[at : at + group] for at in range(0, len(cells), group)]
    ends = [part[0]["start"] for part in groups[1:]] + [1.0]
    known = sum(1 for cell in cells if cell["loss"] is not None)
    here = _at(groups, page)
    buttons = "".join(
        _cell(book, ribbon, part, end, index, index == here)
        for index, (part, end) in enumerate(zip(groups, ends, strict=True))
    )
    label = (
        words.STRIP_LABEL.format(known=known, total=len(cells)) if known else words.STRIP_UNKNOWN
    )
    return (
        f'<section class="strip" aria-label="{escape(words.STRIP)}">'
        f'<div class="cells" role="toolbar" aria-label="{escape(label)}">{buttons}</div>'
        f'<div class="seen" aria-hidden="true">{_seen(ribbon, answer)}{_place(ribbon, page)}</div>'
        f"{_legend(book, ribbon, known, answer)}</section>"
    )


def knownness(loss: float, worst: float) -> float:
    """0 for a segment as surprising as at the start, 1 from `WELL_KNOWN` of that downwards."""
    if worst <= 0:
        return 1.0
    return min(1.0, max(0.0, (1 - loss / worst) / (1 - WELL_KNOWN)))


def _at(groups: list[list[dict[str, Any]]], page: int) -> int:
    """The cell in which a page begins."""
    found = [index for index, part in enumerate(groups) if part[0]["page"] <= page]
    return found[-1] if found else 0


def _cell(
    book: dict[str, Any],
    ribbon: dict[str, Any],
    part: list[dict[str, Any]],
    end: float,
    index: int,
    current: bool,
) -> str:
    first, last = part[0], part[-1]
    labels = ribbon["labels"]
    pages = words.page_range(labels[first["page"] - 1], labels[last["last_page"] - 1])
    chapter = _chapter(book, first["page"])
    losses = [cell["loss"] for cell in part if cell["loss"] is not None]
    said, kind, strength = words.CELL_UNKNOWN, "", ""
    worst = ribbon.get("worst")
    if losses and worst:
        loss = sum(losses) / len(losses)
        share = knownness(loss, worst)
        said = words.CELL_KNOWN.format(percent=round(100 * share), loss=f"{loss:.2f}")
        kind, strength = " k", f"--k:{share:.2f};"
    title = " · ".join(text for text in (chapter, pages, said) if text)
    here = ' aria-current="true"' if current else ""
    return (
        f'<button type="button" class="cell{kind}" data-act="turn" data-page="{first["page"]}" '
        f'data-cell="{index}" style="{strength}flex-grow:{max(end - first["start"], 1e-6):.6f}" '
        f'title="{escape(title)}" aria-label="{escape(title)}" '
        f'tabindex="{0 if current else -1}"{here}></button>'
    )


def _chapter(book: dict[str, Any], page: int) -> str:
    titles = [str(c["title"]) for c in book.get("chapters") or [] if int(c["page"]) <= page]
    return titles[-1] if titles else ""


def _share(ribbon: dict[str, Any], page: int, offset: int) -> float:
    pages = ribbon["pages"]
    start = pages[min(max(page, 1), len(pages)) - 1] if pages else 0.0
    return min(1.0, float(start + offset / max(1, ribbon["characters"])))


def _seen(ribbon: dict[str, Any], answer: dict[str, Any] | None) -> str:
    """Bands of what stood in the context, and pins where the answer is cited."""
    if answer is None:
        return ""
    total = max(1, int(ribbon.get("tokens") or 0))
    context = answer.get("context") or {}
    head, tail = (min(1.0, int(context.get(part) or 0) / total) for part in ("head", "tail"))
    bands = [("head", 0.0, head)] if head else []
    bands += [("tail", 1 - tail, 1.0)] if tail else []
    bands += [
        (
            "evidence",
            _share(ribbon, int(piece["page"]), int(piece["start"])),
            _share(ribbon, int(piece["page"]), int(piece["end"])),
        )
        for piece in answer.get("evidence") or []
    ]
    pins = [
        _share(ribbon, int(c["page"]), (int(c["start"]) + int(c["end"])) // 2)
        for c in answer.get("citations") or []
    ]
    return "".join(
        f'<i class="{kind}" style="left:{100 * start:.2f}%;'
        f'width:{max(LEAST, 100 * (end - start)):.2f}%"></i>'
        for kind, start, end in bands
    ) + "".join(f'<i class="pin" style="left:{100 * at:.2f}%"></i>' for at in pins)


def _place(ribbon: dict[str, Any], page: int) -> str:
    return f'<i class="place" style="left:{100 * _share(ribbon, page, 0):.2f}%"></i>'


def _legend(
    book: dict[str, Any], ribbon: dict[str, Any], known: int, answer: dict[str, Any] | None
) -> str:
    """What the colours say, and what the answer saw, in words."""
    left = words.STRIP_STRONGER if known else words.STRIP_UNKNOWN
    if (strength := ribbon.get("strength")) is not None:
        guarded = words.STRIP_GUARDED if strength else words.STRIP_LEFT_OUT
        left += guarded.format(strength=strength)
    if answer is None:
        return f'<p class="legend"><span>{escape(left)}</span></p>'
    context = answer.get("context") or {}
    saw = {part: int(context.get(part) or 0) for part in ("head", "tail", "evidence")}
    total = max(1, int(ribbon.get("tokens") or 0))
    names = {"head": words.SAW_HEAD, "tail": words.SAW_TAIL, "evidence": words.SAW_EVIDENCE}
    keys = "".join(
        f'<span class="key {part}">{escape(names[part])}</span>' for part in saw if saw[part]
    )
    if answer.get("citations"):
        keys += f'<span class="key pin">{escape(words.SAW_CITED)}</span>'
    share = min(1.0, sum(saw.values()) / total)
    remembers = bool(answer.get("adapter"))
    if any(saw.values()):
        said = words.ANSWER_SAW_REST if remembers else words.ANSWER_SAW
    else:
        said = words.ANSWER_MEMORY if remembers else words.ANSWER_SAW_NOTHING
    text = said.format(percent=words.percent(share))
    return (
        f'<p class="legend"><span class="answer">{escape(text)}</span>{keys}'
        f"<span>{escape(left)}</span></p>"
    )
