"""Spelling: how a base model writes text in tokens: its tokenizer and chat template, no weights.

Enough to build a prompt for a model that is loaded elsewhere. Safe between threads: a tokenizer
holds settings that each call changes. Knows nothing about adapters, books or answers.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lift_app.errors import ModelUnavailable
from lift_app.models.identity import ModelFolder

logger = logging.getLogger(__name__)

Messages = Sequence[Mapping[str, str]]
"""Messages with `role` (`system`, `user`, `assistant`) and `content`."""


class Spelling:
    """The tokens of one base model.

    Attributes:
        tokenizer: its fast tokenizer.
        identity: which weights these are.
        window: context window in tokens.
    """

    def __init__(self, tokenizer: Any, identity: ModelFolder) -> None:
        self.tokenizer = tokenizer
        self.identity = identity
        self.window = identity.window
        self._control_tokens = _control_tokens(tokenizer)
        self._lock = threading.Lock()
        self._end_tokens: frozenset[int] | None = None

    @classmethod
    def read(cls, folder: ModelFolder) -> Spelling:
        """The spelling of a model folder, without its weights.

        Raises:
            ModelUnavailable: no tokenizer that can be read.
        """
        try:
            return cls(fast_tokenizer(folder.path), folder)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelUnavailable(
                f"The tokenizer in {folder.path} cannot be loaded: {error}. Delete the folder to "
                "fetch the model again."
            ) from error

    @property
    def end_tokens(self) -> frozenset[int]:
        """Token ids that end an answer."""
        if self._end_tokens is None:
            from transformers import AutoConfig, GenerationConfig

            path = self.identity.path
            try:
                config: Any = GenerationConfig.from_pretrained(path, local_files_only=True)
            except OSError:  # then the model's own configuration says, as when it is loaded
                config = AutoConfig.from_pretrained(path, local_files_only=True)
            self._end_tokens = self._ends(config)
        return self._end_tokens

    def _ends(self, config: Any) -> frozenset[int]:
        configured = getattr(config, "eos_token_id", None)
        ids = configured if isinstance(configured, list) else [configured]
        return frozenset(i for i in (*ids, self.tokenizer.eos_token_id) if i is not None)

    def text_tokens(self, text: str) -> list[int]:
        """Token ids of a text alone, as `models.tokens` counts them: no special tokens in it."""
        with self._lock:
            encoded = self.tokenizer(
                text, add_special_tokens=False, split_special_tokens=True, verbose=False
            )
        return list(encoded["input_ids"])

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text that tokens spell, without special tokens."""
        with self._lock:
            return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

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
        with self._lock:
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
    if tokenizer is None:  # of random weights, which are given token ids
        return ()
    tokens = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    return tuple(sorted(t for t in tokens if len(t) > 1 and not t.isspace()))


def fast_tokenizer(path: Path) -> Any:
    """The fast tokenizer of a model folder, without running code of it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)


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
