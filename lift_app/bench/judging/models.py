"""Judge models: an OpenAI-compatible endpoint, or a model on this machine. Both answer greedily.

They know messages and a name; they know nothing of answers, grades or files.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Protocol

import httpx

from lift_app.errors import CallerError, LiftError
from lift_app.models.starts import NONE
from lift_app.reader import Reader

VERDICT_TOKENS = 8
SECONDS = 120.0


class JudgeModel(Protocol):
    """Anything that can be asked and has a name."""

    name: str

    def say(self, prompt: str) -> str:
        """The reply to a prompt."""


class Endpoint:
    """A model behind `POST URL/chat/completions`. The key is taken from `OPENAI_API_KEY`.

    Args:
        model: its name at the endpoint.
        url: up to and without `/chat/completions`, such as `https://host/v1`.
    """

    def __init__(self, model: str, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise CallerError(f"The judge's address is {url!r}, but it must begin with http.")
        self.name = model
        self._url = f"{url.rstrip('/')}/chat/completions"
        key = os.environ.get("OPENAI_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=SECONDS, headers=headers)

    def say(self, prompt: str) -> str:
        """The reply, at temperature 0.

        Raises:
            LiftError: the endpoint cannot be reached, or its reply is none.
        """
        body = {
            "model": self.name,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": VERDICT_TOKENS,
        }
        try:
            reply = self._client.post(self._url, json=body)
            reply.raise_for_status()
            said: Any = reply.json()["choices"][0]["message"]["content"]
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            raise LiftError(
                f"The judge at {self._url} gave no verdict ({error}). Every answer and every "
                "verdict so far is kept: run the same command again.",
                code="judge_failed",
            ) from error
        return str(said or "")


class Local:
    """A base model of this machine, without adapter."""

    def __init__(self, reader: Reader, model: str) -> None:
        self.name = reader.reference(model, NONE)
        for _ in reader.fetch_model(self.name):
            pass
        self._reader = reader

    def say(self, prompt: str) -> str:
        """The greedy reply."""
        return (
            self._reader.engine().submit(lambda host: _say(host, prompt), model=self.name).result()
        )


def _say(host: Any, prompt: str) -> str:
    from lift_app.models.generation import generate

    base = host.base
    tokens = base.chat_tokens([{"role": "user", "content": prompt}])
    with host.disabled():
        return generate(
            base.model,
            tokens[-(base.window - VERDICT_TOKENS) :],
            tokenizer=base.tokenizer,
            end_tokens=base.end_tokens,
            max_tokens=VERDICT_TOKENS,
            on_text=lambda _: None,
            stop=threading.Event(),
        ).text


def find_judge(spec: str, reader: Reader) -> JudgeModel:
    """The judge that `MODEL@URL` or the name of a model means.

    Raises:
        CallerError: no such model, or an address that is none.
    """
    model, at, url = spec.partition("@")
    return Endpoint(model, url) if at else Local(reader, model)
