"""The three ways to open the app: none goes past the visitors' limits or the word of warning."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from serving import ROOT

from lift_app.cli.main import main
from lift_app.visitors.house import READ_SECONDS

pytestmark = pytest.mark.isolation


def serve_command() -> str:
    return CliRunner().invoke(main, ["serve"], catch_exceptions=False).output


def demo_command() -> str:
    return CliRunner().invoke(main, ["demo"], catch_exceptions=False).output


def space() -> str:
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    return ""


@pytest.mark.parametrize(
    ("opens", "shared"), [(serve_command, True), (demo_command, False), (space, True)]
)
def test_every_way_in_has_the_limits_and_the_warning(
    opens: Any,
    shared: bool,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (("HOME", tmp_path), ("MODEL", tiny_model), ("SHARED", "yes")):
        monkeypatch.setenv(f"LIFT_{name}", str(value))
    monkeypatch.setenv("LIFT_HOST", "0.0.0.0")
    served: list[Any] = []
    monkeypatch.setattr(
        "lift_app.ui.app.serve", lambda reader, settings, **_: served.append((reader, settings))
    )
    monkeypatch.setattr("signal.signal", lambda *_: None)
    said = opens() + capsys.readouterr().out
    [(reader, settings)] = served
    assert reader.settings is settings and settings.shared is shared
    assert (settings.read_seconds == READ_SECONDS) is shared
    assert ("shelf of their own" if shared else "there is one shelf") in said


def test_gradio_is_imported_without_writing_stubs() -> None:
    """Half of the wait for the first page, for files that only editors read."""
    watch = (
        "import inspect, sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda name, of: name == 'open' and opened.append(str(of[0])))\n"
        "import lift_app.ui.app, gradio\n"
        "assert not [path for path in opened if path.endswith('.pyi')]\n"
        "assert inspect.getfile(gradio.Textbox).endswith('textbox.py')\n"
    )
    subprocess.run([sys.executable, "-c", watch], check=True, timeout=120)
