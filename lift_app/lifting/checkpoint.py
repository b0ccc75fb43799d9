"""Checkpoint: the state of an unfinished lift on disk, written so that a kill cannot break it.

One file a lift: the sha256 of the state, then the state. A new one replaces the old one in a
single rename. Knows folders and the trainer's state, not what a job is.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from lift_app.library import effects, folders

FILE = "state.bin"
DIGEST_BYTES = 32


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in `folder` by `state`; the old one stays until the new one is safe.

    Raises:
        LiftError: the disk is full or cannot be written; the old checkpoint is untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    with folders.explained("What was learned so far could not be saved"):
        effects.make_folder(folder)
        for left in folder.glob(".*.new"):  # of a process that was killed while it wrote
            effects.remove(left)
        effects.replace_file(folder / FILE, [hashlib.sha256(data).digest(), data])


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The checkpoint in `folder`; None if there is none, or if its bytes are damaged.

    A lift without a checkpoint starts again, which costs time but is never wrong.
    """
    try:
        data = (folder / FILE).read_bytes()
    except OSError:
        return None
    digest, body = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True)
    return state


def checkpoint_mark(folder: Path) -> tuple[int, int] | None:
    """Changes with each checkpoint that is written to `folder`; None where there is none."""
    try:
        stat = (folder / FILE).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def drop_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, if there is one."""
    effects.remove(folder)
