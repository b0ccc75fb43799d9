"""The README says what is there: every command, setting, make target and picture, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

from lift_app.cli.main import COMMANDS
from lift_app.lifting.recipe import RECIPES
from lift_app.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "lift_app").rglob("*.py"))


def test_every_command_is_documented_and_exists() -> None:
    code = re.findall(r"`lift ([^`]*)`", README)
    named = {word for text in code for word in re.split(r"\\\|", text.split()[0])}
    named |= {word for text in code if "|" in text for word in re.findall(r"[a-z]+", text)}
    assert set(COMMANDS) <= named | {"pause", "resume", "cancel"}
    first = {text.split()[0].split("\\")[0] for text in code}
    assert first <= set(COMMANDS)


def test_every_setting_is_documented_and_exists() -> None:
    named = set(re.findall(r"LIFT_[A-Z_]+", README)) - {"LIFT_SCREENSHOTS"}
    assert {name for name in named if not name.endswith("_")} == {
        f"LIFT_{field.name.upper()}" for field in fields(Settings)
    }


def test_every_recipe_is_documented() -> None:
    assert all(name in README for name in RECIPES)


def test_pictures_and_make_targets_exist() -> None:
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file(), picture
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"make ([a-z]+)", README)) <= set(targets)


def test_every_link_leads_somewhere() -> None:
    found = 0
    for page in [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            address = urlsplit(link)
            if address.scheme or not address.path:
                continue
            found += 1
            assert (page.parent / address.path).exists(), f"{page.name} links {link}"
    assert found > 30


def test_every_test_that_a_promise_names_exists() -> None:
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", README + security)
    assert len(named) > 15
    for path, test in named:
        assert f"def {test or 'test_'}" in (ROOT / path).read_text(encoding="utf-8"), (path, test)
    variables = {f"LIFT_{field.name.upper()}" for field in fields(Settings)}
    assert set(re.findall(r"LIFT_[A-Z_]+", security)) <= variables


def test_the_house_keeps_its_order() -> None:
    """Each part imports only from those above it in the README, and gradio stays in the app."""
    order = _architecture()
    parts = {path.relative_to(ROOT / "lift_app").parts[0].removesuffix(".py") for path in SOURCES}
    assert sorted(order) == sorted(parts - {"__init__"} | {"starts"})  # every part, and each once
    for path in SOURCES:
        parts = path.relative_to(ROOT / "lift_app").with_suffix("").parts
        if parts == ("__init__",):
            continue
        for name in re.findall(r"^\s*(?:from|import) lift_app\.(\w+)", path.read_text(), re.M):
            # The command line opens the app; everything else looks upwards only.
            if (parts[0], name) != ("cli", "ui"):
                assert order.index(name) <= order.index(parts[0]), f"{path} imports {name}"
        if parts[0] != "ui":
            assert not re.search(r"^\s*(?:from|import) gradio", path.read_text(), re.M), path


def _architecture() -> list[str]:
    """Names of the parts as the README lists them, from top to bottom."""
    listing = README.partition("\nlift_app/\n")[2].partition("\n```")[0]
    names = re.findall(r"^  (\w+(?:/?, \w+)*)/? ", listing, re.M)
    return [name for line in names for name in re.split(r"/?, ", line)]


def test_no_file_is_too_long_to_read() -> None:
    long = [path.name for path in SOURCES if len(path.read_text().splitlines()) > 440]
    assert long == []
