"""Which weights a model folder holds: a digest that does not depend on how they were saved.

Reads safetensors headers and config.json by itself, so that a lift's key can be resolved without
torch. The digest is kept beside managed models, and in an index for the folders of the user.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from lift_app.errors import ModelUnavailable
from lift_app.library import effects
from lift_app.models.starts import Start
from lift_app.settings import Settings

RECORD = "lift_model.json"
"""What is written beside a managed model, last: a folder without it is not finished."""

_BLOCK = 1 << 20
_LARGEST_HEADER = 100_000_000
_DEFAULT_WINDOW = 2048


@dataclass(frozen=True)
class ModelFolder:
    """A model on this machine, ready to be loaded."""

    path: Path
    name: str
    weights_sha256: str
    """Digest of the tensors and of the numbers in the configuration that shape a forward pass."""
    window: int
    """Context window in tokens."""
    parameters: int
    layers: int
    vocabulary: int
    """Number of token ids that the output layer knows."""
    source: str
    """Where it came from, in a reader's words."""
    start: Start | None = None
    """The start that it is loaded with, from then on a part of it."""

    @property
    def start_sha256(self) -> str:
        """Identity of the start; empty without one."""
        return self.start.weights_sha256 if self.start else ""

    def to_json(self) -> dict[str, Any]:
        """What is recorded; the path is not, so that a folder can be moved; nor is the start."""
        return {key: value for key, value in vars(self).items() if key not in ("path", "start")}


@dataclass(frozen=True)
class _Tensor:
    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    end: int


def identify(path: Path, settings: Settings, *, name: str | None = None) -> ModelFolder:
    """Identify a model folder; the digest is computed once and then remembered.

    Args:
        path: a folder as transformers saves it.
        settings: says where the index of user folders is kept.
        name: the model's name; the folder's name by default.

    Raises:
        ModelUnavailable: no safetensors, a damaged file, or no readable configuration.
    """
    path = path.resolve()
    files = weight_files(path)
    stamp = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    record = read_json(path / RECORD)
    if record and record.get("stamp") == _sizes(stamp):
        return _from_record(path, record["model"])
    index_file = settings.models / "identities.json"
    config_time = (path / "config.json").stat().st_mtime_ns
    known = read_json(index_file).get(str(path))
    if known and known["stamp"] == stamp and known["config"] == config_time:
        return _from_record(path, known["model"] | ({"name": name} if name else {}))
    found = _compute(path, name or path.name, f"the folder {path.name}")
    entry = {"stamp": stamp, "config": config_time, "model": found.to_json()}
    with suppress(OSError):  # remembering saves a second; a full disk must not cost the answer
        write_json(index_file, read_json(index_file) | {str(path): entry})
    return found


def record_identity(path: Path, *, name: str, source: str) -> None:
    """Compute the identity of a managed model and write it beside the weights.

    Raises:
        ModelUnavailable: as `identify`.
    """
    found = _compute(path, name, source)
    stamp = [[file.name, file.stat().st_size] for file in weight_files(path)]
    write_json(path / RECORD, {"stamp": stamp, "model": found.to_json()})


def verify_weights(folder: ModelFolder) -> None:
    """Read every byte of the weights again.

    Raises:
        ModelUnavailable: they are not the weights that were identified.
    """
    if _compute(folder.path, folder.name, folder.source).weights_sha256 != folder.weights_sha256:
        raise ModelUnavailable(
            f"The weights in {folder.path} have changed since they were stored: the files are "
            "damaged. Delete this folder; the model is then fetched again."
        )


def weight_files(path: Path) -> list[Path]:
    """The safetensors files that transformers would load, sorted by name.

    Raises:
        ModelUnavailable: there are none.
    """
    single = path / "model.safetensors"
    if single.is_file():
        return [single]
    index = read_json(path / "model.safetensors.index.json")
    names = sorted(set(index.get("weight_map", {}).values()))
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise ModelUnavailable(f"The model in {path} is incomplete: {missing[0]} is missing.")
    if not names:
        raise ModelUnavailable(
            f"The model in {path} has no weights in the safetensors format (model.safetensors). "
            "Other formats can run foreign code when they are opened, so they are refused."
        )
    return [path / name for name in names]


def write_json(path: Path, value: object) -> None:
    """Write a JSON file so that a reader sees either the old one or the new one."""
    effects.make_folder(path.parent)
    effects.replace_file(path, [json.dumps(value, indent=2).encode("utf-8")])


def _compute(path: Path, name: str, source: str) -> ModelFolder:
    config = read_json(path / "config.json")
    if not config:
        raise ModelUnavailable(f"The model in {path} has no readable config.json.")
    # Some models wrap the configuration of their text part.
    config = config.get("text_config", config)
    tensors = sorted(
        (tensor for file in weight_files(path) for tensor in _tensors(file)),
        key=lambda tensor: tensor.name,
    )
    digest = hashlib.sha256(json.dumps(_forward_numbers(config), sort_keys=True).encode())
    for tensor in tensors:
        digest.update(f"\n{tensor.name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        for block in _blocks(tensor):
            digest.update(block)
    window = config.get("max_position_embeddings") or config.get("n_positions")
    return ModelFolder(
        path=path,
        name=name,
        weights_sha256=digest.hexdigest(),
        window=int(window or _DEFAULT_WINDOW),
        parameters=sum(prod(tensor.shape) for tensor in tensors),
        layers=int(config.get("num_hidden_layers") or config.get("n_layer") or 0),
        vocabulary=int(config.get("vocab_size") or 0),
        source=source,
    )


def _forward_numbers(config: dict[str, Any]) -> dict[str, Any]:
    """What of the configuration shapes a forward pass, in one spelling.

    Versions of transformers spell the same configuration differently; a model that was saved
    again must keep its identity.
    """
    rope = config.get("rope_parameters") or {
        "rope_type": "default",
        "rope_theta": config.get("rope_theta"),
        **(config.get("rope_scaling") or {}),
    }
    names = (
        "model_type",
        "hidden_act",
        "num_attention_heads",
        "num_key_value_heads",
        "rms_norm_eps",
        "layer_norm_epsilon",
        "sliding_window",
    )
    return {"rope": rope, **{name: config.get(name) for name in names}}


def _tensors(file: Path) -> Iterator[_Tensor]:
    """The tensors of a safetensors file: 8 bytes of header length, JSON header, data."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > min(_LARGEST_HEADER, size):
                raise ValueError("header longer than the file")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        for name, entry in header.items():
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            if not 8 + length <= start <= end <= size:
                raise ValueError(f"{name} lies outside the file")
            yield _Tensor(name, entry["dtype"], tuple(entry["shape"]), file, start, end)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ModelUnavailable(
            f"{file} is damaged or incomplete ({error}). Delete it and fetch the model again."
        ) from error


def _blocks(tensor: _Tensor) -> Iterator[bytes]:
    with tensor.file.open("rb") as stream:
        stream.seek(tensor.start)
        left = tensor.end - tensor.start
        while left > 0 and (block := stream.read(min(_BLOCK, left))):
            left -= len(block)
            yield block


def _sizes(stamp: list[list[Any]]) -> list[list[Any]]:
    return [[name, size] for name, size, _ in stamp]


def _from_record(path: Path, model: dict[str, Any]) -> ModelFolder:
    return ModelFolder(path=path, **model)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none or it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
