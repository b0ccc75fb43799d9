"""The memory strip: cells in place and strength, and what an answer saw."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_app.ui import words
from lift_app.ui.strip import CELLS, knownness, strip_html

BOOK = {
    "id": "b",
    "pages": 4,
    "chapters": [{"title": "The <Keeper>", "page": 1}, {"title": "The Storm", "page": 3}],
}


def ribbon(losses: list[float | None], **changes: Any) -> dict[str, Any]:
    count = len(losses)
    cells = [
        {
            "start": index / count,
            "page": 1 + 4 * index // count,
            "last_page": 1 + 4 * index // count,
            "before": None,
            "loss": loss,
        }
        for index, loss in enumerate(losses)
    ]
    known = [loss for loss in losses if loss is not None]
    return {
        "cells": cells,
        "worst": 4.0 if known else None,
        "pages": [0.0, 0.25, 0.5, 0.75],
        "labels": ["i", "ii", "1", "2"],
        "characters": 1000,
        "tokens": 200,
        "exact": True,
        **changes,
    }


def answer(**changes: Any) -> dict[str, Any]:
    return {
        "context": {"head": 20, "tail": 10, "evidence": 4, "question": 9},
        "evidence": [{"page": 3, "start": 50, "end": 100, "text": "x"}],
        "citations": [{"page": 4, "start": 0, "end": 50}],
        "adapter": "k",
        **changes,
    }


def test_a_cell_goes_to_its_page_and_tells_where_it_is() -> None:
    html = strip_html(BOOK, ribbon([4.0, 1.0, None, 2.7]), 1, None)
    cells = re.findall(r"<button[^>]*>", html)
    assert [re.search(r'data-page="(\d)"', cell)[1] for cell in cells] == ["1", "2", "3", "4"]
    assert "The &lt;Keeper&gt; · p. i · known 0 % (loss 4.00)" in cells[0]
    assert "The &lt;Keeper&gt; · p. ii · known 100 % (loss 1.00)" in cells[1]
    assert "The Storm · p. 1 · not learned" in cells[2]
    assert "--k:0.50" in cells[3]


def test_the_strip_is_one_stop_for_the_tab_key_at_the_open_page() -> None:
    html = strip_html(BOOK, ribbon([None] * 8), 3, None)
    stops = re.findall(r'data-page="(\d)"[^>]*tabindex="0" aria-current="true"', html)
    assert stops == ["3"]
    assert html.count('tabindex="-1"') == 7
    assert words.STRIP_UNKNOWN in html


def test_many_segments_share_cells() -> None:
    html = strip_html(BOOK, ribbon([1.0] * 1477), 1, None)
    assert html.count("<button") <= CELLS
    widths = [float(width) for width in re.findall(r"flex-grow:([\d.]+)", html)]
    assert sum(widths) == pytest.approx(1.0, abs=1e-3)


def test_what_an_answer_saw_stands_in_its_place() -> None:
    html = strip_html(BOOK, ribbon([1.0] * 4), 2, answer())
    assert '<i class="head" style="left:0.00%;width:10.00%">' in html
    assert '<i class="tail" style="left:95.00%;width:5.00%">' in html
    assert '<i class="evidence" style="left:55.00%;width:5.00%">' in html
    assert '<i class="pin" style="left:77.50%">' in html
    assert '<i class="place" style="left:25.00%">' in html
    assert "The answer saw 17 % of the book; the rest can only come from memory." in html


def test_an_answer_from_memory_says_so_and_one_without_it_claims_none() -> None:
    nothing = {"head": 0, "tail": 0, "evidence": 0, "question": 9}
    memory = strip_html(BOOK, ribbon([1.0]), 1, answer(context=nothing, evidence=[], citations=[]))
    assert words.ANSWER_MEMORY in memory
    assert 'class="head"' not in memory and 'class="pin"' not in memory
    plain = strip_html(BOOK, ribbon([1.0]), 1, answer(adapter=None))
    assert "memory" not in plain
    declined = answer(context=nothing, evidence=[], citations=[], adapter=None)
    assert words.ANSWER_SAW_NOTHING in strip_html(BOOK, ribbon([1.0]), 1, declined)


def test_a_book_without_cells_has_no_strip() -> None:
    assert strip_html(BOOK, ribbon([]), 1, None) == ""


@given(st.floats(0, 20), st.floats(0, 20))
def test_knownness_is_a_share(loss: float, worst: float) -> None:
    assert 0.0 <= knownness(loss, worst) <= 1.0


def test_the_strip_says_what_the_guard_lets_answers_use() -> None:
    plain, used, not_used = (
        strip_html(BOOK, ribbon([1.0] * 4, strength=strength), 1, None)
        for strength in (None, 0.3, 0.0)
    )
    assert words.STRIP_GUARDED.format(strength=0.3) in used
    assert words.STRIP_LEFT_OUT in not_used
    assert "strength" not in plain
