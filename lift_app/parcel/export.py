"""Export: an adapter leaves the shelf as a parcel that plain PEFT and vLLM load.

What a base on a start has learned is written as one adapter, start and book side by side along the
rank, so that whoever loads it on the bare base gets the same answers. The folder or zip appears
under its name when it is complete.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from lift_app.errors import CallerError, LiftError
from lift_app.library import AdapterRow, BookRow, Library, effects, folders
from lift_app.lifting.recipe import Recipe
from lift_app.models.identity import ModelFolder
from lift_app.parcel.manifest import CONFIG, MANIFEST, RECIPE, WEIGHTS, Manifest, dump
from lift_app.template import TEMPLATE_VERSION

ENDING = ".lift.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a zip: when somebody learned a book is nobody's business."""


def export(
    library: Library,
    row: BookRow,
    adapter: AdapterRow,
    model: ModelFolder,
    out: Path | None,
    *,
    with_book: bool,
    quantisation: str | None,
) -> dict[str, Any]:
    """Write a parcel.

    Args:
        library: where book and adapter are kept.
        row: the book.
        adapter: of the book, trained on `model`.
        model: the base model, with its start.
        out: a name that ends in `.zip`, or a folder; made from the title in the working folder if
            None. It must not exist.
        with_book: put the book's file into it.
        quantisation: how the base was loaded for the lift.

    Returns:
        `path`, `title`, `rank`, `bytes`, `with_book`.

    Raises:
        CallerError: something of that name is there already.
        LiftError: the adapter is damaged or was trained on another start, or the disk is full.
    """
    target = (out or Path(f"{_slug(row.title)}{ENDING}")).expanduser().absolute()
    if target.exists():
        raise CallerError(
            f"{target} is there already. Nothing was written; name another place with --out.",
            code="exists",
        )
    library.adapters.verify(adapter.key)
    with folders.explained("The parcel could not be written"):
        staged = folders.temporary(target.parent, target.name)
        effects.make_folder(staged)
        try:
            rank = _fill(staged, library, row, adapter, model, with_book, quantisation)
            made = staged
            if target.suffix == ".zip":
                made = _zipped(staged, folders.temporary(target.parent, target.name))
            else:
                folders.sync_tree(staged)
            size = sum(path.stat().st_size for _, path in folders.files_in(staged))
            effects.rename(made, target)
        finally:
            effects.remove(staged)
    return {
        "path": str(target),
        "title": row.title,
        "rank": rank,
        "bytes": size,
        "with_book": with_book,
    }


def write_joined(folder: Path, adapter: Path, model: ModelFolder, strength: float = 1.0) -> int:
    """Write an adapter as the bare base loads it: its start, if any, among it. Gives the rank.

    Args:
        folder: where it goes.
        adapter: folder of the book's adapter.
        model: the base model, with its start.
        strength: factor on the book's part alone, 0 to 1.

    Raises:
        LiftError: a file is damaged, or the adapter was trained on another base or start.
        OSError: it cannot be written.
    """
    from lift_app.models.adapter_file import check_base, read_adapter, write_adapter
    from lift_app.models.start_weights import joined, scaled
    from lift_app.models.starts import verify_start

    check_base(read_adapter(adapter), adapter, model)
    if model.start is None:
        whole = scaled(adapter, strength)
    else:
        verify_start(model.start)
        whole = joined(model.start.path, adapter, strength)
    write_adapter(folder, whole)
    return whole.rank


def _fill(
    staged: Path,
    library: Library,
    row: BookRow,
    adapter: AdapterRow,
    model: ModelFolder,
    with_book: bool,
    quantisation: str | None,
) -> int:
    from lift_app.models.adapter_file import read_adapter

    found = read_adapter(library.adapters.folder(adapter.key))
    rank = write_joined(staged, library.adapters.folder(adapter.key), model)
    names = [CONFIG, WEIGHTS, RECIPE]
    effects.write_file(staged / RECIPE, [dump(adapter.recipe)])
    book_file = None
    if with_book:
        source = library.books.source(row.id)
        book_file = f"book{_ending(source)}"
        if folders.copy_file(source, staged / book_file) != row.id:
            raise LiftError(
                "The book's file on the shelf is not the one that was added. Add it once more, "
                "or export without it.",
                code="damaged",
            )
        names.append(book_file)
    manifest = Manifest(
        title=row.title,
        text_sha256=row.text_sha256,
        encoding=row.report.get("encoding"),
        book_file=book_file,
        base=model.name,
        weights_sha256=model.weights_sha256,
        start=model.start.name if model.start else "",
        start_sha256=model.start_sha256,
        recipe=Recipe.from_json(adapter.recipe),
        alpha=found.alpha,
        targets=found.target_modules,
        quantisation=quantisation,
        template=TEMPLATE_VERSION,
        summary=adapter.summary,
    )
    files = {name: folders.hash_file(staged / name) for name in names}
    effects.write_file(staged / MANIFEST, [dump(manifest.to_json(files))])
    return rank


def _zipped(folder: Path, target: Path) -> Path:
    effects.announce("write", target)
    try:
        with zipfile.ZipFile(target, "x", zipfile.ZIP_STORED) as zipped:  # weights do not shrink
            for name, path in folders.files_in(folder):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.external_attr = 0o100644 << 16
                with path.open("rb") as source, zipped.open(entry, "w", force_zip64=True) as into:
                    while block := source.read(1 << 20):
                        into.write(block)
        effects.sync(target)
    except BaseException:
        effects.remove(target)
        raise
    return target


def _ending(source: Path) -> str:
    """The book's ending, as far as it is one that a manifest may name."""
    ending = source.suffix.lower()
    return ending if re.fullmatch(r"\.[a-z0-9]{1,8}", ending) else ".txt"


def _slug(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title).strip("-")[:60] or "book"
