"""Models of the hub, against a stand-in of it that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import COMMIT, REPO, HubStandIn

from lift_app.errors import ModelUnavailable, Stopped
from lift_app.models import ModelProgress, ensure_model
from lift_app.settings import Settings


@pytest.fixture
def hub(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """The stand-in, which every child process takes for the hub; a fresh cache."""
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_HUB_ENABLE_HF_TRANSFER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HubStandIn.of_folder(tiny_folder).serving() as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        yield stand_in


def test_fetches_once_what_is_wanted_and_nothing_else(hub: HubStandIn, settings: Settings) -> None:
    hub.files["pytorch_model.bin"] = b"pickle"
    hub.files["onnx/model.safetensors"] = b"another format"
    hub.files["README.md"] = b"words"
    events: list[ModelProgress] = []
    found = ensure_model(REPO, settings, events.append)
    assert found.name == REPO
    assert found.window == 512
    assert found.path.name == COMMIT
    names = {path.name for path in found.path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert not names & {"pytorch_model.bin", "onnx", "README.md"}
    assert events[-1].stage == "ready"
    assert not any("agent" in path or "telemetry" in path for path, _ in hub.requests)
    asked = len(hub.requests)
    assert ensure_model(REPO, settings) == found
    assert len(hub.requests) == asked, "a model that is here needs no network"


def test_broken_download_goes_on_where_it_stopped_and_knows_its_total(
    hub: HubStandIn, settings: Settings
) -> None:
    # The hub's client writes 10 MiB at a time.
    content = bytes(range(256)) * 100_000
    hub.files["tokenizer_extra.json"] = content
    hub.break_after = 12_000_000
    events: list[ModelProgress] = []
    found = ensure_model(REPO, settings, events.append)
    starts = [int(asked.split("=")[1].split("-")[0]) for _, asked in hub.requests if asked]
    assert any(0 < start <= 12_000_000 for start in starts)
    assert (found.path / "tokenizer_extra.json").read_bytes() == content
    expected = sum(len(content) for content in hub.files.values())
    known = [event for event in events if event.stage == "download" and event.total]
    assert {event.total for event in known} <= {expected}
    assert all(event.done <= expected for event in known)


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (403, "GatedRepo", "accept its licence: open its page on the hub, accept, then log in"),
        (404, "RepoNotFound", "knows no model"),
        (500, "", "status 500"),
    ],
)
def test_refusals_of_the_hub_are_told_in_words(
    hub: HubStandIn, settings: Settings, status: int, code: str, sentence: str
) -> None:
    hub.refuse = (status, code)
    with pytest.raises(ModelUnavailable) as caught:
        ensure_model(REPO, settings)
    message = str(caught.value)
    assert sentence in message
    assert "Tried the Hugging Face hub" in message
    assert "LIFT_MODEL" in message
    assert "Traceback" not in message


def test_unreachable_hub_is_told_in_words(
    hub: HubStandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match="the hub does not answer"):
        ensure_model(REPO, settings)


def test_copy_in_the_cache_is_used_when_the_hub_is_away(
    hub: HubStandIn, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ensure_model(REPO, settings)
    other_home = Settings(home=tmp_path / "other")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert ensure_model(REPO, other_home).weights_sha256 == found.weights_sha256
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert ensure_model(REPO, Settings(home=tmp_path / "third")).path == found.path


def test_repository_without_safetensors_is_refused(hub: HubStandIn, settings: Settings) -> None:
    hub.files["pytorch_model.bin"] = hub.files.pop("model.safetensors")
    with pytest.raises(ModelUnavailable, match="no weights in the safetensors format"):
        ensure_model(REPO, settings)


def test_cancelling_ends_the_fetch(hub: HubStandIn, settings: Settings) -> None:
    def cancel(event: ModelProgress) -> None:
        raise Stopped("The reader changed their mind.")

    with pytest.raises(Stopped):
        ensure_model(REPO, settings, cancel)
    assert ensure_model(REPO, settings).window == 512
