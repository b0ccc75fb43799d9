"""A real Reader whose answers are made without a model: the sentence that fits, cited.

Books, pages, pictures, search, chats and their rows are the real ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from lift_app.reader import Reader


class BookReader(Reader):
    """What the browser tests of pages and chats need: everything but the model."""

    pace = 0.01

    def model_state(self) -> dict[str, Any]:
        return {"state": "ready", "message": "", "progress": None}

    def ask_stream(self, book: str, question: str, **options: Any) -> Iterator[dict[str, Any]]:
        row = self.library.books.find(book)
        hits = self.library.passages.search(row.id, question, limit=1)
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
            page = self.library.books.page(row.id, passage.page)
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
            time.sleep(self.pace)
            yield {"text": word}
        answer = {
            "answer": text,
            "arm": options.get("arm") or "ICL",
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
        chat = options.get("chat")
        if chat is not None:
            with self.library.db.write():
                self.library.chats.add_message(chat, "user", question, None)
                self.library.chats.add_message(chat, "assistant", text, answer)
        yield {"answer": answer}
