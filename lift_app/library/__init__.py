"""What is kept: the SQLite index and the folders of books and adapters."""

from lift_app.library.adapters import AdapterRow
from lift_app.library.books import BookRow
from lift_app.library.chats import Chat, Message
from lift_app.library.jobs import Job
from lift_app.library.library import Library
from lift_app.library.passages import Hit, Passage
from lift_app.library.splitting import split_page

__all__ = [
    "AdapterRow",
    "BookRow",
    "Chat",
    "Hit",
    "Job",
    "Library",
    "Message",
    "Passage",
    "split_page",
]
