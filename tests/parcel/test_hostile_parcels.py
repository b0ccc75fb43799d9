"""Parcels made to do harm, or for somebody else: each is refused in a sentence, nothing stays."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from learned_shelf import make_start
from safetensors.torch import load_file, save_file
from tiny_model import make_tiny_model

from lift_app.errors import CallerError, LiftError
from lift_app.library.adapters import Adapters
from lift_app.parcel import manifest as words
from lift_app.reader import Reader

pytestmark = [pytest.mark.hostile, pytest.mark.parametrize("reader", ["mine"], indirect=True)]


def seen(reader: Reader) -> tuple[Any, ...]:
    """Everything on a shelf and in its folders of adapters and books."""
    folders = (reader.settings.adapters, reader.settings.books)
    files = [sorted(f.rglob("*")) if f.is_dir() else [] for f in folders]
    return reader.books(), reader.adapters(), files


def refused(reader: Reader, path: Path) -> CallerError:
    before = seen(reader)
    with pytest.raises(CallerError) as caught:
        reader.parcels.receive(path)
    assert seen(reader) == before
    assert "Nothing was kept" in str(caught.value)
    assert ".tmp-" not in str(caught.value)
    return caught.value


def seal(folder: Path) -> Path:
    """Make the manifest name the files as they are now: a liar's parcel is consistent."""
    told = json.loads((folder / words.MANIFEST).read_text())
    told["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in told["files"]
    }
    (folder / words.MANIFEST).write_text(json.dumps(told))
    return folder


def change(folder: Path, *path: str, value: Any) -> Path:
    """Change one value of the manifest."""
    told = json.loads((folder / words.MANIFEST).read_text())
    place = told
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    (folder / words.MANIFEST).write_text(json.dumps(told))
    return folder


def zip_of(folder: Path, *more: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = folder.parent / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for file in sorted(folder.iterdir()):
            made.write(file, file.name)
        for name, data in more:
            made.writestr(name, data)
    return path


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("book.md")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("../evil.json", "outside"),
        ("/etc/evil", "outside"),
        ("a/b.json", "in a folder"),
        ("C:evil", "outside"),
        ("adapter_model.bin", "pickle"),
        ("notes.txt", "does not belong"),
        (words.CONFIG, "twice"),
        (link(), "no plain file"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_more_than_a_parcel(
    exported: tuple[str, Path], other: Reader, entry: Any, why: str, tmp_path: Path
) -> None:
    assert why in str(refused(other, zip_of(exported[1], (entry, b"x"))))
    assert not (tmp_path / "evil.json").exists()


def test_a_bomb_is_not_unpacked(exported: tuple[str, Path], other: Reader) -> None:
    folder = exported[1]
    (folder / words.WEIGHTS).write_bytes(bytes(64 * 2**20))
    bomb = zip_of(seal(folder))
    assert bomb.stat().st_size < 2**20
    assert "larger than it can be" in str(refused(other, bomb))


def test_a_size_that_is_a_lie(exported: tuple[str, Path], other: Reader) -> None:
    folder = exported[1]
    (folder / words.WEIGHTS).write_bytes(bytes(64 * 2**20))
    path = zip_of(seal(folder))
    data = path.read_bytes()
    true = (64 * 2**20).to_bytes(4, "little")
    path.write_bytes(data.replace(true, (2**16).to_bytes(4, "little")))
    refused(other, path)


def test_a_folder_with_a_link(exported: tuple[str, Path], other: Reader, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("mine alone")
    book = next(exported[1].glob("book.*"))
    book.unlink()
    book.symlink_to(secret)
    assert "no plain file" in str(refused(other, exported[1]))


def tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> None:
    held = load_file(folder / words.WEIGHTS)
    edit(held)
    save_file(held, folder / words.WEIGHTS)


def _nan(held: dict[str, torch.Tensor]) -> None:
    next(iter(held.values()))[0, 0] = float("nan")


def _shape(held: dict[str, torch.Tensor]) -> None:
    name = next(iter(held))
    held[name] = held[name][:, :-1].contiguous()


def _missing(held: dict[str, torch.Tensor]) -> None:
    held.pop(next(iter(held)))


def _start(held: dict[str, torch.Tensor]) -> None:
    name = next(name for name in held if "q_proj.lora_A" in name)
    held[name][0] += 1


@pytest.mark.parametrize(
    ("edit", "why"),
    [(_nan, "no number"), (_shape, "shape"), (_missing, "missing"), (_start, "the start")],
)
def test_weights_that_are_not_what_they_should_be(
    exported: tuple[str, Path], other: Reader, edit: Any, why: str
) -> None:
    tensors(exported[1], edit)
    assert why in str(refused(other, seal(exported[1])))


def test_no_safetensors(exported: tuple[str, Path], other: Reader) -> None:
    (exported[1] / words.WEIGHTS).write_bytes(b"\x80\x04K\x01.")
    assert "damaged" in str(refused(other, seal(exported[1])))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("format",), "something", "not the manifest"),
        (("version",), 99, "newest"),
        (("adapter", "rank"), 4, "rank"),
        (("adapter", "alpha"), float("inf"), "inf"),
        (("adapter", "target_modules"), ["no_such_layer"], "layers"),
        (("book", "title"), 7, "name"),
        (("book", "file"), "../book.md", "name of the book"),
        (("book", "text_sha256"), "0" * 64, "another text"),
        (("base", "weights_sha256"), "0" * 64, "made on the base model"),
        (("base", "name"), "../../etc", "path"),
        (("start",), None, "rank"),
        (("start", "sha256"), "0" * 64, "start"),
        (("summary", "seconds"), "<script>", "no number"),
        (("summary", "guard"), {"strength": 9}, "damaged"),
        (("files", "manifest.json"), "0" * 64, "no other file"),
        (("files", words.RECIPE), "0" * 64, "not the file"),
    ],
)
def test_a_manifest_that_lies(
    exported: tuple[str, Path], other: Reader, path: tuple[str, ...], value: Any, why: str
) -> None:
    with pytest.raises(CallerError) as caught:
        other.parcels.receive(change(exported[1], *path, value=value))
    assert why in str(caught.value)
    assert other.books() == other.adapters() == []
    assert list(other.settings.adapters.glob("*")) == []


def test_another_base(exported: tuple[str, Path], other: Reader, tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "another", seed=3)
    make_start(replace(other.settings, model=str(model)), seed=6)
    with Reader(replace(other.settings, model=str(model), start="mine")) as reader:
        error = refused(reader, exported[1])
    assert error.code == "base_mismatch" and "weights" in str(error)


def test_a_shelf_that_cannot_be_written_keeps_no_book(
    exported: tuple[str, Path], other: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LiftError("the disk is full", code="disk_full")

    monkeypatch.setattr(Adapters, "publish", fail)
    with pytest.raises(LiftError, match="full"):
        other.parcels.receive(exported[1])
    assert other.books() == other.adapters() == []
    assert list(other.settings.adapters.glob("*")) == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_never_gets_through(
    exported: tuple[str, Path], other: Reader, place: float, flip: int
) -> None:
    path = exported[1].parent / "whole.zip"
    if not path.exists():
        zip_of(exported[1]).rename(path)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= flip
    (damaged := path.with_name("damaged.zip")).write_bytes(data)
    try:
        came = other.parcels.receive(damaged)
    except CallerError:
        assert other.books() == other.adapters() == []
        return
    # A byte that says nothing, such as a time: then everything is as it was sent.
    other.library.adapters.verify(came["adapter"])
    other.rm(came["book"])


def told(folder: Path, name: str, /, **values: Any) -> None:
    """Change values of a JSON file at its top."""
    kept = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**kept, **values}))


def stored_as(kind: torch.dtype) -> Callable[[Path], None]:
    def store(folder: Path) -> None:
        tensors(folder, lambda held: held.update({n: one.to(kind) for n, one in held.items()}))

    return store


def _huge(folder: Path) -> None:
    tensors(folder, lambda h: h.update({n: torch.full_like(o, 3e38) for n, o in h.items()}))


def _header(folder: Path) -> None:
    (folder / words.WEIGHTS).write_bytes((2**62).to_bytes(8, "little") + b"{}")


def _overlap(folder: Path) -> None:
    """Every tensor is made of the same bytes."""
    data = (folder / words.WEIGHTS).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    for entry in header.values():
        if "data_offsets" in entry:
            first, last = entry["data_offsets"]
            entry["data_offsets"] = [0, last - first]
    packed = json.dumps(header).encode()
    (folder / words.WEIGHTS).write_bytes(len(packed).to_bytes(8, "little") + packed + data[8:])


ODD: list[tuple[Callable[[Path], object], str]] = [
    (stored_as(torch.float8_e4m3fn), "start|float8"),
    (stored_as(torch.float64), "larger than it can be|float64"),
    (stored_as(torch.int32), "start|int32"),
    (_huge, "start|larger than any"),
    (_header, "damaged"),
    (_overlap, "damaged"),
    (lambda folder: (folder / words.CONFIG).write_text("[" * 200_000), "damaged"),
    (lambda folder: (folder / words.RECIPE).write_text("[" * 200_000), "no JSON"),
    (lambda folder: (folder / words.RECIPE).write_text("[1]"), "damaged"),
    (lambda folder: told(folder, words.CONFIG, target_modules=5), "layers"),
    (lambda folder: told(folder, words.CONFIG, target_modules=[1, {}]), "layers"),
    (lambda folder: told(folder, words.CONFIG, target_modules={"a": 1}), "layers"),
    (lambda folder: told(folder, words.CONFIG, lora_alpha=float("nan")), "alpha"),
    (lambda folder: told(folder, words.CONFIG, lora_alpha=10**400), "alpha"),
    (lambda folder: told(folder, words.CONFIG, r=True), "rank"),
    (lambda folder: told(folder, words.CONFIG, auto_mapping={"a": "b"}, r=[3]), "rank"),
    (lambda folder: told(folder, words.RECIPE, learning_rate=float("nan")), "learning_rate"),
    (lambda folder: told(folder, words.RECIPE, epochs=float("inf")), "epochs"),
    (lambda folder: told(folder, words.RECIPE, name="x" * 10_000), "too long"),
    (lambda folder: told(folder, words.RECIPE, name="\x1b[2J"), "line"),
    (lambda folder: change(folder, "book", "title", value="a\x1b[2J\u202eb"), "line"),
    (lambda folder: change(folder, "base", "name", value="a\x1b[2Jb"), "line"),
    (lambda folder: change(folder, "adapter", "template", value=1e308), "number"),
    (lambda folder: change(folder, "adapter", "rank", value=True), "rank"),
    (lambda folder: (folder / "\x1b[2J.txt").write_text("x"), "does not belong"),
]


def test_a_parcel_of_a_liar_is_refused_in_plain_words(
    exported: tuple[str, Path], other: Reader, tmp_path: Path
) -> None:
    """Each is consistent: the manifest names the files as they are."""
    for number, (spoil, why) in enumerate(ODD):
        folder = tmp_path / f"odd-{number}"
        shutil.copytree(exported[1], folder)
        spoil(folder)
        error = str(refused(other, seal(folder)))
        assert re.search(why, error), (number, error)
        assert len(error) < 1500 and not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", error), (
            number
        )
