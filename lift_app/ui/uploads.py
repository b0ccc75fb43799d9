"""Uploads: the folder where files that readers send wait until they are read.

A folder of this process alone, which no other user of the machine can look into, and which holds
only so much. What is sent by halves leaves nothing, what nobody reads is removed, and nothing
outlives the app. Where Gradio puts an upload in it is Gradio's; whose it is, the doorkeeper's.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from os import environ
from pathlib import Path

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
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
EMPTY_SECONDS = 120.0
"""Of each file that is read, Gradio leaves an empty one beside it. One that is so young may be the
beginning of another upload."""
LOOK_BYTES = 16 * 2**20
"""So often, while a file is being sent, is the room looked at."""
MOST_AT_ONCE = 200
"""Files in one upload, which Gradio keeps open until the last one is there. A process may open a
thousand on many systems, and needs some for all else."""

_LONGEST_PATH = 4096
_PLACE = "GRADIO_TEMP_DIR"
_NAME = re.compile(r"lift-uploads-(\d+)-.+")
_own: set[Path] = set()


def keep() -> Path | None:
    """Make a folder for the uploads of this process; None if `GRADIO_TEMP_DIR` names another one.

    Those of processes that died go.
    """
    for path in Path(tempfile.gettempdir()).glob("lift-uploads-*"):
        name = _NAME.fullmatch(path.name)
        if name and not _lives(int(name[1])):
            shutil.rmtree(path, ignore_errors=True)
    if environ.get(_PLACE):
        return None
    place = Path(tempfile.mkdtemp(prefix=f"lift-uploads-{os.getpid()}-"))
    environ[_PLACE] = str(place)
    _own.add(place)
    return place


def forget(place: Path | None) -> None:
    """Remove the folder that `keep` made, with all in it."""
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)
        _own.discard(place)
        environ.pop(_PLACE, None)


def folder() -> Path:
    """Where uploads wait."""
    return Path(environ.get(_PLACE) or Path(tempfile.gettempdir()) / "gradio")


def holds(path: str) -> bool:
    """Whether a path leads to what waits, however it is spelled."""
    place = folder()
    if len(path) > _LONGEST_PATH or place.name.lower() not in path.lower():
        return False
    try:
        return place.resolve() in Path(path).resolve().parents
    except (OSError, ValueError):  # no path at all
        return False


def tidy() -> None:
    """Remove what nobody has read, as of windows that were closed.

    Not from a folder that `GRADIO_TEMP_DIR` names: it may hold files of other programs.
    """
    if folder() not in _own:
        return
    now = time.time()
    for path in sorted(folder().rglob("*"), reverse=True):  # files before their folders
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()  # a folder that is not empty stays
            else:
                found = path.lstat()
                patience = ABANDONED_SECONDS if found.st_size else EMPTY_SECONDS
                if now - found.st_mtime > patience:
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


def in_few_parts(receive: Receive, headers: Headers, most: int) -> Receive:
    """The body of an upload of up to so many files: the lines that end each of them are counted."""
    line = b"\r\n--" + parse_options_header(headers.get("content-type", ""))[1].get(
        b"boundary", b""
    )
    found, end = 0, b""

    async def receive_few() -> Message:
        nonlocal found, end
        message = await receive()
        seen = end + message.get("body", b"")
        found += seen.count(line)
        left = seen.rpartition(line)[2]
        end = left[1 - len(line) :]  # it may hold the beginning of the next one
        if found > most:
            raise MultiPartException(f"At most {most} files can be sent at once. None was taken.")
        return message

    return receive_few


def _lives(process: int) -> bool:
    """Whether a process runs; one of another user counts, for its folder is not ours to remove."""
    if os.name == "nt":  # where signal 0 is no question but an interruption
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
