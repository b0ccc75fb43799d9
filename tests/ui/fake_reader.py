"""A Reader in memory: the same methods and results as `lift_app.reader.Reader`, no model.

Its lift advances by the clock, so that a reload or a second window finds it further on; its
answers come word by word and quote the page that shares the most words with the question.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lift_app.errors import CallerError, NotFound, UnreadableFile
from lift_app.recording import Recording
from lift_app.settings import Settings

SEGMENTS = 40
SAMPLE = """# The Lamp of Osk

## The Keeper

Tilda Wren kept the lamp of Osk for thirty years. She lit it every evening at six.

The lamp burned whale oil until 1871, and colza oil after that.

## The Storm

In the great storm of 1880 the lamp went out at midnight. Tilda Wren rang the bell until dawn.

Nobody drowned that night, though four boats were at sea. <script>window.hacked = 1</script>

## The Medal

The harbour board gave Tilda Wren a silver medal. She used it to stop a draught in the door.
"""


class FakeReader:
    """What the reading room needs of a Reader."""

    in_slices = False

    def __init__(self, home: Path, *, seconds_a_lift: float = 20.0, pace: float = 0.01) -> None:
        self.home = home
        self.settings = Settings(home=home)
        home.mkdir(parents=True, exist_ok=True)
        self.seconds_a_lift, self.pace = seconds_a_lift, pace
        self.suggested, self.values = "standard", None
        self.lock = threading.RLock()
        self.shelf: dict[str, dict[str, Any]] = {}
        self.jobs_by_book: dict[str, dict[str, Any]] = {}
        self.talks: dict[str, dict[str, Any]] = {}
        self.model = {
            "state": "ready",
            "message": "",
            "progress": None,
            "device": "cpu",
            "precision": "fp32",
            "reason": "fp32: this CPU has no bf16 instructions",
        }
        self.halt = threading.Event()
        self.pages = FakePages(self)
        self.recorded: Recording | None = None

    def add(
        self, path: Path, *, title: str | None = None, encoding: str | None = None
    ) -> dict[str, Any]:
        path = Path(path)
        data = path.read_bytes()
        text = data.decode("utf-8", "replace")
        if not text.strip():
            raise UnreadableFile(f"{path.name} is empty. Choose a file that has text in it.")
        ident = hashlib.sha256(data).hexdigest()
        with self.lock:
            new = ident not in self.shelf
            if new:
                self.shelf[ident] = _book(ident, path, text, title)
            return {**self._card(ident), **self._about(ident), "new": new}

    def add_sample(self) -> dict[str, Any]:
        return self.add(self.sample_book())

    def recording(self, book: str) -> Recording | None:
        return self.recorded if self._card(self._find(book))["learned"] else None

    def forget(self, book: str) -> dict[str, Any]:
        with self.lock:
            self.jobs_by_book.pop(self._find(book), None)
            return {"forgotten": ["adapter-1"], "title": book}

    def storage(self) -> dict[str, Any]:
        books = [
            {
                "id": card["id"],
                "title": card["title"],
                "file": 420_000,
                "learned": 9_800_000 if card["learned"] else 0,
            }
            for card in self.books()
        ]
        return {"home": str(self.home), "books": books, "models": 269e6, "total": 280e6}

    def models(self) -> list[dict[str, Any]]:
        facts = {"parameters": 135e6, "window": 8192, "licence": "Apache-2.0", "note": ""}
        return [{"name": "tiny", "title": "Tiny <1>", "chosen": True, **facts}]

    def sample_book(self) -> Path:
        path = self.home / "lamp_of_osk.md"
        path.write_text(SAMPLE)
        return path

    def books(self) -> list[dict[str, Any]]:
        with self.lock:
            return [self._card(ident) for ident in self.shelf]

    def show(self, book: str) -> dict[str, Any]:
        with self.lock:
            ident = self._find(book)
            card = {**self._card(ident), **self._about(ident)}
            return {**card, "adapters": [], "chats": self.chats(ident)}

    def page(self, book: str, number: int) -> dict[str, Any]:
        pages = self.shelf[self._find(book)]["content"]
        if not 1 <= number <= len(pages):
            raise CallerError(f"The book has {len(pages)} pages; there is no page {number}.")
        chapter, text = pages[number - 1]
        return {
            "number": number,
            "label": str(number),
            "chapter": chapter,
            "text": text,
            "pages": len(pages),
        }

    def rm(self, book: str) -> dict[str, Any]:
        with self.lock:
            ident = self._find(book)
            self.jobs_by_book.pop(ident, None)
            return {"removed": self.shelf.pop(ident)["title"]}

    def recipes(self) -> list[dict[str, Any]]:
        return [
            {"name": "quick", "reason": "One gentle pass over the book."},
            {"name": "standard", "reason": "Two passes: what is remembered grows."},
            {"name": "deep", "reason": "Three slower passes with a larger adapter."},
        ]

    def model_state(self) -> dict[str, Any]:
        return dict(self.model)

    # Lifts

    def start_tune(
        self,
        book: str,
        *,
        recipe: str | None = None,
        model: str | None = None,
        values: Any = None,
    ) -> dict[str, Any]:
        with self.lock:
            self.values = values
            ident = self._find(book)
            if recipe not in (None, "quick", "standard", "deep"):
                raise CallerError(f"There is no recipe {recipe!r}. See: lift recipes.")
            if self._card(ident)["learned"]:
                return {"stage": "done", "adapter": "adapter-1", "cached": True}
            if ident not in self.jobs_by_book or self._job(ident)["state"] == "cancelled":
                self.jobs_by_book[ident] = {
                    "state": "running",
                    "since": time.monotonic(),
                    "done": 0.0,
                    "id": "job-1",
                }
            return self._job(ident)

    def status(self, job_or_book: str) -> dict[str, Any]:
        with self.lock:
            ident = self._find(job_or_book)
            job = self._job(ident)
            share = job["step"] / job["steps"] if job["steps"] else 0.0
            seen = int(share * SEGMENTS)
            segments = [3.4 - 2.2 * share - 0.4 * (i % 3) if i < seen else None for i in range(40)]
            curve = [[step, 0.9 + 2.5 * 0.985**step] for step in range(0, job["step"], 4)]
            state = job["state"]
            return {
                "job": job["id"],
                "book": ident,
                "state": state,
                "stage": "done" if state == "done" else "training" if state else None,
                "step": job["step"],
                "steps": job["steps"],
                "loss": curve[-1][1] if curve else None,
                "tokens_per_second": 261.0,
                "eta_seconds": (1 - share) * self.seconds_a_lift,
                "segments": segments if state else [],
                "losses": curve,
                "error": None,
                "message": "",
                "adapter": "adapter-1" if state == "done" else None,
            }

    def ribbon(self, book: str) -> dict[str, Any]:
        with self.lock:
            ident = self._find(book)
            content = self.shelf[ident]["content"]
            pages = [index / len(content) for index in range(len(content))]
            status = self.status(ident)
            losses = status["segments"] or [None] * SEGMENTS
            cells = [
                {
                    "start": index / SEGMENTS,
                    "page": 1 + index * len(content) // SEGMENTS,
                    "last_page": 1 + index * len(content) // SEGMENTS,
                    "before": None,
                    "loss": loss,
                }
                for index, loss in enumerate(losses)
            ]
            return {
                "cells": cells,
                "worst": 3.4,
                "pages": pages,
                "labels": [str(number) for number in range(1, len(content) + 1)],
                "characters": sum(len(text) for _, text in content),
                "tokens": self.shelf[ident]["words"] * 4 // 3,
                "exact": True,
                "learned": status["state"] == "done",
            }

    def pause(self, job: str) -> dict[str, Any]:
        return self._steer(job, "paused")

    def resume(self, job: str) -> dict[str, Any]:
        return self._steer(job, "running")

    def cancel(self, job: str) -> dict[str, Any]:
        return self._steer(job, "cancelled")

    def jobs(self) -> list[dict[str, Any]]:
        return [self.status(ident) for ident in self.jobs_by_book]

    # Chats

    def chats(self, book: str) -> list[dict[str, Any]]:
        ident = self._find(book)
        found = [
            {"id": key, "title": talk["title"]}
            for key, talk in self.talks.items()
            if talk["book"] == ident
        ]
        return found[::-1]

    def new_chat(self, book: str, title: str = "New conversation") -> dict[str, Any]:
        with self.lock:
            key = f"chat-{len(self.talks) + 1}"
            self.talks[key] = {"book": self._find(book), "title": title, "messages": []}
            return {"id": key, "title": title}

    def messages(self, chat: str) -> list[dict[str, Any]]:
        if chat not in self.talks:
            raise NotFound("There is no such chat.")
        return list(self.talks[chat]["messages"])

    def chat(self, chat: str) -> tuple[dict[str, Any], dict[str, Any]]:
        if chat not in self.talks:
            raise NotFound("There is no such chat.")
        talk = self.talks[chat]
        return self.show(talk["book"]), {"id": chat, "title": talk["title"], "created": ""}

    def take_back(self, chat: str) -> str | None:
        messages = self.talks[chat]["messages"]
        if len(messages) < 2:
            return None
        question = messages[-2]["content"]
        del messages[-2:]
        return str(question)

    def first_questions(self, book: str) -> list[str]:
        self._find(book)
        return ["Who rang the bell until dawn?", "What is this book about?"]

    def delete_chat(self, chat: str) -> dict[str, Any]:
        self.talks.pop(chat, None)
        return {"removed": chat}

    def ask(self, book: str, question: str, **options: Any) -> dict[str, Any]:
        return [*self.ask_stream(book, question, **options)][-1]["answer"]

    def ask_stream(
        self,
        book: str,
        question: str,
        *,
        arm: str | None = None,
        evidence: bool = True,
        strength: float | None = None,
        chat: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        ident = self._find(book)
        job = self._job(ident)
        learned = job["state"] == "done"
        arm = arm or ("LIFT+ICL" if learned else "ICL")
        if arm not in ("ICL", "LIFT+ICL", "LIFT_only"):
            raise CallerError(f"There is no arm {arm!r}.")
        if arm != "ICL" and not learned and job["state"] not in ("running", "paused"):
            raise CallerError("This book has not been learned yet. Learn it, or ask with ICL.")
        self.halt.clear()
        number, sentence, start = self._best(ident, question)
        text = ""
        for word in re.findall(r"\S+\s*", sentence):
            if self.halt.is_set():
                break
            time.sleep(self.pace)
            text += word
            yield {"text": word}
        cites = [] if arm == "LIFT_only" else [self._cite(ident, number, sentence, start)]
        answer = {
            "answer": text.strip(),
            "arm": arm,
            "citations": cites,
            "context": {
                "head": 0 if arm == "LIFT_only" else 20,
                "tail": 0 if arm == "LIFT_only" else 12,
                "evidence": 10 if evidence else 0,
                "question": 14,
            },
            "adapter": "adapter-1" if arm != "ICL" else None,
            "timing": {"first_token_seconds": 0.42, "tokens_per_second": 18.0, "seconds": 2.0},
            "supported": True,
            "evidence": [
                {"page": number, "start": start, "end": start + len(sentence), "text": sentence}
            ]
            if evidence
            else [],
        }
        if chat is not None:
            self.talks[chat]["messages"] += [
                {"role": "user", "content": question, "answer": None, "created": ""},
                {"role": "assistant", "content": text, "answer": answer, "created": ""},
            ]
        yield {"answer": answer}

    def stop_answer(self) -> None:
        self.halt.set()

    # Inside

    def _find(self, ref: str) -> str:
        for ident, book in self.shelf.items():
            job = self.jobs_by_book.get(ident, {}).get("id")
            if ref in (ident, book["title"], job) or (len(ref) >= 4 and ident.startswith(ref)):
                return ident
        raise NotFound(f"There is no book {ref!r} on the shelf.")

    def _steer(self, ref: str, state: str) -> dict[str, Any]:
        with self.lock:
            ident = self._find(ref)
            job = self.jobs_by_book[ident]
            job["done"] = self._done(job)
            job["since"], job["state"] = time.monotonic(), state
            return self.status(ident)

    def _done(self, job: dict[str, Any]) -> float:
        ran = time.monotonic() - job["since"] if job["state"] == "running" else 0.0
        return min(1.0, job["done"] + ran / self.seconds_a_lift)

    def _job(self, ident: str) -> dict[str, Any]:
        job = self.jobs_by_book.get(ident)
        if job is None:
            return {"id": None, "state": None, "step": 0, "steps": 0}
        done = self._done(job)
        state = "done" if done >= 1 else job["state"]
        return {"id": job["id"], "state": state, "step": int(done * 200), "steps": 200}

    def _card(self, ident: str) -> dict[str, Any]:
        book, job = self.shelf[ident], self._job(ident)
        learned = job["state"] == "done"
        return {
            "id": ident,
            "title": book["title"],
            "author": book["author"],
            "format": "markdown",
            "pages": len(book["content"]),
            "words": book["words"],
            "tokens": book["words"] * 4 // 3,
            "tokens_exact": True,
            "added": "2026-01-01T00:00:00+00:00",
            "learned": learned,
            "adapter": "adapter-1" if learned else None,
            "job": job if job["state"] else None,
        }

    def _about(self, ident: str) -> dict[str, Any]:
        content = self.shelf[ident]["content"]
        report = {
            "format": "markdown",
            "pages": len(content),
            "words": self.shelf[ident]["words"],
            "encoding": "utf-8",
            "language": None,
            "pages_without_text": [],
            "dropped": [],
            "warnings": [],
            "seconds": 0.1,
            "estimated_minutes": self.seconds_a_lift / 60,
            "minutes_by_recipe": {"quick": self.seconds_a_lift / 120, "standard": 2.0},
            "suggested_recipe": self.suggested,
            "memory_gb": 1.9,
            "estimate_reason": "261 tokens/s measured on this CPU.",
        }
        chapters = [{"title": title, "page": i + 1} for i, (title, _) in enumerate(content)]
        return {"chapters": chapters, "report": report}

    def _best(self, ident: str, question: str) -> tuple[int, str, int]:
        asked = set(re.findall(r"\w+", question.lower()))
        best = (-1, 1, "", 0)
        for number, (_, text) in enumerate(self.shelf[ident]["content"], start=1):
            for match in re.finditer(r"[^.\n]+\.", text):
                raw = match.group()
                sentence, start = raw.strip(), match.start() + len(raw) - len(raw.lstrip())
                score = len(asked & set(re.findall(r"\w+", sentence.lower())))
                if score > best[0]:
                    best = (score, number, sentence, start)
        return best[1:]

    def _cite(self, ident: str, number: int, sentence: str, start: int) -> dict[str, Any]:
        chapter, text = self.shelf[ident]["content"][number - 1]
        assert text[start : start + len(sentence)] == sentence
        return {
            "page": number,
            "page_label": str(number),
            "chapter": chapter,
            "quote": sentence,
            "start": start,
            "end": start + len(sentence),
        }


class FakePages:
    """What the reading room needs of `lift_app.pages.Pages` for books that are no PDFs."""

    def __init__(self, reader: FakeReader) -> None:
        self.reader = reader

    def cover(self, book: str) -> dict[str, Any]:
        return self.reader.show(book)

    def number_of(self, book: str, label: str) -> int | None:
        count = len(self.reader.shelf[self.reader._find(book)]["content"])
        return int(label) if label.isdecimal() and 1 <= int(label) <= count else None

    def search(self, book: str, wanted: str) -> dict[str, Any]:
        hits = []
        for number, (chapter, text) in enumerate(
            self.reader.shelf[self.reader._find(book)]["content"], start=1
        ):
            spans = [found.span() for found in re.finditer(re.escape(wanted), text, re.IGNORECASE)]
            hits += [
                {
                    "page": number,
                    "label": str(number),
                    "chapter": chapter,
                    "excerpt": text[start:end],
                    "marked": [(0, end - start)],
                    "spans": [(start, end)],
                }
                for start, end in spans
            ]
        return {"match": "phrase", "hits": hits}


def _book(ident: str, path: Path, text: str, title: str | None) -> dict[str, Any]:
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    content = [(parts[i], parts[i + 1].strip()) for i in range(1, len(parts) - 1, 2)]
    return {
        "title": title or (heading.group(1) if heading else path.stem),
        "author": "",
        "words": len(text.split()),
        "content": content or [("", text)],
    }
