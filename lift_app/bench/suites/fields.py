"""Fields of a line of benchmark data, checked as they are taken.

What is wrong is raised as ValueError or KeyError; whoever reads the file adds its name and line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lift_app.errors import CallerError

T = TypeVar("T")
Row = Mapping[str, Any]

csv.field_size_limit(1 << 27)  # a whole story is one field in the released tables


def name_of(row: Row, *names: str) -> str:
    """The first of these fields that is there; the first of all where none is."""
    return next((name for name in names if name in row), names[0])


def text_of(row: Row, *names: str) -> str:
    """The text of the first field that is there.

    Raises:
        KeyError: none is there; names the first.
        ValueError: it holds no text.
    """
    name = name_of(row, *names)
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"the field {name!r} is no text")
    if not value.strip():
        raise ValueError(f"the field {name!r} is empty")
    return value


def texts_of(row: Row, *names: str) -> tuple[str, ...]:
    """The texts of the first field that is there: a list, or a single text.

    Raises:
        KeyError: none is there; names the first.
        ValueError: it is no list of texts, or has none.
    """
    name = name_of(row, *names)
    value = row[name]
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(v, str) for v in values):
        raise ValueError(f"the field {name!r} is no list of texts")
    found = tuple(dict.fromkeys(v.strip() for v in values if v.strip()))
    if not found:
        raise ValueError(f"the field {name!r} has no text")
    return found


def rows_of(row: Row, *names: str) -> list[Row]:
    """The objects in the first field that is there.

    Raises:
        KeyError: none is there; names the first.
        ValueError: it is no list of objects.
    """
    name = name_of(row, *names)
    value = row[name]
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"the field {name!r} is no list of objects")
    return value


def numbers_of(row: Row, *names: str) -> tuple[int, ...]:
    """The whole numbers in the first field that is there.

    Raises:
        KeyError: none is there; names the first.
        ValueError: it is no list of whole numbers.
    """
    name = name_of(row, *names)
    value = row[name]
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        raise ValueError(f"the field {name!r} is no list of whole numbers")
    return tuple(value)


def sections_of(row: Row, name: str, sections: Sequence[str]) -> tuple[str, ...]:
    """The sections whose numbers, counted from 0, a field has; none without the field.

    Raises:
        ValueError: it is no list of whole numbers, or a section is not there.
    """
    numbers = numbers_of(row, name) if name in row else ()
    for number in numbers:
        if not 0 <= number < len(sections):
            raise ValueError(f"{name!r} names section {number}, but there are {len(sections)}")
    return tuple(sections[number] for number in numbers)


def file_name(text: str) -> str:
    """A text as an id that can name a file."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_")[:100] or "document"


def parse_table(file: Path, parse: Callable[[Row], T]) -> Iterator[T]:
    """What `parse` makes of each row of a `.csv` file with a header.

    Raises:
        CallerError: a row is not what it should be; the message names the file and the line.
    """
    line = 1
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            reader = csv.DictReader(opened)
            for row in reader:
                line = reader.line_num
                yield parse(row)
    except KeyError as error:
        raise CallerError(f"{file}, line {line}: the field {error} is missing.") from None
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise CallerError(f"{file}, line {line}, cannot be read: {error}.") from None
