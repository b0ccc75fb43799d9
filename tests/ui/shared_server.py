"""Serves a shared app: `python shared_server.py HOME MODEL framed|plain`.

Everything is real but the model: an answer is the sentence of the asker's own book that fits.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from book_reader import read_out

from lift_app.reader import Reader
from lift_app.settings import Settings
from lift_app.ui.app import serve
from lift_app.visitors.house import within_limits

if __name__ == "__main__":
    settings = within_limits(
        Settings(
            home=Path(sys.argv[1]),
            model=sys.argv[2],
            port=0,
            shared=True,
            framed=sys.argv[3] == "framed",
            visitor_questions=600,
            visitor_mb=4,
        )
    )
    with Reader(settings) as reader:

        def ask(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
            library = reader.library.for_owner(arguments["owner"])
            slow = 0.2 if "slowly" in arguments["question"] else 0.0
            for event in read_out(library, arguments["book"], arguments["question"], None, slow):
                if halted := arguments["owner"] in stopped:
                    stopped.discard(arguments["owner"])
                if halted and "text" in event:
                    return
                yield event

        stopped: set[str] = set()
        reader._access.ask = ask  # type: ignore[method-assign]
        reader._access.stop_answers = stopped.add  # type: ignore[method-assign]
        serve(reader, settings, on_ready=lambda url: print(f"READY {url}", flush=True))
