"""Place: whether this is a Space, and the settings that hold there unless it says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lift_app.models.identity import read_json
from lift_app.settings import Settings
from lift_app.space.tree import LIST

MOUNT = Path("/data")
"""Where a bucket is looked for that no variable names."""
_ROOT = Path(__file__).resolve().parent.parent.parent


def is_space(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the hub runs this process."""
    return bool(environ.get("SPACE_ID"))


def settings_here(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings; on a Space strangers come, in the frame of another site's page.

    Raises:
        CallerError: as `Settings.from_environment`.
    """
    if not is_space(environ):
        return Settings.from_environment(environ)
    defaults = {"LIFT_HOST": "0.0.0.0", "LIFT_SHARED": "yes", "LIFT_FRAMED": "yes"}
    written = read_json(_ROOT / LIST)
    if isinstance(written.get("model"), str):
        defaults["LIFT_MODEL"] = written["model"]
    if MOUNT.is_dir() and os.access(MOUNT, os.W_OK):
        defaults["LIFT_BUCKET"] = str(MOUNT / "lift-reader")
    return Settings.from_environment({**defaults, **environ})
