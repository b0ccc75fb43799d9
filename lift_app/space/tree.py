"""Tree: the files of a Space, written into a folder that can be pushed to the hub.

The program is on no package index, so it travels as it is, with the sample book, its adapter and
the record of how that was learned. What was written is listed in `space.json`: a later run removes
what is no longer needed, and touches nothing else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lift_app.errors import CallerError
from lift_app.library import folders
from lift_app.recording import Recording
from lift_app.space.card import space_card
from lift_app.space.hardware import HARDWARE
from lift_app.space.requirements import requirements, version_of

LIST = "space.json"
PROJECT = Path(__file__).resolve().parent.parent.parent
"""The checkout: a Space is made from its files."""
NEEDED = ("pyproject.toml", "constraints.txt", "app.py", "LICENSE", "data/sample_book.md")
ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
"""The hub takes larger files by LFS alone."""
FRESH = {".git", ".gitattributes", "README.md"}
"""What a Space has that was just made on the hub's page."""
LARGEST = 10 * 2**20
"""Bytes of a file that the hub takes without LFS."""


def write_tree(out: Path, hardware: str, model: str) -> dict[str, Any]:
    """Write a Space.

    Args:
        out: a folder that is empty, new, a fresh Space's clone, or was written here before.
        hardware: a name of `HARDWARE`.
        model: base model of the Space; a name of the catalogue or a hub id.

    Returns:
        `folder`, `hardware`, `flavor`, `model`, `files` (how many) and `bytes`.

    Raises:
        CallerError: the folder holds something else; this is no checkout of the project.
    """
    missing = [name for name in NEEDED if not (PROJECT / name).is_file()]
    if missing or Recording.read() is None:
        raise CallerError(
            "A Space is made from a checkout of the project, and this installation lacks "
            f"{', '.join(missing) or 'the recording of the sample book'}. Clone the project, then "
            "run `lift space` in it."
        )
    before = _written_before(out)
    machine = HARDWARE[hardware]
    texts = {
        "README.md": space_card(machine, model, version_of(PROJECT, "gradio")),
        "requirements.txt": "\n".join(requirements(PROJECT, machine)) + "\n",
        ".gitattributes": ATTRIBUTES,
    }
    copied = sorted(_program())
    facts = {"hardware": hardware, "model": model}
    with folders.explained("The Space could not be written"):
        out.mkdir(parents=True, exist_ok=True)
        # First, so that what a killed run leaves is known to be ours.
        listed = json.dumps({**facts, "files": [*texts, *copied]}, indent=1)
        (out / LIST).write_text(listed + "\n", encoding="utf-8")
        for name in before - {*texts, *copied}:
            (out / name).unlink(missing_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text, encoding="utf-8")
        for name in copied:
            target = out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, target)
    written = [out / name for name in (LIST, *texts, *copied)]
    size = sum(path.stat().st_size for path in written)
    return {
        "folder": str(out),
        **facts,
        "flavor": machine.flavor,
        "files": len(written),
        "bytes": size,
    }


def _program() -> Iterator[str]:
    """Names, below the checkout, of the files that travel."""
    yield from ("app.py", "LICENSE", "data/README.md", "data/sample_book.md")
    for folder in ("lift_app", "data/demo"):
        for name, path in folders.files_in(PROJECT / folder):
            hidden = any(part.startswith((".", "__pycache__")) for part in Path(name).parts)
            if not hidden and path.suffix != ".pyc":
                yield f"{folder}/{name}"


def _written_before(out: Path) -> set[str]:
    """What an earlier run wrote into the folder. Raises CallerError: it holds something else."""
    if not out.exists():
        return set()
    there = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    if LIST in there:
        try:
            names = json.loads((out / LIST).read_text(encoding="utf-8"))["files"]
            return {name for name in names if not {"..", "/", ""} & set(Path(name).parts)}
        except (OSError, ValueError, KeyError, TypeError):
            pass  # another program's file of that name
    elif out.is_dir() and there <= FRESH and (not there - {".git"} or _is_space(out)):
        return set()
    raise CallerError(
        f"{out} is there and holds something that `lift space` has not written "
        f"({', '.join(sorted(there)[:3])}). Nothing was changed; name another folder with --out.",
        code="not_a_space",
    )


def _is_space(out: Path) -> bool:
    """Whether the README is one that the hub makes for a new Space."""
    try:
        text = (out / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return text.startswith("---") and "\nsdk:" in text
