"""Serves the reading room over the fake Reader: `python fake_server.py HOME SECONDS_A_LIFT`."""

from __future__ import annotations

import sys
from pathlib import Path

from fake_reader import FakeReader

from lift_app.settings import Settings
from lift_app.ui.app import serve

if __name__ == "__main__":
    home = Path(sys.argv[1])
    serve(
        FakeReader(home, seconds_a_lift=float(sys.argv[2])),
        Settings(home=home, port=0, max_file_mb=1),
        on_ready=lambda url: print(f"READY {url}", flush=True),
    )
