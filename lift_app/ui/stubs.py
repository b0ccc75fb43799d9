"""Stubs: Gradio writes them for editors, beside its source, whenever it is imported.

That is half of its import, and a reader waits for it before the first page. Here it is left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_stubs() -> Iterator[None]:
    """Import Gradio inside of this. If it finds its source another way, it only takes longer."""
    find = inspect.getfile

    def find_but_gradio(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("no stub is wanted")  # as for a class that stands in no file
        return find(thing)

    inspect.getfile = find_but_gradio  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = find
