from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import make_tiny_model

from lift_app.models import AdapterHost, BaseModel, Choice, identify
from lift_app.settings import Settings

CPU = Choice("cpu", "fp32", None, "fp32: a test.")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def load_base(tiny_folder: Path, tmp_path: Path) -> Callable[..., BaseModel]:
    """Load a tiny base model: the shared one, or another folder, in another precision."""

    def load(folder: Path = tiny_folder, choice: Choice = CPU) -> BaseModel:
        settings = Settings(home=tmp_path / "home")
        return BaseModel.load(identify(folder, settings), choice, settings)

    return load


@pytest.fixture
def host(load_base: Callable[..., BaseModel]) -> AdapterHost:
    return AdapterHost(load_base())
