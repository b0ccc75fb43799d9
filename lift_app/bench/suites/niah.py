"""Needle in a haystack: one sentence hidden in essays, by length and true depth.

Reads a folder of essays (`*.txt`) and `needles.json`. Lengths are tokens of the model that is
asked, needle included. A depth is the share of those tokens that stand before the needle: 0 is the
beginning, 1 the end. (The released LIFT script divides the share by 100 once more, so that every
needle lies in the first hundredth: arXiv 2502.14644's repository.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from lift_app.bench.documents import Asked, BenchDocument
from lift_app.errors import CallerError

LENGTHS = (1000, 2000, 4000, 8000, 16000, 32000)
DEPTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
NEEDLE = "lift_2502.14644_repo"
"""The needle of the paper among those of `needles.json`."""

Count = Callable[[str], int]


@dataclass(frozen=True)
class Needle:
    """What is hidden, what is asked, and the words an answer must have."""

    text: str
    question: str
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class Haystack:
    """A text with a needle in it."""

    length: int
    """Wanted tokens."""
    depth: float
    """Wanted depth, 0 to 1."""
    true_length: int
    true_depth: float
    text: str

    def document(self, needle: Needle) -> BenchDocument:
        """The haystack as a document with its one question."""
        cell = f"{self.length} tokens, depth {self.depth:.0%}"
        asked = Asked(
            id=f"niah_{self.length}_{self.depth:g}",
            question=needle.question,
            answers=(needle.text,),
            gold=(needle.text,),
            form="needle",
            task=cell,
            keys=needle.keywords,
        )
        return BenchDocument(asked.id, "Essays", self.text, (asked,))


def folder_of(data: Path | None) -> Path:
    """The folder with `needles.json`: the one that is given, or `niah` in it.

    Raises:
        CallerError: it is in neither.
    """
    if data is None:
        raise CallerError("Name the folder with the essays and needles.json: --data DIR.")
    folder = next((f for f in (data, data / "niah") if (f / "needles.json").is_file()), None)
    if folder is None:
        raise CallerError(f"There is no file {data / 'needles.json'}.")
    return folder


def read_needle(folder: Path) -> Needle:
    """The needle of a folder.

    Raises:
        CallerError: no `needles.json`, or the needle is not in it.
    """
    file = folder / "needles.json"
    try:
        row = json.loads(file.read_text(encoding="utf-8"))[NEEDLE]
        keywords = tuple(word.lower() for word in row["keywords_all_required_lowercase"])
        return Needle(row["needle"].strip(), row["question"], keywords)
    except OSError:
        raise CallerError(f"There is no file {file}.") from None
    except KeyError as error:
        raise CallerError(f"{file}, line 1: the field {error} is missing.") from None
    except (ValueError, TypeError) as error:
        raise CallerError(f"{file}, line 1, cannot be read: {error}.") from None


def haystacks(
    folder: Path,
    count: Count,
    *,
    lengths: Sequence[int] = LENGTHS,
    depths: Sequence[float] = DEPTHS,
) -> Iterator[Haystack]:
    """A haystack for each length and depth, the shortest first.

    Args:
        folder: with essays in it or below it.
        count: tokens of a text, for the model that is asked.
        lengths: tokens, needle included.
        depths: shares of the text before the needle.

    Raises:
        CallerError: no essays.
    """
    needle = read_needle(folder)
    sentences = _sentences(folder)
    sizes = [count(f" {sentence}") for sentence in sentences]
    for length in sorted(lengths):
        hay, total = [], count(needle.text)
        for sentence, size in cycle(zip(sentences, sizes, strict=True)):
            if total + size > length:
                break
            hay.append(sentence)
            total += size
        for depth in depths:
            yield _hide(needle.text, hay, length, depth, count)


def documents(folder: Path, count: Count) -> list[BenchDocument]:
    """The whole grid as documents, for `lift bench run niah`."""
    needle = read_needle(folder)
    return [hay.document(needle) for hay in haystacks(folder, count)]


def _sentences(folder: Path) -> list[str]:
    files = sorted(folder.rglob("*.txt"))
    text = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
    sentences = [" ".join(one.split()) for one in re.split(r"(?<=[.!?])\s+", text)]
    found = [one for one in sentences if 20 <= len(one) <= 600]
    if not found:
        raise CallerError(f"There are no essays in {folder}: it needs .txt files.")
    return found


def _hide(needle: str, hay: Sequence[str], length: int, depth: float, count: Count) -> Haystack:
    """Put the needle between the two sentences that come nearest to a depth."""
    sizes = [count(f" {sentence}") for sentence in hay]
    whole, before, place = sum(sizes), 0, 0
    while place < len(hay) and before + sizes[place] / 2 <= depth * whole:
        before += sizes[place]
        place += 1
    start = " ".join(islice(hay, place))
    text = " ".join([*hay[:place], needle, *hay[place:]])
    total = count(text)
    rest = max(1, total - count(needle))
    return Haystack(length, depth, total, count(start) / rest if start else 0.0, text)
