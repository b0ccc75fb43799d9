"""Forgetting: what Gradio keeps of a window goes when the doorkeeper closes it.

Gradio keeps a state of each name that it hears, and messages until somebody listens; left alone it
forgets whatever was not used for longest, whoever it is of. The one place that knows how it keeps
them.
"""

from __future__ import annotations

from typing import Any

from gradio.routes import App


async def forget(app: Any, window: str) -> None:
    """Drop a window's state, its waiting events and its unheard messages.

    Args:
        app: of the request; another than Gradio's keeps nothing.
        window: its name. If it is used again, it begins anew.
    """
    if not isinstance(app, App):
        return
    states = app.state_holder
    with states.lock:
        states.session_data.pop(window, None)
        states.time_last_used.pop(window, None)
    queue = app.get_blocks()._queue
    await queue.clean_events(session_hash=window)
    queue.pending_messages_per_session.pop(window, None)
    queue.pending_event_ids_session.pop(window, None)
