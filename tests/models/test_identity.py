"""Identity of weights: the same for the same tensors, whatever the files look like."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model

from lift_app.errors import ModelUnavailable
from lift_app.models import ModelFolder, identify, identity, verify_weights
from lift_app.models.identity import RECORD, record_identity
from lift_app.settings import Settings


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_folder, tmp_path / "copy")


def _edit_config(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_says_what_is_in_the_folder(folder: Path, settings: Settings) -> None:
    found = identify(folder, settings)
    assert found.path == folder.resolve()
    assert found.name == "copy"
    assert (found.window, found.layers, found.vocabulary) == (512, 2, 259)
    assert found.parameters == sum(
        t.numel() for t in load_file(folder / "model.safetensors").values()
    )


def test_sharded_weights_and_another_version_of_the_library_keep_the_identity(
    folder: Path, settings: Settings
) -> None:
    before = identify(folder, settings)
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors, reverse=True)
    files = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({n: tensors[n] for n in names if files[n] == file}, folder / file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    config = json.loads((folder / "config.json").read_text())
    theta = config.pop("rope_parameters")["rope_theta"]
    (folder / "config.json").write_text(
        json.dumps(config | {"rope_theta": theta, "transformers_version": "4.0.0"})
    )
    assert identify(folder, settings).weights_sha256 == before.weights_sha256


def test_other_weights_and_other_arithmetic_are_another_identity(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    before = identify(folder, settings).weights_sha256
    other = make_tiny_model(tmp_path / "other", seed=1)
    assert identify(other, settings).weights_sha256 != before
    _edit_config(folder, rms_norm_eps=0.5)
    assert identify(folder, settings).weights_sha256 != before


def test_digest_is_computed_once(
    folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = identify(folder, settings)
    monkeypatch.setattr(identity, "_blocks", lambda tensor: pytest.fail("read the weights again"))
    assert identify(folder, settings) == first


def test_changed_file_is_noticed(folder: Path, settings: Settings) -> None:
    first = identify(folder, settings)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(1, 1))
    assert identify(folder, settings).weights_sha256 != first.weights_sha256


def test_managed_folder_carries_its_identity_and_can_move(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    record_identity(folder, name="a name", source="somewhere")
    first = identify(folder, settings)
    assert (first.name, first.source) == ("a name", "somewhere")
    moved = folder.rename(tmp_path / "moved")
    second = identify(moved, settings)
    assert second.weights_sha256 == first.weights_sha256
    assert second.path == moved.resolve()
    assert str(tmp_path) not in (moved / RECORD).read_text()


def test_verify_finds_a_flipped_bit(folder: Path, settings: Settings) -> None:
    record_identity(folder, name="a name", source="somewhere")
    found = identify(folder, settings)
    verify_weights(found)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelUnavailable, match="have changed"):
        verify_weights(found)


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])


def _garbage(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)


def _pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _missing_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, "damaged or incomplete"),
        (_garbage, "damaged or incomplete"),
        (_pickle, "no weights in the safetensors format"),
        (_missing_shard, r"incomplete: model-1\.safetensors is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "no readable config"),
    ],
)
def test_damaged_folders_are_told_in_words(
    folder: Path, settings: Settings, damage: object, message: str
) -> None:
    damage(folder)  # type: ignore[operator]
    with pytest.raises(ModelUnavailable, match=message):
        identify(folder, settings)


def test_damaged_index_is_computed_anew(folder: Path, settings: Settings) -> None:
    first = identify(folder, settings)
    (settings.models / "identities.json").write_text("{broken")
    assert identify(folder, settings) == first
    assert isinstance(first, ModelFolder)
