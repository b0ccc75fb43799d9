"""The tokenizer of a model without the model: counting tokens takes no torch.

Text of a book is text: where it spells a special token (`<|im_end|>`), the characters are encoded
one by one, so a book can never end a message or begin one.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lift_app.errors import ModelUnavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder, for the text of books.

    Encode with `add_special_tokens=False`; offsets are code points of the text.

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
    return len(load_tokenizer(folder).encode(text, add_special_tokens=False).ids)


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
