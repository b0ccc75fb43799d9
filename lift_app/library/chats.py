"""Conversations about a book: chats and their messages, kept word for word.

An answer is kept with all it was shown with (arm, citations, timing), as the dict that came with
it. How answers are made is not known here.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import asdict, dataclass
from typing import Any

from lift_app.errors import NotFound
from lift_app.library.database import Database, now

_COLUMNS = "id, owner, book_id, title, created, updated"


@dataclass(frozen=True)
class Chat:
    """One conversation about one book."""

    id: str
    owner: str
    book_id: str
    title: str
    created: str
    updated: str
    """When the last message came."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)


@dataclass(frozen=True)
class Message:
    """What one side said."""

    id: int
    chat_id: str
    role: str
    """`user` or `assistant`."""
    content: str
    answer: dict[str, Any] | None
    """The whole answer, for messages of the assistant."""
    created: str

    def to_json(self) -> dict[str, Any]:
        """A plain dict of all fields."""
        return asdict(self)


class Chats:
    """The chats of one owner."""

    def __init__(self, db: Database, owner: str) -> None:
        self._db = db
        self._owner = owner

    def create(self, book_id: str, title: str) -> Chat:
        """Begin a chat about one of the owner's books. Raises NotFound."""
        chat_id, time = secrets.token_hex(8), now()
        with self._db.write() as database:
            book = database.execute(
                "SELECT 1 FROM books WHERE owner = ? AND id = ?", [self._owner, book_id]
            )
            if book.fetchone() is None:
                raise NotFound(f"No book on the shelf has the id {book_id!r}.")
            chat = Chat(chat_id, self._owner, book_id, title, time, time)
            database.table("chats").insert(chat.to_json())
            return chat

    def get(self, chat_id: str) -> Chat:
        """The owner's chat of this id. Raises NotFound."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM chats WHERE id = ? AND owner = ?", [chat_id, self._owner]
            ).fetchone()
        if row is None:
            raise _missing(chat_id)
        return Chat(*row)

    def add_message(
        self, chat_id: str, role: str, content: str, answer: dict[str, Any] | None = None
    ) -> Message:
        """Append a message. `role` is `user` or `assistant`. Raises NotFound."""
        with self._db.write() as database:
            number, time = self._number(database.conn, chat_id), now()
            inserted = database.execute(
                "INSERT INTO messages (chat, role, content, answer, created)"
                " VALUES (?, ?, ?, ?, ?)",
                [number, role, content, None if answer is None else json.dumps(answer), time],
            )
            assert inserted.lastrowid is not None
            database.table("chats").update(number, {"updated": time})
            return Message(inserted.lastrowid, chat_id, role, content, answer, time)

    def messages(self, chat_id: str) -> list[Message]:
        """All messages of a chat, in order. Raises NotFound."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT number, role, content, answer, created FROM messages WHERE chat = ?"
                " ORDER BY number",
                [self._number(connection, chat_id)],
            )
            return [
                Message(
                    id=row["number"],
                    chat_id=chat_id,
                    role=row["role"],
                    content=row["content"],
                    answer=None if row["answer"] is None else json.loads(row["answer"]),
                    created=row["created"],
                )
                for row in rows
            ]

    def take_back(self, chat_id: str) -> str | None:
        """Remove the last question and what was said to it; gives the question.

        None, and nothing is removed, where nothing was asked. Raises NotFound.
        """
        with self._db.write() as database:
            number = self._number(database.conn, chat_id)
            last = database.execute(
                "SELECT number, content FROM messages WHERE chat = ? AND role = 'user'"
                " ORDER BY number DESC LIMIT 1",
                [number],
            ).fetchone()
            if last is None:
                return None
            database.execute(
                "DELETE FROM messages WHERE chat = ? AND number >= ?", [number, last[0]]
            )
        return str(last[1])

    def rename(self, chat_id: str, title: str) -> Chat:
        """Give a chat another title. Raises NotFound."""
        with self._db.write() as database:
            number = self._number(database.conn, chat_id)
            database.table("chats").update(number, {"title": title})
        return self.get(chat_id)

    def delete(self, chat_id: str) -> None:
        """Remove a chat and its messages. Raises NotFound."""
        with self._db.write() as database:
            number = self._number(database.conn, chat_id)
            database.execute("DELETE FROM chats WHERE number = ?", [number])
        self._db.forget_deleted()

    def _number(self, connection: sqlite3.Connection, chat_id: str) -> int:
        row = connection.execute(
            "SELECT number FROM chats WHERE id = ? AND owner = ?", [chat_id, self._owner]
        ).fetchone()
        if row is None:
            raise _missing(chat_id)
        return int(row[0])

    # Last, because `list` in an annotation below it would mean this method.
    def list(self, book_id: str) -> list[Chat]:
        """The chats about a book; the one with the newest message first."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM chats WHERE owner = ? AND book_id = ?"
                " ORDER BY updated DESC, number DESC",
                [self._owner, book_id],
            )
            return [Chat(*row) for row in rows]


def _missing(chat_id: str) -> NotFound:
    return NotFound(f"No chat has the id {chat_id!r}. It may have been deleted.")
