"""What becomes HTML: escaped, marked at the right place, said as people say it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_app.ui import chat, words
from lift_app.ui.lift_view import lift_html, line_html, progress_line
from lift_app.ui.page_view import page_html, text_html
from lift_app.ui.report import report_html
from lift_app.ui.seat import Mark
from lift_app.ui.security import escape
from lift_app.ui.shelf import percent_of, shelf_html, state_of

EVIL = "<img src=x onerror=alert(1)>\" onclick='x' `${1}` {{7}} &amp;"


class Reading(HTMLParser):
    """Collects tags, attribute names and the text of marks."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.marked = self.text = ""
        self._in_mark = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self._in_mark = self._in_mark or tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self._in_mark = self._in_mark and tag != "mark"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_mark:
            self.marked += data


def book(**changes: object) -> dict:
    return {"id": "ab" * 32, "title": "T", "pages": 3, "words": 10, "tokens": 13, **changes}


def answer(**changes: object) -> dict:
    citation = {
        "page": 2,
        "page_label": "ii",
        "chapter": EVIL,
        "quote": EVIL,
        "start": 4,
        "end": 9,
    }
    context = {"head": 100, "tail": 50, "evidence": 25, "question": 7}
    timing = {"first_token_seconds": 0.41, "tokens_per_second": 18.2}
    made = {"answer": EVIL, "arm": "ICL", "citations": [citation], "context": context}
    return {**made, "timing": timing, "supported": True, **changes}


@pytest.mark.parametrize(
    "html",
    [
        shelf_html([book(title=EVIL, id=EVIL, learned=False, job=None)], None),
        report_html(
            book(
                title=EVIL,
                author=EVIL,
                report={"format": EVIL, "encoding": EVIL, "dropped": [EVIL], "warnings": [EVIL]},
            )
        ),
        page_html(
            book(chapters=[{"title": EVIL, "page": 1}] * 2),
            {"number": 1, "pages": 2, "label": EVIL, "chapter": EVIL, "text": EVIL},
            Mark(1, ((3, 8),)),
        ),
        chat.user(EVIL)["content"],
        chat.assistant(EVIL, answer())["content"],
        chat.trouble(EVIL)["content"],
        chat.chats_html([{"id": EVIL, "title": EVIL}], None),
        lift_html({"state": "failed", "error": {"message": EVIL}}),
    ],
)
def test_untrusted_text_never_becomes_markup(html: str) -> None:
    reading = Reading(html)
    assert "img" not in reading.tags
    assert not {"onerror", "onclick"} & reading.attributes
    assert "<img src=x onerror=alert(1)>" in reading.text + html.replace("&lt;", "<").replace(
        "&gt;", ">"
    )


def test_lone_surrogates_can_travel() -> None:
    assert escape("a\ud800b").encode("utf-8") == b"a?b"


@given(st.text(alphabet="ab <&\n\t\u00e9\u4e2d\U0001f600", max_size=80), st.data())
def test_the_marked_text_is_the_quote(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    html = text_html(text, Mark(1, ((start, end),)))
    # White space between paragraphs is layout, not text.
    squeezed = re.sub(r"\s+", "", text[start:end])
    assert re.sub(r"\s+", "", Reading(html).marked) == squeezed


def test_a_mark_of_another_page_marks_nothing() -> None:
    page = {"number": 1, "pages": 2, "label": "1", "chapter": None, "text": "Some text."}
    assert "<mark" not in page_html(book(), page, Mark(2, ((0, 4),)))


def test_verse_keeps_its_lines_and_prose_does_not() -> None:
    verse = "Tyger tyger\nburning bright\nin the forests"
    prose = "A long line of prose that fills the measure of a page.\n" * 3
    assert '<p class="lines">' in text_html(verse, None)
    assert "lines" not in text_html(prose.strip(), None)


def test_a_page_without_text_says_so() -> None:
    assert words.NO_TEXT in text_html(" \n", None)


def test_progress_is_said_in_plain_words() -> None:
    status = {
        "state": "running",
        "stage": "training",
        "step": 212,
        "steps": 573,
        "tokens_per_second": 1930.4,
        "eta_seconds": 655,
    }
    line = progress_line(status)
    assert line == "learning · 36 % · step 212 of 573 · 1,930 tokens/s · 11 min left"
    assert progress_line({**status, "state": "paused"}) == "paused · 36 % · step 212 of 573"
    assert progress_line({**status, "wanted": "pause"}).startswith("pausing after this step")


def test_a_book_that_was_never_lifted_has_no_lift_view() -> None:
    assert lift_html({}) == line_html({}) == ""


def test_a_lift_beside_the_page_is_one_line() -> None:
    html = line_html({"state": "running", "stage": "training", "step": 1, "steps": 4})
    assert "learning · 25 % · step 1 of 4" in html
    assert line_html({"state": "done"}) == ""


def test_an_answer_of_a_chat_links_to_what_it_saw() -> None:
    said = {"role": "assistant", "content": "Yes.", "answer": answer()}
    [_, message] = chat.messages_html([{"role": "user", "content": "?"}, said])
    assert '<a class="saw" href="#saw-1">saw 175 tokens of the book</a>' in message["content"]


@pytest.mark.parametrize(
    ("job", "learned", "said"),
    [
        (None, False, "not learned"),
        ({"state": "running", "step": 37, "steps": 100}, False, "learning 37 %"),
        ({"state": "paused", "step": 1, "steps": 2}, False, "paused at 50 %"),
        ({"state": "queued", "step": 0, "steps": 0}, False, "waiting for its turn"),
        ({"state": "failed"}, False, "stopped by a problem"),
        ({"state": "failed"}, True, "learned"),
        (None, True, "learned"),
    ],
)
def test_a_spine_says_its_state(job: dict | None, learned: bool, said: str) -> None:
    assert state_of(book(job=job, learned=learned))[1] == said


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_only_a_finished_lift_is_at_100_percent(step: int, steps: int) -> None:
    assert (percent_of({"step": step, "steps": steps}) == 100) == (step >= steps)


@given(st.integers(1, 10**8), st.integers(0, 10**8), st.integers(0, 10**8))
def test_a_citation_link_leads_back_to_its_place(page: int, start: int, end: int) -> None:
    made = answer(citations=[{"page": page, "start": start, "end": end, "quote": "q"}])
    link = re.search(r'href="([^"]+)"', chat.assistant("x", made)["content"])
    assert link is not None
    assert chat.mark_of(link.group(1)) == Mark(page, ((start, end),))


@pytest.mark.parametrize("reference", ["", "#cite-1-2", "javascript:x", "#cite-1-2-3-4", "cite--1"])
def test_any_other_link_is_no_citation(reference: str) -> None:
    assert chat.mark_of(reference) is None


def test_an_answer_names_its_source_arm_and_what_it_saw() -> None:
    html = chat.assistant("Yes.", answer(citations=[], arm="LIFT_only"))["content"]
    assert words.NO_CITATION in html
    assert "from memory (LIFT_only) · saw 175 tokens of the book · first word after 0.4 s" in html
    doubtful = chat.assistant("Hm.", answer(supported=False, citations=[]))["content"]
    assert words.NO_CITATION not in doubtful  # it says itself that the book does not tell


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (2, "a few seconds"),
        (38, "40 s"),
        (57, "1 min"),
        (655, "11 min"),
        (7900, "2 h 10 min"),
        (7200, "2 h"),
    ],
)
def test_times_as_people_say_them(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_page_ranges() -> None:
    assert words.ranges([2, 5, 6, 7, 12]) == "2, 5–7, 12"
    assert words.ranges(list(range(1, 40, 2))).endswith("and 12 more")


def test_every_string_is_in_one_file_and_used() -> None:
    folder = Path(words.__file__).parent
    sources = {path.name: path.read_text() for path in folder.glob("*.py")}
    everything = "".join(text for name, text in sources.items() if name != "words.py")
    own = sources["words.py"]
    for name in re.findall(r"^([A-Z][A-Z_]+) =", own, re.MULTILINE):
        used = f"words.{name}" in everything or len(re.findall(rf"\b{name}\b", own)) > 1
        assert used, f"nothing says {name}"
    # What the browser's own scripts and the pieces of HTML say comes from there, too.
    shown = re.compile(r">[A-Za-z]{3,}[^<{\n]*</|(?:aria-label|title|placeholder)=\"[^{\"]*[a-z]")
    for path in (*folder.glob("*.js"), *folder.glob("*.html"), *folder.glob("*.py")):
        found = shown.findall(path.read_text())
        assert found == [], f"{path.name} says {found}"
