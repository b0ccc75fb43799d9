"""A worker: the same adapter as at home, from a machine that has no library."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load
from six_books import VALUES

from lift_app.cluster.assignment import Assignment, Plan
from lift_app.cluster.crate import Crate
from lift_app.cluster.worker import lift
from lift_app.errors import LiftError
from lift_app.models.adapter_file import WEIGHTS
from lift_app.reader import Reader


def same(crate: Crate, tensors: dict[str, torch.Tensor]) -> bool:
    """Whether a crate holds these weights, bit for bit."""
    found = load(crate.files[WEIGHTS])
    return found.keys() == tensors.keys() and all(torch.equal(found[n], tensors[n]) for n in found)


@pytest.fixture
def assignment(reader: Reader, plan: Callable[..., Plan], scratch: Path) -> Assignment:
    row = reader.library.books.find("anka")
    return Assignment.of(reader.library, row, plan(), reader.settings)


def test_a_worker_makes_what_this_machine_makes(
    reader: Reader, assignment: Assignment, scratch: Path
) -> None:
    events = list(lift(assignment))
    assert [event["stage"] for event in events][:3] == ["loading", "segments", "training"]
    made = events[-1]
    assert made["stage"] == "made" and made["summary"]["steps"] > 10
    *_, here = reader.tune("anka", values=VALUES)
    assert here["adapter"] == assignment.key
    shelved = reader.library.adapters.find(assignment.key)
    assert shelved is not None
    assert made["summary"]["segments"] == shelved.summary["segments"]
    stored = reader.library.adapters.folder(shelved.key) / WEIGHTS
    assert same(made["crate"], load(stored.read_bytes()))
    # Of the book nothing is left behind.
    assert not [path for path in scratch.rglob("*") if path.is_file()]


def test_a_second_try_goes_on_from_the_checkpoint(
    assignment: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(lift(assignment))[-1]
    monkeypatch.setenv("LIFT_CHECKPOINT_SECONDS", "0")
    first = lift(assignment)
    for event in first:
        if event.get("step") == 9 and "loss" in event:
            break
    first.close()  # as a worker that dies: nothing more is saved
    *events, made = lift(assignment)
    assert next(e["step"] for e in events if e["stage"] == "training") == 9
    assert same(made["crate"], load(whole["crate"].files[WEIGHTS]))


def test_what_goes_wrong_is_said(assignment: Assignment, scratch: Path) -> None:
    def said(**changes: object) -> dict[str, str]:
        [*_, last] = lift(dataclasses.replace(assignment, **changes))  # type: ignore[arg-type]
        assert last["stage"] == "failed"
        return last["error"]

    assert said(key="0" * 64)["code"] == "changed"  # another model here than the driver's, say
    assert said(model="/nowhere")["message"]
    assert "4-bit" in said(quantisation="nf4")["message"]
    with FileLock(scratch / "checkpoints" / assignment.key / "lock"):
        assert said()["code"] == "busy"


def test_a_crate_is_checked(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    (folder / "in").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"weights")
    (folder / "in" / "b.txt").write_bytes(b"")
    crate = Crate.of(folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    crate.unpack(copy)
    assert Crate.of(copy) == crate
    flipped = {**crate.files, "a.bin": b"weightz"}
    missing = {"in/b.txt": b""}
    strange = {**crate.files, "../c": b"x"}
    for files in (flipped, missing, strange):
        empty = tmp_path / f"empty-{len(files)}-{len(files.get('a.bin', b''))}"
        empty.mkdir()
        hashes = dataclasses.replace(crate, files=files).hashes
        if "../c" in files:
            hashes = {**hashes, "../c": "0"}
        with pytest.raises(LiftError, match="damaged"):
            Crate(files, hashes).unpack(empty)
        assert not list(empty.iterdir())
