"""Every knob of the program in one place.

A knob is a field of `Settings`; its environment variable is `LIFT_` and the field's name in
capitals. This module knows nothing about books, models or pages.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

from lift_app.errors import CallerError


@dataclass(frozen=True)
class Settings:
    """All settings. Build one with `Settings.from_environment()`, or directly in tests."""

    home: Path = Path()
    """Where books, adapters and models are kept. Default: the platform's user data folder."""
    models: Path = Path()
    """Where base models are kept, so that several homes can share them. Default: in the home."""
    starts: Path = Path()
    """Where a reader's own starts are kept, likewise. Default: in the home."""
    scratch: Path = Path()
    """Where a worker of a cluster keeps the checkpoints of its lifts. Default: the user's cache."""
    owner: str = "local"
    """Whose shelf this is. One owner in local use."""
    model: str = "smollm2-135m-instruct"
    """Base model: a name of the catalogue, a folder, or a hub id."""
    start: str = "auto"
    """Start that the model stands on: `auto` (the one that comes with it), `none`, or a name."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    precision: str = "auto"
    """`auto`, `fp32`, `bf16` or `nf4` (4-bit, CUDA only)."""
    threads: int = 0
    """CPU threads for the model; 0 leaves the choice to torch."""
    recipe: str = "standard"
    """The recipe that a lift follows when none is named, where it does not take too long."""
    recipe_minutes: int = 60
    """Longest lift that is begun without naming a recipe: beyond that a quicker one is taken."""
    strength: float = 0.6
    """Strength of the adapter when none is named, 0 to 1."""
    evidence_strength: float = 0.5
    """The same beside passages: there the adapter should help and not get in the way."""
    server: str = ""
    """Address of an OpenAI-compatible server that answers instead of this process; empty: none."""
    server_folder: Path = Path()
    """Where adapters are written for it, under the same path there. Default: `served` in the
    home."""
    server_seconds: int = 60
    """Longest wait for the next piece of an answer of the server, in seconds."""
    host: str = "127.0.0.1"
    """Address that the app binds to."""
    port: int = 7860
    """Port that the app binds to."""
    shared: bool = False
    """Whether each visitor of the app has a shelf of their own; otherwise there is one for all."""
    framed: bool = False
    """Whether the app stands in the frame of another site's page over https, as a Space does."""
    bucket: Path = Path()
    """Mounted storage to which the library is copied, and from which it comes back to an empty
    home, as on a Space. None where it is not named."""
    slice_seconds: int = 60
    """Longest turn on a GPU that is lent in slices, as on ZeroGPU."""
    visitor_books: int = 8
    """Most books on a visitor's shelf."""
    visitor_mb: int = 300
    """Most that a visitor's books and adapters may take, in MiB."""
    visitor_questions: int = 20
    """Questions that a visitor may ask a minute."""
    visitor_minutes: int = 30
    """Longest lift that a visitor may start, in minutes as they are estimated."""
    visitor_days: int = 30
    """Days after which a visitor's shelf is cleared on which nothing was done."""
    visitors_gb: int = 20
    """Most that all that is kept for visitors may take, in GiB."""
    context_tokens: int = 1024
    """Budget for head and tail of the book in the context window, in tokens."""
    evidence_tokens: int = 448
    """Budget for evidence passages, in tokens."""
    answer_tokens: int = 96
    """Longest answer, in tokens."""
    checkpoint_seconds: int = 20
    """Seconds between two checkpoints of a lift."""
    max_file_mb: int = 200
    """Largest file that is read, in MiB."""
    max_pages: int = 5000
    """Most pages that one book may have."""
    read_seconds: int = 60
    """Time limit for reading one file, in seconds."""
    read_memory_mb: int = 2048
    """Memory limit of the process that reads files, in MiB."""

    def __post_init__(self) -> None:
        if self.home == Path():
            object.__setattr__(self, "home", user_data_path("lift-reader", appauthor=False))
        if self.models == Path():
            object.__setattr__(self, "models", self.home / "models")
        if self.starts == Path():
            object.__setattr__(self, "starts", self.home / "starts")
        if self.scratch == Path():
            cache = user_cache_path("lift-reader", appauthor=False)
            object.__setattr__(self, "scratch", cache / "lifts")
        if self.server_folder == Path():
            object.__setattr__(self, "server_folder", self.home / "served")

    def default_strength(self, *, evidence: bool) -> float:
        """Strength of the adapter with or without passages in the context."""
        return self.evidence_strength if evidence else self.strength

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `LIFT_*` variables.

        Raises:
            CallerError: a number is not a number; the message names the variable.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, object] = {}
        for field in fields(cls):
            name = f"LIFT_{field.name.upper()}"
            text = environ.get(name, "").strip()
            if not text:
                continue
            if isinstance(field.default, Path):
                values[field.name] = Path(text).expanduser().absolute()
            elif isinstance(field.default, bool):
                values[field.name] = _truth(name, text)
            elif isinstance(field.default, int | float):
                values[field.name] = _number(name, text, type(field.default))
            else:
                values[field.name] = text
        return cls(**values)  # type: ignore[arg-type]

    @property
    def database(self) -> Path:
        """The SQLite index."""
        return self.home / "library.db"

    @property
    def books(self) -> Path:
        """One folder a book, named by the sha256 of its file."""
        return self.home / "books"

    @property
    def adapters(self) -> Path:
        """One folder an adapter, named by its key."""
        return self.home / "adapters"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints of unfinished lifts, one folder a job."""
        return self.home / "checkpoints"


def _truth(name: str, text: str) -> bool:
    wanted = text.lower()
    if wanted not in ("1", "yes", "true", "on", "0", "no", "false", "off"):
        raise CallerError(f"{name} is {text!r}, but it must be yes or no.")
    return wanted in ("1", "yes", "true", "on")


def _number(name: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        number = kind(text)
    except ValueError:
        whole = "a whole number" if kind is int else "a number"
        raise CallerError(f"{name} is {text!r}, but it must be {whole}.") from None
    if number < 0:
        raise CallerError(f"{name} is {number}, but it must not be negative.")
    return number
