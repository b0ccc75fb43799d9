"""Every reader against damaged documents: no hang, no crash, only our own errors.

Documents of each format are cut, mixed, repeated and strewn with what parsers trip over, and read
in the child process as any file is. Archives are damaged inside, too, and packed again.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from docx import Document
from figures import SOAK, tell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_documents import epub_entries, make_pdf, make_zip, prose, text_page

from lift_app.errors import UnreadableFile
from lift_app.reading import FileReader
from lift_app.settings import Settings

pytestmark = [pytest.mark.hostile]

INPUTS = 12_000 if SOAK else 150
SECONDS = 20
_NET = re.compile(r"could not be read \((\w+)\)")
"""The child's last net, under readers that let an error out."""

TOKENS = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\x85", "\u202e".encode(), b"\xed\xa0\x80"),
    *(b"<", b">", b"&", b"]]>", b"<!--", b"<![CDATA[", b"<!DOCTYPE x [", b"&#x0;", b"&#99999999;"),
    *(b"endstream", b"endobj", b"obj", b"<<", b">>", b"/Kids [2 0 R]", b"/Count -1", b"/Length 0"),
    *(b"stream\n", b"0 0 R", b"9999999999", b"-1", b"PK\x03\x04", b"PK\x05\x06", b"../", b"%PDF-"),
    *(b"# ", b"```", b"[", b"](", b"|", b"---\n", b"> " * 50, b"*" * 99, b"<table>", b"<p><p>"),
)


def _documents() -> dict[str, bytes]:
    stream = io.BytesIO()
    document = Document()
    document.add_heading("One", 1)
    document.add_paragraph(prose(1))
    document.add_table(2, 2)
    document.save(stream)
    lines = [prose(number)[:70] for number in range(8)]
    body = f"<h1 id='a'>One</h1><p>{prose(1)}</p><table><tr><td>x</td></tr></table>"
    nav = [("One", "a.xhtml#a")]
    return {
        "a.pdf": make_pdf([text_page(lines), text_page(lines)]),
        "b.pdf": make_pdf([text_page(lines)] * 2, title="T", outline=[("One", 0)]),
        "a.epub": make_zip(epub_entries({"a.xhtml": body}, nav=nav)),
        "b.epub": make_zip(epub_entries({"a.xhtml": body, "b.xhtml": body}, ncx=nav)),
        "a.docx": stream.getvalue(),
        "a.html": f"<!doctype html><html><body>{body}</body></html>".encode(),
        "a.md": f"---\ntitle: T\n---\n# A\n\n{prose(1)}\n\n| a |\n|---|\n| c |".encode(),
        "a.txt": f"A TITLE\n\nby A. Name\n\nCHAPTER I\n\n{prose(1)}\n\nCHAPTER II\n\nx".encode(),
    }


DOCUMENTS = _documents()

changes = st.lists(
    st.tuples(
        st.sampled_from(("flip", "cut", "repeat", "insert", "token", "swap")),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 64),
        st.one_of(st.binary(max_size=12), st.sampled_from(TOKENS)),
    ),
    min_size=1,
    max_size=6,
)


def damaged(data: bytes, edits: list[tuple[str, float, int, bytes]]) -> bytes:
    out = bytearray(data)
    for kind, place, length, extra in edits:
        at = int(place * (len(out) + 1))
        if kind == "flip" and at < len(out):
            out[at] ^= 1 << (length % 8)
        elif kind == "cut":
            del out[at : at + length * (40 if length > 48 else 1)]
        elif kind == "repeat":
            out[at:at] = out[at : at + length] * (length if length > 32 else 2)
        elif kind == "swap":
            out[at : at + length] = out[at : at + length][::-1]
        else:
            out[at:at] = extra
    return bytes(out)


def damaged_inside(data: bytes, edits: list[tuple[str, float, int, bytes]], part: int) -> bytes:
    """An archive in which one entry is damaged and the rest is whole."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(result, "w") as new:
        names = old.namelist()
        for number, name in enumerate(names):
            content = old.read(name)
            new.writestr(name, damaged(content, edits) if number == part % len(names) else content)
    return result.getvalue()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileReader]:
    home = tmp_path_factory.mktemp("home")
    limits = Settings(home=home, read_seconds=SECONDS, read_memory_mb=1024)
    with FileReader(limits) as shared:
        yield shared


@pytest.mark.timeout(3600)
def test_damaged_documents_of_every_format(
    reader: FileReader, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    seen: Counter[str] = Counter()

    @settings(
        max_examples=INPUTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        name=st.sampled_from(sorted(DOCUMENTS)),
        edits=changes,
        inside=st.one_of(st.none(), st.integers(0, 30)),
    )
    def read(name: str, edits: list[tuple[str, float, int, bytes]], inside: int | None) -> None:
        data = DOCUMENTS[name]
        packed = inside is not None and name.endswith(("epub", "docx"))
        data = damaged_inside(data, edits, inside or 0) if packed else damaged(data, edits)
        path: Path = folder / name
        path.write_bytes(data)
        seen["inputs"] += 1
        try:
            started = time.monotonic()
            book = reader.read(path)
            seen["read"] += 1
            assert "\0" not in book.text and book.pages
            assert time.monotonic() - started < SECONDS + 5
        except UnreadableFile as error:
            seen[error.code] += 1
            assert error.code not in ("too_slow", "too_much_memory"), name
            if net := _NET.search(str(error)):
                seen[f"net: {net[1]}"] += 1
                assert name.endswith("pdf"), f"{net[1]} came out of the reader of {name}"

    read()
    tell(**seen, hangs=0, crashes=0)
    assert seen["inputs"] >= INPUTS and seen["read"] > INPUTS / 10
