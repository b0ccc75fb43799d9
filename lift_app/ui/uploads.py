"""Uploads: the folder where files that readers send wait until they are read.

It stands in the library's home, where no other user of the machine can look, and holds only so
much. What is sent by halves leaves nothing, and what nobody reads is removed. Where Gradio puts an
upload is Gradio's; that a file is read is for the room.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from os import environ
from pathlib import Path

from starlette.formparsers import MultiPartException
from starlette.types import Message, Receive

from lift_app.models.child import folder_bytes
from lift_app.models.download import free_gb

LEAST_FREE_GB = 1.0
"""Disk space that uploads leave."""
MOST_WAITING_GB = 2.0
"""Uploads that nobody has read yet, those that are just being sent among them."""
ABANDONED_SECONDS = 1800.0
"""A file is read as soon as it was sent; after so long, nobody will."""
LOOK_BYTES = 16 * 2**20
"""So often, while a file is being sent, is the room looked at."""

_PLACE = "GRADIO_TEMP_DIR"
_own: set[Path] = set()
"""Folders that are a library's; in others Gradio may keep the files of other programs."""


def keep_in(home: Path) -> None:
    """Let uploads wait in a library's home, unless `GRADIO_TEMP_DIR` names another folder."""
    _own.add(home / "uploads")
    environ.setdefault(_PLACE, str(home / "uploads"))
    tidy()


def folder() -> Path:
    """Where uploads wait."""
    return Path(environ.get(_PLACE) or Path(tempfile.gettempdir()) / "gradio")


def tidy() -> None:
    """Remove what nobody has read: of windows that were closed, and of processes that died."""
    if folder() not in _own:
        return
    oldest = time.time() - ABANDONED_SECONDS
    for path in sorted(folder().rglob("*"), reverse=True):  # files before their folders
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()  # a folder that is not empty stays
            elif path.lstat().st_mtime < oldest:
                path.unlink()


def refusal() -> str | None:
    """Why no upload can be taken just now, if so."""
    tidy()
    if free_gb(folder()) < LEAST_FREE_GB:
        return f"The disk is almost full: {LEAST_FREE_GB:g} GB are left free. Nothing was taken."
    if folder_bytes(folder()) > MOST_WAITING_GB * 2**30:
        return (
            f"{MOST_WAITING_GB:g} GB of files wait to be read here. Nothing was taken; try again "
            "in a few minutes."
        )
    return None


def watched(receive: Receive) -> Receive:
    """The body of an upload, while there is room; a part of a file is never left behind.

    Gradio removes what it has written of an upload only where the form is at fault, so both a line
    that is cut and a disk that fills up are told to it as such.
    """
    got = looked = 0

    async def receive_watched() -> Message:
        nonlocal got, looked
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MultiPartException("The file was not sent to its end.")
        got += len(message.get("body", b""))
        if got - looked >= LOOK_BYTES:
            looked = got
            if (word := refusal()) is not None:
                raise MultiPartException(word)
        return message

    return receive_watched
