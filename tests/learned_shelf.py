"""A shelf with a learned book, without a lift: adapter and start are random numbers."""

from __future__ import annotations

import hashlib
import json

import torch
from tiny_model import BARE

from lift_app.lifting.key import adapter_key
from lift_app.lifting.recipe import resolve_recipe
from lift_app.models import AdapterHost, BaseModel
from lift_app.models.device import Choice
from lift_app.models.provision import require_local
from lift_app.models.starts import CARD, WEIGHTS, folder_of
from lift_app.reader import Reader
from lift_app.settings import Settings

CHOICE = Choice("cpu", "fp32", None, "a test")
SUMMARY = {"steps": 3, "loss": 2.5, "tokens_trained": 9, "seconds": 1.5, "guard": None}
VALUES = {"rank": 3, "alpha": 7, "segment_length": 64, "stride": 64, **BARE}


def noise(host: AdapterHost, slot: str, scale: float = 0.1) -> None:
    """Fill a slot with random numbers."""
    state = {n: torch.randn(t.shape) * scale for n, t in host.state(slot).items()}
    host.load_state(slot, state)


def host_of(settings: Settings, ref: str | None = None) -> AdapterHost:
    """The base of these settings, or of a reference, in memory."""
    folder = require_local(ref or settings.model, settings)
    return AdapterHost(BaseModel.load(folder, CHOICE, settings))


def make_start(settings: Settings, name: str = "mine", seed: int = 5) -> None:
    """A start of random numbers that says what a trained one says."""
    host, folder = host_of(settings), folder_of(name, settings)
    host.reset("start", 2, 6, targets=("q_proj", "down_proj"))
    torch.manual_seed(seed)
    noise(host, "start")
    host.save("start", folder, half=True)
    card = {
        "base_sha256": host.base.identity.weights_sha256,
        "weights_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
    }
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")


def learned(reader: Reader, book: str, seed: int = 1) -> str:
    """Put an adapter on the shelf, under the key that a lift would have; gives the key."""
    folder = reader.present_model()
    recipe = resolve_recipe("quick", window=folder.window, values=VALUES)
    row = reader.library.books.get(book)
    key = adapter_key(
        owner=row.owner,
        text_sha256=row.text_sha256,
        title=row.title,
        weights_sha256=folder.weights_sha256,
        quantisation=None,
        recipe=recipe,
        start=folder.start_sha256 or None,
    )
    host = host_of(reader.settings)
    host.reset("lift", recipe.rank, recipe.alpha, seed=seed)
    torch.manual_seed(seed)
    noise(host, "lift")
    staged = reader.library.adapters.staging_folder(key)
    host.save("lift", staged)
    reader.library.adapters.publish(
        key,
        staged,
        book_id=row.id,
        model=reader.settings.model,
        recipe=recipe.to_json(),
        summary={**SUMMARY, "segments": [2.5, None]},
    )
    return key
