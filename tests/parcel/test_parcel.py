"""Parcels: what leaves a shelf works without this program, and comes back as it was."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from learned_shelf import host_of, learned
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from lift_app.cli.main import main
from lift_app.errors import CallerError, LiftError
from lift_app.models.catalogue import split_start
from lift_app.parcel.export import write_joined
from lift_app.parcel.manifest import WEIGHTS
from lift_app.reader import Reader

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"
IDS = torch.tensor([[5, 17, 99, 23, 200, 41, 7]])


def base_folder(reader: Reader) -> str:
    return split_start(reader.settings.model)[0]


def test_plain_peft_on_the_bare_base_gives_the_same_logits(
    reader: Reader, exported: tuple[str, Path]
) -> None:
    key, folder = exported
    host = host_of(reader.settings)
    host.load("answer", reader.library.adapters.folder(key))
    with host.active("answer") as model:
        expected = model(IDS).logits
    bare = AutoModelForCausalLM.from_pretrained(base_folder(reader), dtype=torch.float32)
    with torch.no_grad():
        assert not torch.allclose(bare(IDS).logits, expected, atol=1e-2)
        assert torch.allclose(
            PeftModel.from_pretrained(bare, folder)(IDS).logits, expected, atol=1e-4
        )


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_strength_scales_the_book_alone(
    reader: Reader, exported: tuple[str, Path], tmp_path: Path, strength: float
) -> None:
    key, _ = exported
    shelved = reader.library.adapters.folder(key)
    host = host_of(reader.settings)
    host.load("answer", shelved)
    with host.active("answer", strength) as model:
        expected = model(IDS).logits
    write_joined(tmp_path / "served", shelved, reader.present_model(), strength)
    bare = AutoModelForCausalLM.from_pretrained(base_folder(reader), dtype=torch.float32)
    with torch.no_grad():
        served = PeftModel.from_pretrained(bare, tmp_path / "served")(IDS).logits
    assert torch.allclose(served, expected, atol=1e-4)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_parcel_comes_onto_another_shelf_number_for_number(
    reader: Reader, exported: tuple[str, Path], other: Reader, tmp_path: Path, zipped: bool
) -> None:
    key, folder = exported
    if zipped:
        title = reader.books()[0]["title"]
        folder = Path(reader.parcels.export(title, tmp_path / "a.zip", with_book=True)["path"])
    came = other.parcels.receive(folder)
    assert came["new"] and came["book_new"]
    assert came["adapter"] != key  # another owner's: adapters are never shared
    assert other.library.adapters.verify(came["adapter"]).summary["imported"]
    mine, theirs = (
        load_file(r.library.adapters.folder(k) / WEIGHTS)
        for r, k in ((reader, key), (other, came["adapter"]))
    )
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    host_of(other.settings).load("answer", other.library.adapters.folder(came["adapter"]))
    assert other.books()[0]["learned"]
    again = other.parcels.receive(folder)
    assert (again["new"], again["adapter"]) == (False, came["adapter"])
    assert len(other.books()) == len(other.adapters()) == 1


def test_an_imported_lift_is_not_learned_again(reader: Reader, exported: tuple[str, Path]) -> None:
    key, folder = exported
    reader.library.adapters.delete(key)
    assert reader.parcels.receive(folder)["adapter"] == key  # the very lift that `tune` would make


def test_a_book_that_comes_later_is_found_by_its_text(
    reader: Reader, exported: tuple[str, Path], other: Reader, story: Path, tmp_path: Path
) -> None:
    bare = Path(reader.parcels.export(reader.books()[0]["id"], tmp_path / "bare.zip")["path"])
    with pytest.raises(CallerError, match="Add the same file first") as caught:
        other.parcels.receive(bare)
    assert caught.value.code == "no_book"
    assert other.books() == other.adapters() == []
    other.add(story)
    assert not other.parcels.receive(bare)["book_new"]


def test_what_cannot_be_exported(reader: Reader, story: Path, tmp_path: Path) -> None:
    book = reader.add(story)["id"]
    with pytest.raises(CallerError, match="not been learned"):
        reader.parcels.export(book, tmp_path / "out")
    key = learned(reader, book)
    (tmp_path / "out").mkdir()
    with pytest.raises(CallerError, match="there already"):
        reader.parcels.export(book, tmp_path / "out")
    file = reader.library.adapters.folder(key) / WEIGHTS
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(LiftError, match="damaged"):
        reader.parcels.export(book, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir() if ".tmp-" in path.name) == []
    assert not (tmp_path / "new").exists()


def test_a_parcel_names_nobody(reader: Reader, exported: tuple[str, Path]) -> None:
    words = "".join(path.read_text() for path in exported[1].glob("*.json"))
    assert str(reader.settings.home) not in words and reader.library.owner not in words
    assert base_folder(reader) not in words


def test_the_script_of_the_docs_runs(
    reader: Reader,
    exported: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    [script] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert len(script.splitlines()) <= 12 and "lift_app" not in script
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    arguments = ["script.py", base_folder(reader), str(exported[1]), "Who mended the bell?"]
    monkeypatch.setattr("sys.argv", arguments)
    runpy.run_path(str(tmp_path / "script.py"))
    assert capsys.readouterr().out.strip()


def test_export_and_import_on_the_command_line(
    reader: Reader,
    exported: tuple[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIFT_MODEL", reader.settings.model)
    run = CliRunner().invoke
    out = str(tmp_path / "one.zip")
    book = reader.books()[0]["id"]
    written = run(main, ["export", book, "--out", out, "--with-book", "--json"])
    assert json.loads(written.stdout)["path"] == out, written.output
    again = run(main, ["export", book, "--out", out, "--json"])
    assert again.exit_code == 2 and json.loads(again.stdout)["error"]["code"] == "exists"
    came = run(main, ["import", out, "--json"])
    assert json.loads(came.stdout)["new"] is False  # it is on this shelf
    assert run(main, ["import", str(tmp_path / "nothing.zip")]).exit_code == 2
