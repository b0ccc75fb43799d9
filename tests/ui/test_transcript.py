"""A conversation as Markdown: every word of it, its citations, and nothing that is markup."""

from __future__ import annotations

from lift_app.ui.transcript import file_name, transcript

BOOK = {"title": "The *Lamp*", "author": "Ida Marsh"}
CHAT = {"title": "Who rang?", "created": "2026-01-02T03:04:05Z"}


def citation(quote: str, page: int) -> dict:
    return {"page": page, "page_label": str(page), "chapter": "The Storm", "quote": quote}


def messages() -> list[dict]:
    answer = {"arm": "LIFT+ICL", "citations": [citation("She rang.", 2), citation("It rang.", 3)]}
    later = {"arm": "ICL", "citations": [citation("It burned.", 4)]}
    return [
        {"role": "user", "content": "Who rang\nthe bell?", "answer": None},
        {"role": "assistant", "content": "<b>She</b> did.", "answer": answer},
        {"role": "user", "content": "And then?", "answer": None},
        {"role": "assistant", "content": "It burned.", "answer": later},
        {"role": "user", "content": "Why?", "answer": None},
        {"role": "assistant", "content": "The book does not say.", "answer": None},
    ]


def test_the_whole_talk_is_there_with_numbered_notes() -> None:
    text = transcript(BOOK, CHAT, messages())
    assert text.startswith("# Who rang?\n\n*The \\*Lamp\\**, Ida Marsh · 2026-01-02\n")
    assert "## Who rang the bell?" in text
    assert "\\<b\\>She\\</b\\> did.[^1][^2]" in text
    assert "[^1]: “She rang.” (p. 2, The Storm)" in text
    assert "It burned.[^3]" in text and "[^3]: “It burned.” (p. 4, The Storm)" in text
    assert text.rstrip().endswith("The book does not say.")


def test_the_file_is_named_by_the_title() -> None:
    assert file_name(CHAT) == "Who-rang.md"
    assert file_name({"title": "../../etc"}) == "etc.md"
    assert file_name({"title": "誰？"}) == "誰.md"
    assert file_name({"title": "?!"}) == "chat.md"
