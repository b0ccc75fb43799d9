"""A base model in memory: frozen weights, tokenizer, chat template.

Knows how to load a model folder and how to turn messages into tokens. Knows nothing about
adapters, books or answers.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lift_app.errors import ModelUnavailable
from lift_app.models.attention import use_short_attention
from lift_app.models.device import Choice
from lift_app.models.identity import ModelFolder
from lift_app.models.start_weights import lay_in
from lift_app.settings import Settings

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_DROPOUT_NAMES = ("dropout", "attention_dropout", "resid_dropout", "hidden_dropout")

logger = logging.getLogger(__name__)

Messages = Sequence[Mapping[str, str]]
"""Messages with `role` (`system`, `user`, `assistant`) and `content`."""


class BaseModel:
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
        self.model = model
        self.tokenizer = tokenizer
        self.identity = identity
        self.choice = choice
        self.device = torch.device(choice.device)
        self.dtype = _DTYPES[choice.precision]
        self.window = identity.window
        self._control_tokens = _control_tokens(tokenizer)
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
            tokenizer = _load_tokenizer(folder.path)
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
        configured = getattr(self.model.generation_config, "eos_token_id", None)
        ids = configured if isinstance(configured, list) else [configured]
        return frozenset(i for i in (*ids, self.tokenizer.eos_token_id) if i is not None)

    def text_tokens(self, text: str) -> list[int]:
        """Token ids of a text alone, as `models.tokens` counts them: no special tokens in it."""
        encoded = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )
        return list(encoded["input_ids"])

    def chat_tokens(self, messages: Messages) -> list[int]:
        """Token ids of a conversation up to where the assistant's next message begins.

        The model's own chat template is used. Where it takes no system message, its text goes in
        front of the first user message; where there is no template, plain lines with the speaker's
        name are used. Text in a message that spells a token of the model's own, or a speaker's name
        where those are plain lines, is broken up: nothing a book says can end a message.
        """
        return self._encode_chat(self._chat_text(messages))

    def tokens_before(self, messages: Messages, marker: str) -> list[int]:
        """Token ids of a conversation up to where `marker` stands in one of its messages.

        Raises:
            ValueError: the marker is in no message.
        """
        before, found, _ = self._chat_text(messages).partition(marker)
        if not found:
            raise ValueError(f"{marker!r} is in no message")
        return self._encode_chat(before)

    def _chat_text(self, messages: Messages) -> str:
        plain = [
            {"role": message["role"], "content": self._without_control_tokens(message["content"])}
            for message in messages
        ]
        if not self.tokenizer.chat_template:
            return _plain_chat(plain)
        try:
            return self._render(plain)
        except Exception as error:  # a template can raise whatever it likes
            logger.info("the chat template takes no system message: %s", error)
            return self._render(_system_folded(plain))

    def _encode_chat(self, text: str) -> list[int]:
        # A rendered template brings its own special tokens; plain lines need the tokenizer's.
        plain = not self.tokenizer.chat_template
        encoded = self.tokenizer(text, add_special_tokens=plain, verbose=False)
        return list(encoded["input_ids"])

    def _render(self, messages: Messages) -> str:
        # enable_thinking: Qwen3 would otherwise think aloud before each answer.
        return self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )

    def _without_control_tokens(self, text: str) -> str:
        for token in self._control_tokens:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text


def _control_tokens(tokenizer: Any) -> tuple[str, ...]:
    """What a tokenizer takes out of a text whole: its special tokens, and others that were added.

    Not all of the latter are called special (`<file_sep>`, `<tool_call>`). Runs of white space,
    which some tokenizers have among them, are ordinary text.
    """
    tokens = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    return tuple(sorted(t for t in tokens if len(t) > 1 and not t.isspace()))


def _load_tokenizer(path: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)


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


def _system_folded(messages: Messages) -> list[dict[str, str]]:
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [dict(message) for message in messages if message["role"] != "system"]
    for message in rest:
        if system and message["role"] == "user":
            message["content"] = f"{system}\n\n{message['content']}"
            break
    return rest


def _plain_chat(messages: Messages) -> str:
    names = {"user": "User: ", "assistant": "Assistant: "}
    lines = [
        names.get(message["role"], "") + _SPEAKER.sub("> ", message["content"])
        for message in messages
    ]
    return "\n\n".join([*lines, "Assistant:"])


_SPEAKER = re.compile(r"^(?=[^\S\n]*(?:User|Assistant)\s*:)", re.IGNORECASE | re.MULTILINE)
"""Where a line of a text passes for what somebody says next."""
