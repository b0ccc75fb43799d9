"""Starts the reading room: `python app.py`, and what Hugging Face Spaces runs."""

import os

from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.ui.app import serve

if __name__ == "__main__":
    os.environ.setdefault("LIFT_HOST", "0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1")
    settings = Settings.from_environment()
    with Reader(settings, preload=True) as reader:
        serve(reader, settings, on_ready=lambda url: print(f"LIFT Reader: {url}"))  # noqa: T201
