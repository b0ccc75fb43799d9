"""Starts the reading room: `python app.py`, and what Hugging Face Spaces runs."""

import os

from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.ui.app import serve
from lift_app.visitors.house import within_limits

if __name__ == "__main__":
    if "SPACE_ID" in os.environ:  # strangers come, in the frame of another site's page
        for name, value in (("HOST", "0.0.0.0"), ("SHARED", "yes"), ("FRAMED", "yes")):
            os.environ.setdefault(f"LIFT_{name}", value)
    settings = Settings.from_environment()
    settings = within_limits(settings) if settings.shared else settings
    with Reader(settings, preload=True) as reader:
        serve(reader, settings, on_ready=lambda url: print(f"LIFT Reader: {url}"))  # noqa: T201
