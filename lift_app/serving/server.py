"""Server: the HTTP of an OpenAI-compatible server, and what goes wrong with it, at the cause.

Prompts go as token ids to `/v1/completions`, so that they are the very prompts of our own model.
What is beyond the standard is vLLM's: adapters loaded at run time, token ids in the answer, the
likelihood of named tokens. Knows nothing about books, prompts or what an adapter was made of.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lift_app.errors import CallerError, LiftError, ServerAway

CONNECT_SECONDS = 5.0
LOAD_SECONDS = 120.0
"""For an adapter to be read by the server."""
MOST_NAMED = 128
"""Tokens whose likelihood is asked for at once; vLLM takes no more."""
FORBIDDEN = -100.0
"""Bias of a token that must not come next."""


@dataclass(frozen=True)
class ServedModel:
    """A base model as the server lists it."""

    name: str
    root: str
    """Folder or hub id that it was loaded from; empty where the server does not say."""
    window: int | None


@dataclass(frozen=True)
class Piece:
    """What came at once of an answer."""

    text: str
    tokens: tuple[int, ...]
    """Empty where the server gives no token ids."""
    likelihoods: tuple[float, ...]
    """Log-likelihood of each token, in nats."""


class NoSuchModel(LiftError):
    """The server has no base model or adapter of a name: it may have been started anew."""

    code = "no_such_model"


class Server:
    """One server. Safe between threads: each question has a connection of its own.

    Args:
        url: with or without `/v1`.
        seconds: longest wait for the next piece of an answer.
        named: whether errors name the address and say what the server said: not to visitors.
    """

    def __init__(self, url: str, seconds: float, *, named: bool = True) -> None:
        if not re.match(r"https?://[^/\s]+", url):
            raise CallerError(
                f"The server's address is {url!r}, but it must begin with http:// or https://."
            )
        self.url = re.sub(r"(/v1)?/*$", "", url)
        self.called = f"The server at {self.url}" if named else "The server of this app"
        """In errors."""
        self._named = named
        self._seconds = seconds
        key = os.environ.get("OPENAI_API_KEY")
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    def close(self) -> None:
        """Let go of all connections."""
        self._client.close()

    def models(self) -> list[ServedModel]:
        """The base models that the server has; adapters on them are left out.

        Raises:
            ServerAway: it cannot be reached.
            LiftError: what answers is no such server (code `no_server`).
        """
        with self._told():
            reply = self._client.get("/v1/models")
            self._check(reply)
            try:
                found = [
                    ServedModel(str(e["id"]), str(e.get("root") or ""), e.get("max_model_len"))
                    for e in reply.json()["data"]
                    if not e.get("parent")
                ]
            except (ValueError, KeyError, TypeError) as error:
                raise LiftError(
                    f"{self.called} is no OpenAI-compatible one ({error!r}).",
                    code="no_server",
                ) from error
        return found

    def load_adapter(self, name: str, folder: Path) -> None:
        """Have an adapter loaded; one of that name that is there already stays.

        Raises:
            ServerAway: it cannot be reached.
            LiftError: it takes none (codes `adapters_off`, `rank_too_high`), or not this one
                (`adapter_refused`).
        """
        with self._told():
            reply = self._client.post(
                "/v1/load_lora_adapter",
                json={"lora_name": name, "lora_path": str(folder)},
                timeout=httpx.Timeout(max(LOAD_SECONDS, self._seconds), connect=CONNECT_SECONDS),
            )
        if reply.is_success or "already been loaded" in reply.text:
            return
        raise self._adapter_error(reply)

    def unload_adapter(self, name: str) -> None:
        """Have an adapter forgotten; one that is not there is fine.

        Raises:
            ServerAway: it cannot be reached.
        """
        with self._told():
            self._client.post("/v1/unload_lora_adapter", json={"lora_name": name})

    def write(
        self, model: str, prompt: Sequence[int], max_tokens: int, forbidden: Collection[int] = ()
    ) -> Generator[Piece]:
        """What the model finds likeliest after a prompt, piece by piece. Closing it ends the work.

        Args:
            model: a base model or an adapter.
            prompt: token ids.
            max_tokens: most tokens to write.
            forbidden: tokens that must not be written.

        Raises:
            ServerAway: it cannot be reached, or is silent for too long.
            NoSuchModel: the server has not, or no longer, what `model` names.
        """
        body: dict[str, Any] = {
            "model": model,
            "prompt": list(prompt),
            "max_tokens": max_tokens,
            "temperature": 0,
            "logprobs": 0,
            "stream": True,
            "return_token_ids": True,
        }
        if forbidden:
            body["logit_bias"] = {str(token): FORBIDDEN for token in forbidden}
        with self._told(), self._client.stream("POST", "/v1/completions", json=body) as reply:
            if not reply.is_success:
                reply.read()
            self._check(reply)
            for line in reply.iter_lines():
                data = line.removeprefix("data:").strip()
                if line.startswith("data:") and data == "[DONE]":
                    return
                if line.startswith("data:"):
                    yield self._piece(json.loads(data))
            raise ServerAway(f"{self.called} broke off in the middle of an answer.")

    def likelihoods(
        self, model: str, prompts: Sequence[Sequence[int]], named: Sequence[int]
    ) -> list[dict[int, float]]:
        """How likely the model finds each of the named tokens after each prompt.

        Args:
            model: a base model or an adapter.
            prompts: token ids of each.
            named: `MOST_NAMED` token ids at most.

        Returns:
            For each prompt: token -> log-likelihood, in nats.

        Raises:
            ServerAway: it cannot be reached, or is silent for too long.
            LiftError: it cannot tell (code `server_too_old`).
        """
        body = {
            "model": model,
            "prompt": [list(prompt) for prompt in prompts],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 0,
            "logprob_token_ids": list(named),
            "return_tokens_as_token_ids": True,
        }
        with self._told():
            reply = self._client.post("/v1/completions", json=body)
            self._check(reply)
        try:
            choices = sorted(reply.json()["choices"], key=lambda choice: choice["index"])
            found = [
                {int(n.removeprefix("token_id:")): float(v) for n, v in first.items()}
                for first in (choice["logprobs"]["top_logprobs"][0] for choice in choices)
            ]
            if len(found) != len(prompts) or any(not set(named) <= set(one) for one in found):
                raise ValueError("tokens are missing")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise LiftError(
                f"{self.called} does not say how likely it finds a given token "
                f"({error}), which an answer on a start needs. Use vLLM 0.32 or newer, or a base "
                "without a start (--start none).",
                code="server_too_old",
            ) from error
        return found

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the connection as a reader is told of them."""
        try:
            yield
        except httpx.TimeoutException as error:
            connecting = isinstance(error, httpx.ConnectTimeout)
            seconds = CONNECT_SECONDS if connecting else self._seconds
            raise ServerAway(
                f"{self.called} gave no sign for {seconds:g} seconds. It may be "
                "overloaded; wait longer with LIFT_SERVER_SECONDS, or ask again later."
            ) from error
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise ServerAway(
                f"{self.called} cannot be reached ({error or type(error).__name__}). "
                "Start it, or leave LIFT_SERVER and --server out."
            ) from error

    def _check(self, reply: httpx.Response) -> None:
        if reply.is_success:
            return
        said = self._said(reply)
        if reply.status_code in (401, 403):
            raise LiftError(
                f"{self.called} wants another key. Put it into OPENAI_API_KEY.",
                code="server_refused",
            )
        if reply.status_code == 404:
            raise NoSuchModel(f"{self.called} does not have what was asked for{self._quoted(said)}")
        if reply.status_code >= 500:
            raise ServerAway(
                f"{self.called} failed ({reply.status_code}). Its own log says why; start it "
                f"again{self._quoted(said)}"
            )
        raise LiftError(
            f"{self.called} refused the question{self._quoted(said)}", code="server_refused"
        )

    def _adapter_error(self, reply: httpx.Response) -> LiftError:
        """Why an adapter was not loaded, by the cause."""
        said = self._said(reply)
        if reply.status_code == 404 and "adapter" not in said.lower():  # no such address
            return LiftError(
                f"{self.called} loads no adapters at run time. Start vLLM with --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True.",
                code="adapters_off",
            )
        if "not enabled" in said.lower() or "enable_lora" in said.lower():
            return LiftError(
                f"{self.called} takes no adapters. Start vLLM with --enable-lora.",
                code="adapters_off",
            )
        if "rank" in said.lower():
            return LiftError(
                f"{self.called} takes no adapters of this rank. Start vLLM with a larger "
                f"--max-lora-rank{self._quoted(said)}",
                code="rank_too_high",
            )
        if "no adapter found" in said.lower() or "no such file" in said.lower():
            return LiftError(
                f"{self.called} cannot read what is written for it. Name a folder in "
                "LIFT_SERVER_FOLDER that it sees under the same path.",
                code="adapter_refused",
            )
        return LiftError(
            f"{self.called} did not take the adapter. It may serve another base model than "
            f"the one that the book was learned with{self._quoted(said)}",
            code="adapter_refused",
        )

    def _said(self, reply: httpx.Response) -> str:
        try:
            data = reply.json()
            error = data.get("error", data)
            said = error.get("message") or error.get("detail") if isinstance(error, dict) else error
        except (ValueError, AttributeError):
            said = reply.text
        return " ".join(str(said).split())[:300]

    def _quoted(self, said: str) -> str:
        """What the server said, for who may know it: it names folders of its machine."""
        return f": {said}" if self._named else "."

    def _piece(self, data: dict[str, Any]) -> Piece:
        if "error" in data:
            raise ServerAway(f"{self.called} failed in the middle of an answer.")
        choices = data.get("choices") or [{}]
        tokens = tuple(choices[0].get("token_ids") or ())
        found = (choices[0].get("logprobs") or {}).get("token_logprobs") or ()
        likelihoods = tuple(float(value or 0.0) for value in found)
        return Piece(
            text=choices[0].get("text") or "",
            tokens=tokens,
            likelihoods=likelihoods if len(likelihoods) == len(tokens) else (0.0,) * len(tokens),
        )
