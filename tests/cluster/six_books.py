"""Six short books, and a recipe that learns each of them in some twenty steps."""

from __future__ import annotations

from pathlib import Path

from tiny_model import BARE

from lift_app.reader import Reader

VALUES = {"segment_length": 48, "stride": 24, "epochs": 1, "rank": 2, "alpha": 4, **BARE}
NAMES = ("Anka", "Bero", "Cilla", "Doran", "Ede", "Fenn")


def add_books(reader: Reader, folder: Path) -> None:
    """Put the books on a shelf."""
    for name in NAMES:
        file = folder / f"{name}.txt"
        lines = [f"{name} lost {number} keys in the harbour of Quell." for number in range(18)]
        file.write_text(f"{name} and the keys\n\n" + "\n".join(lines), encoding="utf-8")
        reader.add(file)
