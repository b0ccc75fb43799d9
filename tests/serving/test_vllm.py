"""The real vLLM on this machine's CPU, with the embedded model: `make test-vllm` sets it up."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import torch
from learned_shelf import host_of, learned

from lift_app.answering.voice import OwnVoice
from lift_app.bench import load
from lift_app.lifting.packing import Row, pack, packed_losses
from lift_app.models.catalogue import EMBEDDED
from lift_app.reader import Reader
from lift_app.serving.exchange import Exchange
from lift_app.settings import Settings

VLLM = os.environ.get("LIFT_VLLM", "")
OPTIONS = "--enable-lora --max-loras 12 --max-model-len 2048"
OPTIONS += " --dtype bfloat16 --block-size 32 --max-num-batched-tokens 256 --enforce-eager"

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(not VLLM, reason="make test-vllm sets vLLM up"),
]


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a vLLM for adapters of a rank; its output is shown where it fails."""
    model = Settings.from_environment().models / EMBEDDED.slug
    if not model.is_dir():
        pytest.skip("the embedded model is not here: run `make model`")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "log.txt"
    environment = {
        **os.environ,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        # Large blocks of memory are kept instead of being given back and faulted in again.
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
    }
    command = [VLLM, "serve", str(model), *OPTIONS.split(), "--port", str(port)]
    command += ["--max-lora-rank", str(request.param)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 900
        while not _ready(url):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-4000:]
            time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/models", timeout=5).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def served(server: str, embedded_settings: Settings) -> Settings:
    return replace(embedded_settings, server=server, server_seconds=600, threads=1)


@pytest.mark.parametrize("server", [32], indirect=True)
def test_every_adapter_is_its_own_book_s(served: Settings, tmp_path: Path) -> None:
    """By the numbers: each is nearer to what its own adapter says here than to any other's."""
    rows = [Row((504, 1863, 314), (260, 1205, 1945, 282, 260))]
    with Reader(served) as reader:
        keys = []
        for number in range(3):
            path = tmp_path / f"{number}.md"
            path.write_text(load.text_of(number), encoding="utf-8")
            keys.append(learned(reader, reader.add(path)["id"], seed=number))
        host = host_of(replace(reader.settings, server=""))
        own = []
        for key in keys:
            host.load("answer", reader.library.adapters.folder(key))
            with host.active("answer", 0.5) as model, torch.no_grad():
                own.append(packed_losses(model, pack(rows)))
        exchange = Exchange(reader.library, reader.settings)
        line = exchange.line(reader.settings.model)
        assert line.served is not None, line.refusal
        for number, key in enumerate(keys):
            name = line.served.name_of(reader.library.adapters, key, 0.5)
            found = exchange.submit(
                lambda voice, name=name: voice._losses(name, [(rows[0].prompt, rows[0].answer)])[0],
                model=reader.settings.model,
                adapters=reader.library.adapters,
            ).result()
            apart = [float((torch.tensor(found) - one).abs().mean()) for one in own]
            assert apart[number] == min(apart) and apart[number] < 0.25, apart
        started = OwnVoice(host).losses(rows)[0]
        bare = exchange.submit(
            lambda voice: voice.losses(rows)[0],
            model=reader.settings.model,
            adapters=reader.library.adapters,
        ).result()
        assert bare == pytest.approx(started, abs=0.25)
        exchange.close()


@pytest.mark.parametrize("server", [8], indirect=True)
def test_fifty_questions_at_once_to_ten_books(served: Settings) -> None:
    result = load.run(
        replace(served, start="none", threads=2),
        books=10,
        questions=50,
        recipe="quick",
        values={"rank": 8, "alpha": 16},
        arm=None,
        progress=print,
    )
    print(load.table(result))
    for side in ("server", "local"):
        assert result[side]["foreign"] == 0
        assert result[side]["own"] >= 25
    assert result["ratio"] > 1
