"""BERTScore: how near the words of two texts are in the space of an encoder.

F of the greedy matching of token embeddings by cosine, without idf and without rescaling. The
encoder is not fetched: it is used where it is already on this machine (roberta-large at layer 17,
as the metric's authors recommend for English), and the metric is left out otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

ENCODER = "roberta-large"
LAYER = 17


class BertScore:
    """The metric with one encoder.

    Args:
        folder: an encoder that transformers can load.
        layer: whose states are compared; the embeddings are layer 0.
    """

    def __init__(self, folder: Path, layer: int = LAYER) -> None:
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModel.from_pretrained(folder, local_files_only=True)
        self._model = model.eval()
        self._layer = layer

    def __call__(self, answer: str, golds: Sequence[str]) -> float:
        """F against the reference that fits best; at most 1."""
        if not answer.strip():
            return 0.0
        said = self._states(answer)
        return max(self._f(said, self._states(gold)) for gold in golds)

    def _f(self, said: Any, gold: Any) -> float:
        nearness = said @ gold.T
        precision = nearness.max(dim=1).values.mean()
        recall = nearness.max(dim=0).values.mean()
        return (2 * precision * recall / (precision + recall)).item()

    def _states(self, text: str) -> Any:
        """(tokens, width): unit vectors of the tokens between the marks of begin and end."""
        import torch

        ids = self._tokenizer(text, return_tensors="pt", truncation=True, max_length=512)
        with torch.no_grad():
            out = self._model(**ids, output_hidden_states=True)
        states = out.hidden_states[self._layer][0]
        inner = states[1:-1] if len(states) > 2 else states
        return torch.nn.functional.normalize(inner, dim=-1)


@lru_cache(maxsize=1)
def find_bertscore() -> BertScore | None:
    """The metric with the recommended encoder; None where that is not on this machine."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(ENCODER, local_files_only=True)
        return BertScore(Path(folder))
    except (LocalEntryNotFoundError, OSError):
        return None
