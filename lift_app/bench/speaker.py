"""Speaker: who answers in a bench, the server where one is named, else this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lift_app.answering.voice import OwnVoice, Voice
from lift_app.reader import Reader
from lift_app.serving.exchange import Exchange

T = TypeVar("T")


def with_voice(reader: Reader, work: Callable[[Voice, str | None], T], key: str | None = None) -> T:
    """Do something with a voice, and with what it calls an adapter.

    Args:
        reader: whose settings may name a server.
        work: gets the voice, and the adapter of `key`.
        key: of an adapter on the reader's shelf; None for an arm without one.
    """
    model = reader.settings.model
    if not reader.settings.server:
        engine = reader.engine()
        return engine.submit(
            lambda host: work(OwnVoice(host), engine.slot_for(host, key)), model=model
        ).result()
    exchange = Exchange(reader.library, reader.settings)
    try:
        adapters = reader.library.adapters
        return exchange.submit(
            lambda voice: work(voice, key), model=model, adapters=adapters
        ).result()
    finally:
        exchange.close()
