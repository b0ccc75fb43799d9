"""Starts the reading room: `python app.py`, and what Hugging Face Spaces runs."""

import os

from lift_app.settings import Settings
from lift_app.ui.app import open_reader, serve

if __name__ == "__main__":
    if "SPACE_ID" in os.environ:  # strangers come, in the frame of another site's page
        for name, value in (("HOST", "0.0.0.0"), ("SHARED", "yes"), ("FRAMED", "yes")):
            os.environ.setdefault(f"LIFT_{name}", value)
    with open_reader(Settings.from_environment(), print) as reader:
        serve(reader, reader.settings, on_ready=lambda url: print(f"LIFT Reader: {url}"))  # noqa: T201
