"""The key of an adapter: what it was made of, as one sha256.

Two lifts with the same key are the same lift, so the second one is never trained. Torch-free.
"""

from __future__ import annotations

import hashlib
import json

from lift_app.lifting.recipe import Recipe
from lift_app.template import TEMPLATE_VERSION


def adapter_key(
    *,
    owner: str,
    text_sha256: str,
    title: str,
    weights_sha256: str,
    quantisation: str | None,
    recipe: Recipe,
    start: str | None = None,
    template: int = TEMPLATE_VERSION,
) -> str:
    """sha256 of canonical JSON of everything that shapes an adapter, in hex.

    Args:
        owner: whose shelf it stands on; adapters are never shared between owners.
        text_sha256: hash of the book's text.
        title: title of the book; it stands in the prompt before each segment.
        weights_sha256: identity of the base model's weights.
        quantisation: `nf4`, or None.
        recipe: the resolved recipe.
        start: key of the pre-LIFT SFT start it is trained on, if any.
        template: version of the prompts; another one where the adapter came from elsewhere.
    """
    parts = {
        "owner": owner,
        "text": text_sha256,
        "title": title,
        "weights": weights_sha256,
        "quantisation": quantisation or "none",
        "start": start,
        "template": template,
        "recipe": recipe.sha256,
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
