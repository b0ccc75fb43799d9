"""Requirements: what a Space installs, as the project declares it and its constraints pin it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from lift_app.errors import LiftError
from lift_app.space.hardware import Hardware

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def requirements(project: Path, hardware: Hardware) -> list[str]:
    """The lines of `requirements.txt`: each dependency of the project at its pinned version.

    Args:
        project: folder with `pyproject.toml` and `constraints.txt`.
        hardware: its own pins come instead of those of the same name.

    Raises:
        LiftError: a dependency has no pin.
    """
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = pins(project) | {_key(pin): pin for pin in hardware.instead}
    lines = []
    for dependency in declared["dependencies"]:
        _, semicolon, marker = dependency.partition(";")
        key = _key(dependency)
        if key not in known:
            raise LiftError(f"constraints.txt has no version of {key}; add one.")
        lines.append(known.pop(key) + (f"; {marker.strip()}" if semicolon else ""))
    lines += [pin for pin in hardware.instead if _key(pin) in known]
    return sorted(lines, key=str.lower)


def pins(project: Path) -> dict[str, str]:
    """`NAME==VERSION` of each package in the constraints, by its normal name."""
    lines = (project / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {_key(line): line.strip() for line in lines if _NAME.match(line)}


def version_of(project: Path, name: str) -> str:
    """The pinned version of a package."""
    return pins(project)[name].partition("==")[2]


def _key(requirement: str) -> str:
    """A package's name as indexes compare it: `huggingface_hub` is `huggingface-hub`."""
    found = _NAME.match(requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()
