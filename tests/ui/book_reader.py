"""A real Reader whose answers are made without a model: the sentence that fits, cited.

Books, pages, pictures, search, chats and their rows are the real ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from lift_app.library import Library
from lift_app.reader import Reader


class BookReader(Reader):
    """What the browser tests of pages and chats need: everything but the model."""

    pace = 0.01

    def model_state(self) -> dict[str, Any]:
        return {"state": "ready", "message": "", "progress": None}

    def ask_stream(self, book: str, question: str, **options: Any) -> Iterator[dict[str, Any]]:
        row = self.library.books.find(book)
        answer: dict[str, Any] = {}
        for event in read_out(self.library, row.id, question, options.get("arm"), self.pace):
            answer = event.get("answer", answer)
            if not answer:
                yield event
        chat = options.get("chat")
        if chat is not None:
            with self.library.db.write():
                self.library.chats.add_message(chat, "user", question, None)
                self.library.chats.add_message(chat, "assistant", answer["answer"], answer)
        yield {"answer": answer}


def read_out(
    library: Library, book_id: str, question: str, arm: str | None = None, pace: float = 0.0
) -> Iterator[dict[str, Any]]:
    """The events of an answer: the sentence that shares the most words with the question."""
    row = library.books.get(book_id)
    hits = library.passages.search(row.id, question, limit=1)
    asked = set(re.findall(r"\w+", question.lower()))
    best: tuple[int, Any] = (0, None)
    for hit in hits:
        for found in re.finditer(r"[^.!?]+[.!?]", hit.passage.text):
            shared = len(asked & set(re.findall(r"\w+", found.group().lower())))
            if shared > best[0]:
                best = (shared, found)
    cites, text = [], "The book does not seem to say."
    if best[1] is not None:
        passage, found = hits[0].passage, best[1]
        text = found.group().strip()
        page = library.books.page(row.id, passage.page)
        start = page.text.index(text, passage.start)
        cites = [
            {
                "page": page.number,
                "page_label": page.label,
                "chapter": None,
                "quote": text,
                "start": start,
                "end": start + len(text),
            }
        ]
    for word in re.findall(r"\S+\s*", text):
        time.sleep(pace)
        yield {"text": word}
    yield {
        "answer": {
            "answer": text,
            "arm": arm or "ICL",
            "citations": cites,
            "context": {"head": 40, "tail": 40, "evidence": 30, "question": 10},
            "adapter": None,
            "timing": {"first_token_seconds": 0.2, "tokens_per_second": 20.0, "seconds": 1.0},
            "supported": bool(cites),
            "evidence": [
                {"page": c["page"], "start": c["start"], "end": c["end"], "text": c["quote"]}
                for c in cites
            ],
            "stopped": False,
        }
    }
