"""The tokenizer of a model without the model: counting tokens takes no torch.

Text of a book is text: where it spells a special token (`<|im_end|>`), the characters are encoded
one by one, so a book can never end a message or begin one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, overload

from lift_app.errors import ModelUnavailable

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PIECE = 100_000
"""Characters that are encoded at once: a tokenizer takes some 200 bytes a token while it works."""
LEAD = 1_000
"""Characters that the next piece encodes again, to find where both go on alike."""
ALIKE = 16
"""Tokens that two pieces must have in common for one to go on where the other ends."""


class Offsets(Sequence[tuple[int, int]]):
    """For each token the half-open range of characters it stands for, in 8 bytes a token."""

    def __init__(self) -> None:
        self.starts, self.ends = array("I"), array("I")

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, place: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, place: slice) -> list[tuple[int, int]]: ...
    def __getitem__(self, place: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        if isinstance(place, slice):
            return list(zip(self.starts[place], self.ends[place], strict=True))
        return self.starts[place], self.ends[place]


@dataclass(frozen=True)
class Encoded:
    """A text in tokens; at most 12 bytes a token, however long it is."""

    ids: array[int]
    offsets: Offsets


def encode(tokenizer: Tokenizer, text: str) -> Encoded:
    """The tokens of a book's text, special tokens not among them.

    A long text is encoded in pieces that overlap. Each goes on where its tokens and those of the
    piece before have become the same; where they never do, the text is encoded at once.

    Args:
        tokenizer: from `load_tokenizer`.
        text: of any length.
    """
    whole = Encoded(array("I"), Offsets())
    begin = 0
    while True:
        end = min(begin + PIECE, len(text))
        found = tokenizer.encode(text[begin:end], add_special_tokens=False)
        first = 0 if begin == 0 else _go_on(whole, found, begin)
        if first is None:
            whole = Encoded(array("I"), Offsets())
            _append(whole, tokenizer.encode(text, add_special_tokens=False), 0, 0)
            return whole
        _append(whole, found, first, begin)
        if end == len(text):
            return whole
        begin = end - LEAD


def _go_on(whole: Encoded, found: Encoding, begin: int) -> int | None:
    """The first token of a piece to be taken; those of `whole` that it replaces are cut off.

    None if the two have no `ALIKE` tokens in a row in common.
    """
    starts = {begin + start: place for place, (start, _) in enumerate(found.offsets)}
    place = len(whole.ids)
    while place and whole.offsets.starts[place - 1] >= begin:
        place -= 1
    for here in range(place, len(whole.ids) - ALIKE):
        there = starts.get(whole.offsets.starts[here])
        if there is not None and (
            whole.ids[here : here + ALIKE].tolist() == found.ids[there : there + ALIKE]
        ):
            for part in (whole.ids, whole.offsets.starts, whole.offsets.ends):
                del part[here:]
            return there
    return None


def _append(whole: Encoded, found: Encoding, first: int, begin: int) -> None:
    whole.ids.extend(found.ids[first:])
    whole.offsets.starts.extend(begin + start for start, _ in found.offsets[first:])
    whole.offsets.ends.extend(begin + end for _, end in found.offsets[first:])


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder, for the text of books.

    For `encode`; offsets are code points of the text.

    Raises:
        ModelUnavailable: the folder has no readable tokenizer.json.
    """
    file = folder / "tokenizer.json"
    try:
        return _load(file, file.stat().st_mtime_ns)
    except OSError as error:
        raise ModelUnavailable(
            f"The model in {folder} has no tokenizer.json, so its text cannot be counted. "
            "Save it again with a fast tokenizer, or choose another model."
        ) from error


def count_tokens(folder: Path, text: str) -> int:
    """How many tokens the text has for this model, special tokens not counted.

    Raises:
        ModelUnavailable: as `load_tokenizer`.
    """
    return len(encode(load_tokenizer(folder), text).ids)


@lru_cache(maxsize=4)
def _load(file: Path, changed: int) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception for a file it cannot parse
        raise ModelUnavailable(f"{file} cannot be read as a tokenizer: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer
