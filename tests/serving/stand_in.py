"""A stand-in for vLLM: the requests that are used of it, answered by a tiny model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

from lift_app.errors import LiftError
from lift_app.models import AdapterHost, BaseModel
from lift_app.models.adapter_file import read_adapter
from lift_app.models.device import Choice
from lift_app.models.identity import identify
from lift_app.reader import Reader
from lift_app.settings import Settings


class StandIn:
    """Serves one base model on a free loopback port. Use it as a context manager.

    Args:
        model: folder of the base.
        runtime: whether adapters are loaded at run time.
        max_rank: of an adapter.
        extras: whether it says what vLLM says beyond the standard.
    """

    def __init__(
        self,
        model: Path,
        settings: Settings,
        *,
        runtime: bool = True,
        max_rank: int = 64,
        extras: bool = True,
        root: str | None = None,
    ) -> None:
        identity = identify(model, settings)
        choice = Choice("cpu", "fp32", None, "a test")
        self.host = AdapterHost(BaseModel.load(identity, choice, settings))
        self.model, self.root = model.name, str(model) if root is None else root
        self.runtime, self.max_rank, self.extras = runtime, max_rank, extras
        self.fail_after: int | None = None
        """Tokens after which the connection breaks."""
        self.pause = 0.0
        """Seconds before each token."""
        self.asked: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self._guard = threading.Lock()
        self._counting = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> StandIn:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be away from now on."""
        self._server.shutdown()
        self._server.server_close()

    def forget_all(self) -> None:
        """As a server that was started anew."""
        for slot in self.host.slots:
            self.drop(slot)

    def drop(self, slot: str) -> None:
        with self._guard:
            self.host.drop(slot)

    def load(self, name: str, folder: Path) -> tuple[int, str]:
        with self._guard:
            if name in self.host.slots:
                return 400, f"The lora adapter '{name}' has already been loaded."
            if not folder.is_dir():
                return 404, f"Loading lora {name} failed: No adapter found for {folder}"
            rank = read_adapter(folder).rank
            if rank > self.max_rank:
                return 500, f"LoRA rank {rank} is greater than max_lora_rank {self.max_rank}."
            try:
                self.host.load(name, folder)
            except LiftError as error:
                return 500, f"weights do not match: {error}"
        return 200, ""

    def next(self, name: str, ids: list[int], bias: dict[str, float]) -> tuple[int, Any]:
        """The likeliest next token, and the log-likelihood of each."""
        with self._guard:
            on = self.host.disabled() if name == self.model else self.host.active(name)
            with on as model, torch.no_grad():
                logits = model(input_ids=torch.tensor([ids])).logits[0, -1].float()
        biased = logits.clone()
        for token, value in bias.items():
            biased[int(token)] += value
        return int(biased.argmax()), torch.log_softmax(logits, dim=-1)

    def count(self, change: int) -> None:
        with self._counting:
            self.at_once += change
            self.most_at_once = max(self.most_at_once, self.at_once)


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = {"id": stand_in.model, "root": stand_in.root, "parent": None}
            loras = [{"id": slot, "parent": stand_in.model} for slot in stand_in.host.slots]
            self._json(200, {"data": [{**base, "max_model_len": 512}, *loras]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("lora_adapter") and not stand_in.runtime:
                self._json(404, {"detail": "Not Found"})
            elif self.path == "/v1/load_lora_adapter":
                status, said = stand_in.load(body["lora_name"], Path(body["lora_path"]))
                self._json(status, {"error": {"message": said}})
            elif self.path == "/v1/unload_lora_adapter":
                stand_in.drop(body["lora_name"])
                self._json(200, {})
            elif body["model"] not in (stand_in.model, *stand_in.host.slots):
                self._json(404, {"error": {"message": f"The model `{body['model']}` is not."}})
            else:
                stand_in.asked.append(body)
                stand_in.count(1)
                with suppress(ConnectionError):  # who asked has what was wanted
                    self._stream(body) if body.get("stream") else self._named(body)
                stand_in.count(-1)

        def _named(self, body: dict[str, Any]) -> None:
            choices = []
            for index, prompt in enumerate(body["prompt"]):
                _, likely = stand_in.next(body["model"], prompt, {})
                top = {f"token_id:{t}": float(likely[t]) for t in body["logprob_token_ids"]}
                told = {"top_logprobs": [top]} if stand_in.extras else None
                choices.append({"index": index, "text": "", "logprobs": told})
            self._json(200, {"choices": choices})

        def _stream(self, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.end_headers()
            ids = list(body["prompt"])
            for number in range(body["max_tokens"]):
                if number == stand_in.fail_after:
                    return
                time.sleep(stand_in.pause)
                token, likely = stand_in.next(body["model"], ids, body.get("logit_bias", {}))
                ended = token in stand_in.host.base.end_tokens
                choice: dict[str, Any] = {"text": stand_in.host.base.text_of([token])}
                if stand_in.extras:
                    choice["token_ids"] = [token]
                    choice["logprobs"] = {"token_logprobs": [float(likely[token])]}
                elif ended:
                    break
                self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
                self.wfile.flush()
                if ended:
                    break
                ids.append(token)
            self.wfile.write(b"data: [DONE]\n\n")

        def _json(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler


Serve = Callable[..., StandIn]
"""Starts a stand-in; options as of the class."""
Open = Callable[..., Reader]
"""Opens a reader of the library with or without a server, and with changed settings."""
