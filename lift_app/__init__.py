"""LIFT Reader: a reading assistant that learns the book (Long Input Fine-Tuning).

The path of a book through the folders: `reading` makes a Book of a file, `library` keeps it,
`models` brings the base model, `lifting` turns the Book into an Adapter, `answering` turns a
question into an Answer with citations, `engine` lets lifts and answers share the one model.
`Reader` is the Python face of all of it; `cli` and `ui` stand on that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lift_app.reader import Reader

__all__ = ["Reader"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Importing the package must stay cheap: the command line starts here.
    if name == "Reader":
        from lift_app.reader import Reader

        return Reader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
