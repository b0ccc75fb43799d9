"""A base model in memory: frozen weights, tokenizer, chat template.

Knows how to load a model folder; how text becomes tokens is `spelling`'s. Knows nothing about
adapters, books or answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from lift_app.errors import ModelUnavailable
from lift_app.models.attention import use_short_attention
from lift_app.models.device import Choice
from lift_app.models.identity import ModelFolder
from lift_app.models.spelling import Spelling, fast_tokenizer
from lift_app.models.start_weights import lay_in
from lift_app.settings import Settings

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_DROPOUT_NAMES = ("dropout", "attention_dropout", "resid_dropout", "hidden_dropout")


class BaseModel(Spelling):
    """A loaded causal language model, frozen, without dropout.

    Attributes:
        model: the transformers model, in eval mode, no weight of it requires a gradient.
        tokenizer: its fast tokenizer.
        identity: which weights these are.
        choice: device and precision, with their reason.
        device: where its inputs belong.
        dtype: what it computes in.
        window: context window in tokens.
    """

    def __init__(self, model: Any, tokenizer: Any, identity: ModelFolder, choice: Choice) -> None:
        super().__init__(tokenizer, identity)
        self.model = model
        self.choice = choice
        self.device = torch.device(choice.device)
        self.dtype = _DTYPES[choice.precision]
        _freeze(model)
        use_short_attention(model)

    @classmethod
    def load(cls, folder: ModelFolder, choice: Choice, settings: Settings) -> BaseModel:
        """Load a model folder as chosen.

        Args:
            folder: from `ensure_model`.
            choice: from `choose_device`.
            settings: `threads` is the number of CPU threads, 0 for torch's own choice.

        Raises:
            ModelUnavailable: damaged or unknown files, too little memory, a missing package.
        """
        if settings.threads:
            torch.set_num_threads(settings.threads)
        if folder.start and choice.quantisation:
            raise ModelUnavailable(
                f"The start {folder.start.name} becomes part of the weights, which are not kept in "
                "full with 4 bits. Choose --start none, or LIFT_PRECISION=bf16."
            )
        try:
            tokenizer = fast_tokenizer(folder.path)
            model = _load_model(folder.path, choice)
            if folder.start:
                lay_in(model, folder.start)
        except ImportError as error:
            raise ModelUnavailable(
                f"The base model {folder.name} needs a package that is missing: {error}"
            ) from error
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise ModelUnavailable(
                f"The base model {folder.name} does not fit in memory in {choice.label}. Choose a "
                "smaller model (`lift models` shows what each needs) or LIFT_PRECISION=nf4."
            ) from error
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise ModelUnavailable(
                f"The base model in {folder.path} cannot be loaded: {error}. Choose a folder with "
                "a causal language model that transformers knows, or delete it to fetch it again."
            ) from error
        return cls(model, tokenizer, folder, choice)

    def moved(self, choice: Choice) -> BaseModel:
        """The same model on the device of `choice`; this object must not be used any more.

        Only its place changes: it was loaded in that precision, and some of its numbers are kept in
        a higher one.
        """
        return BaseModel(self.model.to(choice.device), self.tokenizer, self.identity, choice)

    @property
    def end_tokens(self) -> frozenset[int]:
        """Token ids that end an answer."""
        return self._ends(self.model.generation_config)


def _load_model(path: Path, choice: Choice) -> Any:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    dtype = _DTYPES[choice.precision]
    options: dict[str, Any] = {}
    if choice.quantisation == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        options["device_map"] = {"": choice.device}
    model: Any = AutoModelForCausalLM.from_pretrained(
        path,
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        **options,
    )
    return model if choice.quantisation else model.to(choice.device)


def _freeze(model: nn.Module) -> None:
    """No gradients and no dropout: a lift must not draw from any random generator."""
    model.requires_grad_(False)
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in _DROPOUT_NAMES:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
