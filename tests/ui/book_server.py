"""Serves the reading room over real books: `python book_server.py HOME [FILE ...]`."""

from __future__ import annotations

import sys
from pathlib import Path

from book_reader import BookReader

from lift_app.settings import Settings
from lift_app.ui.app import serve

if __name__ == "__main__":
    settings = Settings(home=Path(sys.argv[1]), port=0)
    with BookReader(settings) as reader:
        for file in sys.argv[2:]:
            reader.add(file)
        serve(reader, settings, on_ready=lambda url: print(f"READY {url}", flush=True))
