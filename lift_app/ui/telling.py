"""Telling a reader what went wrong: in the program's words, never a stack trace."""

from __future__ import annotations

import logging

import gradio as gr

from lift_app.errors import LiftError
from lift_app.ui import words
from lift_app.ui.security import escape

log = logging.getLogger(__name__)


def tell(error: Exception) -> str:
    """Show an error to the reader in its own words; gives the words."""
    text = say(error)
    gr.Warning(escape(text), title=words.NOTE)
    return text


def say(error: Exception) -> str:
    """An error in words for the reader. Unexpected ones are logged."""
    if isinstance(error, LiftError):
        return str(error)
    log.error("unexpected error in the reading room", exc_info=error)
    return words.UNEXPECTED
