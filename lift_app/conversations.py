"""Conversations: what a Reader does with chats, which stand in the library."""

from __future__ import annotations

from typing import Any

from lift_app.library import Library


class Conversations:
    """The verbs about chats.

    Attributes:
        library: of the owner whose chats these are.
    """

    library: Library

    def new_chat(self, book: str, title: str = "New conversation") -> dict[str, Any]:
        """Begin a conversation about a book."""
        row = self.library.books.find(book)
        return self.library.chats.create(row.id, title).to_json()

    def chats(self, book: str) -> list[dict[str, Any]]:
        """Conversations about a book, newest first."""
        row = self.library.books.find(book)
        return [chat.to_json() for chat in self.library.chats.list(row.id)]

    def messages(self, chat: str) -> list[dict[str, Any]]:
        """Messages of a conversation in order: `role`, `content`, `answer`, `created`."""
        return [message.to_json() for message in self.library.chats.messages(chat)]

    def take_back(self, chat: str) -> str | None:
        """Remove the last question of a conversation and its answer; gives the question."""
        return self.library.chats.take_back(chat)

    def delete_chat(self, chat: str) -> None:
        """Delete a conversation and its messages."""
        self.library.chats.delete(chat)
