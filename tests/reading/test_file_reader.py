"""FileReader: the child process, its limits and its deaths."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docx import Document
from reading_documents import epub_entries, make_pdf, make_zip, prose, text_page

from lift_app.cli.output import note
from lift_app.errors import CallerError, Stopped, UnreadableFile
from lift_app.reading import FileReader, read_book
from lift_app.settings import Settings


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileReader]:
    """One child for all tests that do not kill it."""
    with FileReader(Settings(home=tmp_path_factory.mktemp("home"))) as shared:
        yield shared


def saved(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_every_format_becomes_a_book(reader: FileReader, tmp_path: Path) -> None:
    word = tmp_path / "w.docx"
    document = Document()
    document.add_paragraph(prose(1))
    document.save(str(word))
    files = {
        "pdf": saved(tmp_path, "p.pdf", make_pdf([text_page([prose(1)[:60]])])),
        "epub": saved(
            tmp_path, "e.epub", make_zip(epub_entries({"a.xhtml": f"<p>{prose(1)}</p>"}))
        ),
        "docx": word,
        "html": saved(tmp_path, "h.html", f"<html><body><p>{prose(1)}</p></body></html>"),
        "markdown": saved(tmp_path, "m.md", f"# A\n\n{prose(1)}"),
        "text": saved(tmp_path, "t.txt", prose(1)),
    }
    for kind, path in files.items():
        book = reader.read(path)
        assert book.report.format == kind
        assert book.id == hashlib.sha256(path.read_bytes()).hexdigest()
        assert prose(1)[:60] in book.text
        assert book.report.words > 5
        assert book.title


def test_title_and_encoding_of_the_caller(reader: FileReader, tmp_path: Path) -> None:
    path = saved(tmp_path, "t.txt", "猫である。".encode("shift_jis"))
    book = reader.read(path, encoding="shift_jis", title="A Cat")
    assert (book.title, book.text) == ("A Cat", "猫である。")


def test_an_unknown_encoding_is_the_callers_mistake(reader: FileReader, tmp_path: Path) -> None:
    with pytest.raises(CallerError) as error:
        reader.read(saved(tmp_path, "t.txt", "x"), encoding="klingon")
    assert error.value.code == "unknown_encoding"
    assert not isinstance(error.value, UnreadableFile)


def test_errors_keep_their_code_and_the_child_lives_on(reader: FileReader, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as error:
        reader.read(saved(tmp_path, "x.png", b"\x89PNG\r\n\x1a\n"))
    assert error.value.code == "scanned"
    assert error.value.exit_status == 2
    child = reader._child
    assert reader.read(saved(tmp_path, "t.txt", "words")).text == "words"
    assert reader._child is child


def test_pages_are_drawn_in_the_child(reader: FileReader, tmp_path: Path) -> None:
    path = saved(tmp_path, "p.pdf", make_pdf([text_page(["x"])]))
    assert reader.render(path, 1, 200).startswith(b"\xff\xd8\xff")
    with pytest.raises(CallerError, match="no page 7"):
        reader.render(path, 7, 200)


def test_text_is_placed_in_the_child(reader: FileReader, tmp_path: Path) -> None:
    first = saved(tmp_path, "a.pdf", make_pdf([text_page(["alpha beta"])]))
    second = saved(tmp_path, "b.pdf", make_pdf([text_page(["gamma delta"])]))
    for path, word in ((first, "beta"), (second, "delta"), (first, "beta")):
        text = "alpha beta" if word == "beta" else "gamma delta"
        places = reader.place(path, 1, text, [(6, len(text))])
        assert places["lines"][0][4] == text
        assert len(places["marks"][0]) == 1
    first.write_bytes(make_pdf([text_page(["quite another text"])]))
    assert reader.place(first, 1, "")["lines"][0][4] == "quite another text"
    with pytest.raises(UnreadableFile) as error:
        reader.place(saved(tmp_path, "x.pdf", b"%PDF-1.4 nothing"), 1, "")
    assert error.value.code == "damaged"


def test_files_that_are_not_there(reader: FileReader, tmp_path: Path) -> None:
    for path in (tmp_path / "none.pdf", tmp_path):
        with pytest.raises(UnreadableFile) as error:
            reader.read(path)
        assert error.value.code == "missing"


def test_an_empty_file(reader: FileReader, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="0 bytes") as error:
        reader.read(saved(tmp_path, "e.txt", b""))
    assert error.value.code == "empty"


def test_a_file_over_the_limit_is_not_opened(tmp_path: Path) -> None:
    reader = FileReader(Settings(home=tmp_path, max_file_mb=1))
    with pytest.raises(UnreadableFile, match="LIFT_MAX_FILE_MB") as error:
        reader.read(saved(tmp_path, "big.txt", b"x" * (1024 * 1024 + 1)))
    assert error.value.code == "too_large"
    assert reader._child is None


def slow_pdf() -> bytes:
    """A page that draws 3 million lines of text: seconds of work in a small file."""
    import zlib

    stream = zlib.compress(b"BT /F1 9 Tf (lantern) Tj ET\n" * 3_000_000)
    head = make_pdf([b"STREAM"])
    old = b"<< /Length 6 >>\nstream\nSTREAM\nendstream"
    new = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream)
    return head.replace(old, new)


def test_a_slow_file_is_stopped_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "slow.pdf", slow_pdf())
    with FileReader(Settings(home=tmp_path, read_seconds=2)) as reader:
        started = time.monotonic()
        with pytest.raises(UnreadableFile) as error:
            reader.read(path)
        assert error.value.code in ("too_slow", "too_much_memory")
        assert time.monotonic() - started < 10
        assert reader.read(saved(tmp_path, "t.txt", "words")).text == "words"


def test_too_much_memory_is_told(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with FileReader(Settings(home=tmp_path, read_memory_mb=128)) as reader:
        with pytest.raises(UnreadableFile, match="memory") as error:
            reader.read(path)
        assert error.value.code == "too_much_memory"
        assert reader.read(saved(tmp_path, "t.txt", "words")).text == "words"


def test_a_child_that_crashes_is_replaced(tmp_path: Path) -> None:
    path = saved(tmp_path, "t.txt", "words")
    with FileReader(Settings(home=tmp_path)) as reader:
        reader.read(path)
        assert reader._child is not None
        reader._child.kill()
        reader._child.wait()
        assert reader.read(path).text == "words"


def test_threads_share_one_child(reader: FileReader, tmp_path: Path) -> None:
    paths = [saved(tmp_path, f"{number}.txt", f"text {number}") for number in range(8)]
    texts: dict[int, str] = {}

    def work(number: int) -> None:
        texts[number] = reader.read(paths[number]).text

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: f"text {number}" for number in range(8)}


def test_close_ends_the_child(tmp_path: Path) -> None:
    reader = FileReader(Settings(home=tmp_path))
    reader.read(saved(tmp_path, "t.txt", "words"))
    child = reader._child
    assert child is not None
    reader.close()
    assert child.poll() is not None
    reader.close()


def test_close_stops_what_is_being_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "slow.pdf", slow_pdf())
    reader = FileReader(Settings(home=tmp_path))
    threading.Timer(0.5, reader.close).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        reader.read(path)
    assert time.monotonic() - started < 10
    reader.close()


def test_read_book(settings: Settings, tmp_path: Path) -> None:
    assert read_book(saved(tmp_path, "t.txt", "words"), settings).text == "words"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are of Unix")
def test_the_child_has_limits_and_no_secrets(reader: FileReader, tmp_path: Path) -> None:
    if not Path("/proc/self/limits").exists():
        pytest.skip("needs /proc")
    reader.read(saved(tmp_path, "t.txt", "words"))
    assert reader._child is not None
    folder = Path(f"/proc/{reader._child.pid}")
    limits = folder.joinpath("limits").read_text()
    rows = {row[:25].strip(): row[26:46].strip() for row in limits.splitlines()}
    assert rows["Max address space"] == str(2048 * 1024 * 1024)
    assert rows["Max core file size"] == "0"
    assert rows["Max file size"] == "0"
    assert rows["Max cpu time"] != "unlimited"
    environment = folder.joinpath("environ").read_bytes()
    assert b"LIFT_HOME" not in environment


def test_reading_imports_nothing_heavy() -> None:
    code = (
        "import sys; import lift_app.reading, lift_app.reading.child, lift_app.reading.pdf, "
        "lift_app.reading.epub, lift_app.reading.text, lift_app.reading.markdown; "
        "print([m for m in ('torch', 'gradio', 'transformers', 'sqlite3', 'sqlite_utils') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.hostile
def test_an_error_cannot_move_the_cursor(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Names of files reach the terminal: those that were downloaded are somebody else's words."""
    path = tmp_path / "a\x1b[2J\x9b31m\u202eb.txt"
    path.write_bytes(b"")
    with FileReader(Settings(home=tmp_path / "home")) as reader:
        for name in (path, path.with_suffix(".md"), tmp_path / "a\x1b[2J\0"):
            with pytest.raises(UnreadableFile) as caught:
                reader.read(name)
            assert "\x1b" not in str(caught.value) and "\u202e" not in str(caught.value)
    note(f"a\x1b[2J{path}\nb")
    said = capfd.readouterr().err
    assert "\x1b" not in said and "\x9b" not in said and said.endswith("\nb\n")
