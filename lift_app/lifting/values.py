"""Values: change fields of a frozen record of numbers, as `--set FIELD=VALUE` does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from lift_app.errors import CallerError

T = TypeVar("T")

_TRUTH = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


def with_values(record: T, values: Mapping[str, Any], what: str) -> T:
    """A copy of a dataclass with some fields changed; numbers may be given as text.

    Args:
        record: an instance; the types of its values are the types that are taken.
        values: by field.
        what: what a reader calls such a record.

    Raises:
        CallerError: a field is unknown or its value has the wrong type.
    """
    known: dict[str, Any] = {f.name: type(getattr(record, f.name)) for f in fields(record)}  # type: ignore[arg-type]
    changed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise CallerError(f"A {what} has no {name!r}. It has: {', '.join(known)}.")
        try:
            if known[name] is bool:
                changed[name] = _TRUTH[str(value).lower()]
            else:
                changed[name] = known[name](value)
                if isinstance(changed[name], float) and not math.isfinite(changed[name]):
                    raise ValueError
        except (TypeError, ValueError, KeyError, OverflowError):
            raise CallerError(
                f"{what.capitalize()}: {name} cannot be {str(value)[:40]!r}."
            ) from None
    return replace(record, **changed)  # type: ignore[type-var]
