"""The shelf of adapters: all or nothing, and every byte as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from faults import FaultAt

from lift_app.errors import LiftError, NotFound
from lift_app.library import effects

KEY = "ab" * 32


def leftovers(home):
    return sorted(path.name for path in (home / "adapters").glob("*"))


def test_a_published_adapter_is_on_the_shelf(library, add_book, publish, home):
    book = add_book()
    publish(book.id, KEY)
    row = library.adapters.find(KEY)
    assert row is not None
    assert (row.key, row.book_id, row.model, row.owner) == (KEY, book.id, "tiny", "local")
    assert row.recipe == {"name": "quick", "rank": 4}
    assert row.summary["segments"] == [1.0, 2.0]
    assert set(row.files) == {"adapter_model.safetensors", "adapter_config.json", "manifest.json"}
    folder = library.adapters.folder(KEY)
    assert row.bytes == sum(path.stat().st_size for path in folder.iterdir())
    manifest = json.loads((folder / "manifest.json").read_text())
    model = manifest["files"]["adapter_model.safetensors"]
    assert model == {"sha256": row.files["adapter_model.safetensors"], "bytes": 700}
    assert manifest["summary"]["steps"] == 3
    assert leftovers(home) == [KEY]
    assert library.adapters.verify(KEY) == row
    assert row.to_json()["key"] == KEY


def test_adapters_of_a_book_and_a_model(library, add_book, publish):
    one, two = add_book("one", title="One"), add_book("two", title="Two")
    publish(one.id, "k1")
    publish(one.id, "k2")
    publish(two.id, "k3")
    assert [row.key for row in library.adapters.for_book(one.id)] == ["k2", "k1"]
    assert [row.key for row in library.adapters.list()] == ["k3", "k2", "k1"]
    assert library.adapters.for_book(one.id, "other") == []
    assert len(library.adapters.for_book(one.id, "tiny")) == 2
    assert library.adapters.find("k9") is None


def test_publishing_again_keeps_the_one_that_is_there(library, add_book, publish, home):
    book = add_book()
    publish(book.id, KEY)
    before = library.adapters.find(KEY)
    inode = (library.adapters.folder(KEY) / "manifest.json").stat().st_ino
    publish(book.id, KEY)
    assert library.adapters.find(KEY) == before
    assert (library.adapters.folder(KEY) / "manifest.json").stat().st_ino == inode
    assert leftovers(home) == [KEY]


def test_publishing_again_replaces_a_damaged_one(library, add_book, publish):
    book = add_book()
    publish(book.id, KEY)
    (library.adapters.folder(KEY) / "adapter_config.json").unlink()
    publish(book.id, KEY)
    assert library.adapters.verify(KEY)


def flip(folder):
    path = folder / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[333] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip, "adapter_model.safetensors is not what was saved"),
        (lambda f: (f / "adapter_config.json").unlink(), "adapter_config.json is missing"),
        (lambda f: (f / "extra.bin").write_text(""), "extra.bin does not belong"),
        (lambda f: (f / "manifest.json").write_text("{}"), "manifest.json is not what was saved"),
        (lambda f: (f / "sub").mkdir() or (f / "sub" / "x").touch(), "sub/x does not belong"),
        (lambda f: f.rename(f.with_name(".tmp-away")), "its folder is missing"),
    ],
)
def test_any_damage_is_found_and_put_into_quarantine(
    library, add_book, publish, home, damage, message
):
    book = add_book()
    publish(book.id, KEY)
    damage(library.adapters.folder(KEY))
    with pytest.raises(LiftError, match=message) as raised:
        library.adapters.verify(KEY)
    assert raised.value.code == "damaged"
    assert library.adapters.find(KEY) is None
    assert not library.adapters.folder(KEY).exists()
    if "folder" not in message:
        assert len(list((home / "quarantine").glob(f"*/{book.id}/{KEY}-*"))) == 1
    with pytest.raises(NotFound):
        library.adapters.verify(KEY)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_to_the_right_bytes_is_damage_too(library, add_book, publish, tmp_path):
    publish(add_book().id, KEY)
    path = library.adapters.folder(KEY) / "adapter_config.json"
    (tmp_path / "elsewhere").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LiftError, match="not a plain file"):
        library.adapters.verify(KEY)


def publish_staged(library, staged, book_id):
    return library.adapters.publish(
        KEY, staged, book_id=book_id, model="tiny", recipe={}, summary={}
    )


def test_what_is_not_an_adapter_is_refused(library, add_book, tmp_path, home):
    book = add_book()
    with pytest.raises(ValueError, match="not in the folder"):
        publish_staged(library, tmp_path, book.id)
    with pytest.raises(ValueError, match="at least one file"):
        publish_staged(library, library.adapters.staging_folder(KEY), book.id)
    staged = library.adapters.staging_folder(KEY)
    (staged / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="not a plain file"):
        publish_staged(library, staged, book.id)
    assert leftovers(home) == [] and library.adapters.list() == []


def test_publishing_for_a_deleted_book(library, home):
    staged = library.adapters.staging_folder(KEY)
    (staged / "weights").write_text("w")
    with pytest.raises(NotFound, match="deleted while"):
        publish_staged(library, staged, "0" * 64)
    assert leftovers(home) == []


def test_every_failing_side_effect_leaves_a_whole_adapter_or_none(library, add_book, publish, home):
    book = add_book()
    faults = 0
    while True:
        fault = FaultAt(faults)
        try:
            with effects.announced_to(fault):
                publish(book.id, KEY)
        except LiftError:
            faults += 1
            assert library.adapters.find(KEY) is None
            assert leftovers(home) == []
            continue
        if not fault.failed:
            break
        faults += 1
        assert library.adapters.verify(KEY)
        library.adapters.delete(KEY)
    assert faults >= 10
    assert library.adapters.verify(KEY)


KILLED = """
import os, sys
from pathlib import Path
from lift_app.library import Library, folders
from lift_app.settings import Settings
library = Library.open(Settings(home=Path(sys.argv[1])))
staged = library.adapters.staging_folder("ab" * 32)
(staged / "weights").write_text("w")
move = folders.move
def killed(source, target):
    if sys.argv[3] == "after":
        move(source, target)
    os._exit(9)
folders.move = killed
library.adapters.publish(
    "ab" * 32, staged, book_id=sys.argv[2], model="tiny", recipe={}, summary={}
)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_while_publishing_leaves_nothing_that_counts(
    library, add_book, publish, home, moment
):
    book = add_book()
    arguments = [sys.executable, "-c", KILLED, str(home), book.id, moment]
    assert subprocess.run(arguments, check=False).returncode == 9
    assert len(leftovers(home)) == 1
    assert library.adapters.find(KEY) is None
    assert library.sweep() == leftovers(home) or leftovers(home) == []
    assert leftovers(home) == []
    publish(book.id, KEY)
    assert library.adapters.verify(KEY)


def test_an_orphan_folder_does_not_stand_in_the_way(library, add_book, publish):
    library.adapters.folder(KEY).mkdir(parents=True)
    (library.adapters.folder(KEY) / "old").touch()
    publish(add_book().id, KEY)
    assert library.adapters.verify(KEY)


def test_sweep_drops_rows_whose_folder_is_gone_and_keeps_the_rest(library, add_book, publish):
    book = add_book()
    guest = library.for_owner("guest")
    publish(book.id, "k1")
    publish(book.id, "k2")
    for path in library.adapters.folder("k1").iterdir():
        path.unlink()
    library.adapters.folder("k1").rmdir()
    assert guest.adapters.sweep() == ["k1"]
    assert [row.key for row in library.adapters.list()] == ["k2"]
    assert library.adapters.verify("k2")
    assert library.adapters.sweep() == []


def test_deleting_an_adapter(library, add_book, publish, home):
    book = add_book()
    publish(book.id, KEY)
    library.adapters.delete(KEY)
    assert library.adapters.list() == [] and leftovers(home) == []
    with pytest.raises(NotFound):
        library.adapters.delete(KEY)
    with library.db.read() as connection:
        assert connection.execute("SELECT count(*) FROM recipes").fetchone()[0] == 0
