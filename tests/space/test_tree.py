"""The tree of a Space: complete, pinned as the project is, and nobody else's files harmed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from lift_app.cli.main import main
from lift_app.errors import CallerError, LiftError
from lift_app.recording import Recording
from lift_app.space import place
from lift_app.space.hardware import CPU, HARDWARE, ZEROGPU
from lift_app.space.place import settings_here
from lift_app.space.requirements import pins, requirements
from lift_app.space.tree import LARGEST, PROJECT, write_tree
from lift_app.space.zero import lent_gpu

EMBEDDED = "smollm2-135m-instruct"


def head_of(folder: Path) -> dict[str, Any]:
    _, head, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(head)
    return found


def normal(requirement: str) -> str:
    return requirement.partition(";")[0].replace("_", "-").lower().strip()


@pytest.mark.parametrize("hardware", HARDWARE.values(), ids=list(HARDWARE))
def test_requirements_are_the_projects_at_the_versions_of_its_constraints(hardware: Any) -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {normal(d).split(">")[0].split("<")[0].split("=")[0] for d in declared}
    lines = requirements(PROJECT, hardware)
    written = {normal(line).split("==")[0]: normal(line).split("==")[1] for line in lines}
    extra = {normal(pin).split("==")[0]: normal(pin).split("==")[1] for pin in hardware.instead}
    assert set(written) == names | set(extra)
    constrained = {name: normal(pin).split("==")[1] for name, pin in pins(PROJECT).items()}
    assert written == {name: extra.get(name, constrained.get(name)) for name in written}
    assert len(lines) == len(written)
    assert ("spaces" in written) == (hardware == ZEROGPU)


def test_a_dependency_without_a_pin_is_told(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["gradio>=6", "new_one>1"]')
    (tmp_path / "constraints.txt").write_text("gradio==6.31.0\n")
    with pytest.raises(LiftError, match="no version of new-one"):
        requirements(tmp_path, CPU)


@pytest.mark.parametrize("hardware", HARDWARE)
def test_the_tree_is_complete(tmp_path: Path, hardware: str) -> None:
    out = tmp_path / "space"
    result = CliRunner().invoke(
        main, ["space", "--out", str(out), "--hardware", hardware, "--json"]
    )
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert written["files"] == len(files) < 1000
    assert written["bytes"] == sum(path.stat().st_size for path in files.values()) < 50e6
    head = head_of(out)
    assert head["sdk"] == "gradio"
    assert f"gradio=={head['sdk_version']}" in (out / "requirements.txt").read_text().splitlines()
    assert head["python_version"] == "3.12"
    assert head["suggested_hardware"] == HARDWARE[hardware].flavor
    assert head["models"] == ["HuggingFaceTB/SmolLM2-135M-Instruct"]
    assert head["hf_oauth"] is False
    assert len(head["short_description"]) <= 60
    assert (out / head["app_file"]).read_bytes() == (PROJECT / "app.py").read_bytes()
    assert ("GPU minutes" in (out / "README.md").read_text()) == (hardware == "zerogpu")
    # The sample book comes learned, and the model stands on its start.
    recording = Recording.read(out / "data" / "demo")
    assert recording is not None and recording == Recording(
        out / "data" / "demo", **{k: v for k, v in vars(Recording.read()).items() if k != "folder"}
    )
    assert "lift_app/starts/reader/adapter_model.safetensors" in files
    large = [name for name, path in files.items() if path.stat().st_size > LARGEST]
    assert all(name.endswith(".safetensors") for name in large)
    assert "*.safetensors filter=lfs" in (out / ".gitattributes").read_text()
    assert not [name for name in files if "__pycache__" in name or name.startswith("tests/")]


def test_the_trees_own_program_runs(tmp_path: Path) -> None:
    """It is the package of the tree that runs there, and it finds the sample book beside it."""
    write_tree(tmp_path / "space", "cpu", EMBEDDED)
    code = (
        "import lift_app, sys; from lift_app.recording import Recording; import lift_app.ui;"
        "from lift_app.space.place import settings_here;"
        "print(lift_app.__file__, Recording.read() is not None, 'torch' in sys.modules,"
        " settings_here().model)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "space",
        env={"SPACE_ID": "reader/lift", "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [
        str(tmp_path / "space" / "lift_app" / "__init__.py"), "True", "False", EMBEDDED,
    ], done.stderr  # fmt: skip


def test_another_model_comes_from_the_hub_ahead(tmp_path: Path) -> None:
    write_tree(tmp_path, "gpu", "Qwen/Qwen3-1.7B")
    head = head_of(tmp_path)
    assert head["models"] == head["preload_from_hub"] == ["Qwen/Qwen3-1.7B"]
    with pytest.raises(LiftError, match="no base model"):
        write_tree(tmp_path / "other", "gpu", "no such model")
    assert not (tmp_path / "other").exists()


def test_a_second_run_replaces_its_own_files_and_no_others(tmp_path: Path) -> None:
    write_tree(tmp_path, "cpu", EMBEDDED)
    listed = json.loads((tmp_path / "space.json").read_text())
    listed["files"] += ["lift_app/gone.py", "../outside.txt"]
    (tmp_path / "space.json").write_text(json.dumps(listed))
    (tmp_path / "lift_app" / "gone.py").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    outside = tmp_path.parent / "outside.txt"
    outside.write_text("mine")
    write_tree(tmp_path, "zerogpu", EMBEDDED)
    assert head_of(tmp_path)["suggested_hardware"] == "zero-a10g"
    assert not (tmp_path / "lift_app" / "gone.py").exists()
    assert (tmp_path / "notes.txt").read_text() == outside.read_text() == "mine"
    outside.unlink()


@pytest.mark.parametrize("name", ["thesis.docx", "space.json", "README.md"])
def test_a_folder_that_is_no_space_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("# mine")
    result = CliRunner().invoke(main, ["space", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "Nothing was changed" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(CallerError):
        write_tree(tmp_path / name, "cpu", EMBEDDED)


def test_a_space_that_was_just_made_on_the_hub_is_filled(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitattributes").write_text("*.bin filter=lfs")
    (tmp_path / "README.md").write_text("---\ntitle: Reader\nsdk: gradio\n---\n")
    write_tree(tmp_path, "cpu", EMBEDDED)
    assert head_of(tmp_path)["title"] == "LIFT Reader"


def test_settings_of_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = {"LIFT_HOME": str(tmp_path)}
    at_home = settings_here(home)
    assert (at_home.host, at_home.shared, at_home.framed) == ("127.0.0.1", False, False)
    monkeypatch.setattr(place, "MOUNT", tmp_path / "nothing")
    space = settings_here({**home, "SPACE_ID": "reader/lift"})
    assert (space.host, space.shared, space.framed) == ("0.0.0.0", True, True)
    assert space.bucket == Path()
    monkeypatch.setattr(place, "MOUNT", tmp_path)
    mounted = settings_here({**home, "SPACE_ID": "reader/lift", "LIFT_VISITOR_BOOKS": "3"})
    assert mounted.bucket == tmp_path / "lift-reader"
    assert mounted.visitor_books == 3
    named = settings_here({**home, "SPACE_ID": "reader/lift", "LIFT_BUCKET": "/mnt/kept"})
    assert named.bucket == Path("/mnt/kept")


def test_no_gpu_is_lent_elsewhere() -> None:
    assert lent_gpu() is None
