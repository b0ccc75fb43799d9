"""Serves a shared app whose GPU is lent in slices: `python zero_server.py HOME MODEL`."""

from __future__ import annotations

import sys
from pathlib import Path

from zero import Zero

from lift_app.settings import Settings
from lift_app.ui.app import open_reader, serve

if __name__ == "__main__":
    settings = Settings(
        home=Path(sys.argv[1]), model=sys.argv[2], port=0, shared=True, slice_seconds=600
    )
    with open_reader(settings, print, Zero()) as reader:
        serve(reader, reader.settings, on_ready=lambda url: print(f"READY {url}", flush=True))
