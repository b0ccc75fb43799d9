"""Checkpoint: the state of an unfinished lift on disk, written so that a kill cannot break it.

One file a lift: the sha256 of the state, then the state. A new one replaces the old one in a
single rename. Knows folders and the trainer's state, not what a job is.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from pathlib import Path
from typing import Any

import torch

FILE = "state.bin"
DIGEST_BYTES = 32


def save_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint in `folder` by `state`; the old one stays until the new one is safe.

    Raises:
        OSError: the disk is full or cannot be written; the old checkpoint is untouched.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{FILE}.new"
    with fresh.open("wb") as file:
        file.write(hashlib.sha256(data).digest())
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE)


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


def drop_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)
