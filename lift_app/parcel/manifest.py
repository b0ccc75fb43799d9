"""Manifest: what a parcel says of itself. Everything in one from outside is checked here.

Knows names, hashes and numbers; opens no file and holds no weights. Torch-free.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lift_app.errors import CallerError
from lift_app.lifting.recipe import Recipe
from lift_app.reading.characters import one_line

MANIFEST, RECIPE = "manifest.json", "recipe.json"
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FORMAT = "lift-reader parcel"
VERSION = 1
LARGEST_RANK = 512
MOST_SEGMENTS = 200_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BOOK_FILE = re.compile(r"book\.[a-z0-9]{1,8}")


@dataclass(frozen=True)
class Manifest:
    """A lift that travels: which book, which base and start, which recipe, what came of it."""

    title: str
    """Title of the book; it stood in the prompt before each segment."""
    text_sha256: str
    """Of the book's text, as it was read."""
    base: str
    """Name of the base model; the weights' digest decides."""
    weights_sha256: str
    recipe: Recipe
    alpha: float
    targets: tuple[str, ...]
    """Layers of the book's part, by the last parts of their names."""
    template: int
    """Version of the prompts that it was trained with."""
    start: str = ""
    """Name of the start; empty without one."""
    start_sha256: str = ""
    quantisation: str | None = None
    encoding: str | None = None
    """That the book's file was read with, where one was given."""
    book_file: str | None = None
    """Name of the book's file in the parcel, if it is in there."""
    summary: Mapping[str, Any] | None = None
    """What the lift said of itself."""

    def to_json(self, files: Mapping[str, str]) -> dict[str, Any]:
        """As it stands in `manifest.json`.

        Args:
            files: name -> sha256 of every other file.
        """
        return {
            "format": FORMAT,
            "version": VERSION,
            "book": {
                "title": self.title,
                "text_sha256": self.text_sha256,
                "encoding": self.encoding,
                "file": self.book_file,
            },
            "base": {"name": self.base, "weights_sha256": self.weights_sha256},
            "start": {"name": self.start, "sha256": self.start_sha256} if self.start else None,
            "adapter": {
                "rank": self.recipe.rank,
                "alpha": self.alpha,
                "target_modules": list(self.targets),
                "quantisation": self.quantisation,
                "template": self.template,
            },
            "summary": dict(self.summary or {}),
            "files": dict(files),
        }

    @classmethod
    def from_json(cls, data: Any, recipe: Any) -> tuple[Manifest, dict[str, str]]:
        """A manifest from outside, and the sha256 of the files that it names.

        Args:
            data: what stands in `manifest.json`.
            recipe: what stands in `recipe.json`.

        Raises:
            CallerError: it is none, of a newer version, or not consistent (code `bad_parcel`).
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise _bad(f"{MANIFEST} is not the manifest of a parcel")
        if data.get("version") != VERSION:
            raise CallerError(
                f"This parcel has the format {data.get('version')!r}, and this program reads "
                f"{VERSION}. Install the newest LIFT Reader, then import it again.",
                code="bad_parcel",
            )
        try:
            return cls._read(data, recipe), _files(data["files"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _bad(f"{MANIFEST} is damaged ({error})") from None
        except CallerError as error:  # of a recipe's numbers
            raise _bad(f"{RECIPE} is damaged ({error})") from None

    @classmethod
    def _read(cls, data: Any, recipe: Any) -> Manifest:
        book, base, adapter, start = data["book"], data["base"], data["adapter"], data["start"]
        found = Recipe.from_json(recipe)
        targets = tuple(_text(target, 200) for target in adapter["target_modules"])
        if adapter["rank"] != found.rank or not 1 <= found.rank <= LARGEST_RANK or not targets:
            raise ValueError("the rank")
        if book["file"] is not None and not _BOOK_FILE.fullmatch(book["file"]):
            raise ValueError("the name of the book's file")
        if adapter["quantisation"] not in (None, "nf4"):
            raise ValueError("the quantisation")
        return cls(
            title=_line(book["title"], 2000),
            text_sha256=_sha256(book["text_sha256"]),
            encoding=None if book["encoding"] is None else _text(book["encoding"], 40),
            book_file=book["file"],
            base=_name(base["name"]),
            weights_sha256=_sha256(base["weights_sha256"]),
            start=_line(start["name"], 64) if start else "",
            start_sha256=_sha256(start["sha256"]) if start else "",
            recipe=replace(found, name=_line(found.name, 40)),
            alpha=_number(adapter["alpha"], above=0),
            targets=targets,
            quantisation=adapter["quantisation"],
            template=_whole(adapter["template"], 1000),
            summary=_summary(data["summary"]),
        )


def dump(value: Any) -> bytes:
    """JSON as it is written into a parcel."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _files(given: Any) -> dict[str, str]:
    return {_text(name, 100): _sha256(digest) for name, digest in given.items()}


def _summary(given: Any) -> dict[str, Any]:
    """What is known of a lift; anything else that stands there is left out."""
    segments = [_maybe(loss) for loss in given.get("segments") or []]
    if len(segments) > MOST_SEGMENTS:
        raise ValueError("the segments")
    guard = given.get("guard")
    if guard is not None:
        guard = {name: _number(guard[name]) for name in ("step", "strength", "harm", "memory")}
        if not 0 <= guard["strength"] <= 1:
            raise ValueError("the strength")
    return {
        "steps": int(_number(given["steps"])),
        "loss": _maybe(given.get("loss")),
        "tokens_trained": int(_number(given.get("tokens_trained", 0))),
        "seconds": _number(given["seconds"]),
        "guard": guard,
        "segments": segments,
    }


def _maybe(value: Any) -> float | None:
    return None if value is None else _number(value)


def _number(value: Any, *, above: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    if not math.isfinite(value) or value <= above:
        raise ValueError(f"the number {value}")
    return value


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise ValueError("a name that is empty, too long or no text")
    return value


def _line(value: Any, most: int) -> str:
    """A text that a terminal can show: one line, without what moves its cursor."""
    text = _text(value, most)
    if text != one_line(text, most):
        raise ValueError("a name that is more than a line of text")
    return text


def _whole(value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"the number {str(value)[:20]}")
    return value


def _name(value: Any) -> str:
    """The name of a model; one that leads anywhere on this machine is none."""
    text = _line(value, 200)
    if text[0] in "/\\~." or ".." in text or ":" in text:
        raise ValueError("a name that is a path")
    return text


def _sha256(value: Any) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"{str(value)[:20]!r} is no sha256")
    return value


def _bad(what: str) -> CallerError:
    return CallerError(
        f"This is no parcel that can be imported: {one_line(what, 400)}. Nothing was kept; have "
        "it exported again with `lift export`.",
        code="bad_parcel",
    )
