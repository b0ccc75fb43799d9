"""Arrival: a parcel from outside comes onto the shelf, or nothing of it does.

Manifest, recipe, base, start, layers, sizes and hashes are checked before the shelf is touched; the
book's part is split off the start's and written anew in the shelf's own form. An imported adapter
belongs to the reader's own copy of the book, and the strength scales it like any other.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lift_app.errors import CallerError, LiftError, UnreadableFile
from lift_app.library import BookRow, Library, effects, folders
from lift_app.lifting.key import adapter_key
from lift_app.models.catalogue import split_start
from lift_app.models.identity import ModelFolder
from lift_app.models.provision import find_local
from lift_app.models.starts import NONE, reference
from lift_app.parcel.container import Container, open_container
from lift_app.parcel.manifest import CONFIG, MANIFEST, RECIPE, WEIGHTS, Manifest
from lift_app.reading import Book, FileReader
from lift_app.reading.characters import one_line
from lift_app.settings import Settings
from lift_app.shelving import shelve

if TYPE_CHECKING:
    from lift_app.models.adapter_file import AdapterFile

Layout = dict[str, tuple[int, int]]
"""Inputs and outputs of each layer."""

MOST_WORDS = 16 * 2**20
"""Bytes of a manifest, a recipe or a configuration."""
LARGEST_WEIGHT = 1e4
"""Learned ones are smaller than 10; what is far larger overflows when a question is asked."""
HEADER_ROOM = 2**20
"""Bytes that a safetensors file may have beside its numbers."""


def receive(path: Path, library: Library, settings: Settings, files: FileReader) -> dict[str, Any]:
    """Import a parcel.

    Args:
        path: a folder or zip as `lift export` writes it.
        library: the reader's own.
        settings: names the base model and the limits of reading.
        files: reads the book, where it comes along.

    Returns:
        `adapter` (key), `book` (id), `title`, `model`, `new`, `book_new`.

    Raises:
        CallerError: no parcel, or for another base, start or book (codes `bad_parcel`,
            `base_mismatch`, `no_book`). Nothing was kept.
        LiftError: it cannot be written.
    """
    path = path.expanduser().absolute()
    with open_container(path) as container:
        manifest, hashes = Manifest.from_json(_json(container, MANIFEST), _json(container, RECIPE))
        _check_names(container, hashes, manifest)
        model, base = _base(manifest, settings)
        row = _find_book(library, manifest)
        if row is None and manifest.book_file is None:
            raise CallerError(
                f"The parcel holds what was learned of “{manifest.title}”, and no book on the "
                "shelf has its text, word for word. Add the same file first (`lift add`), or have "
                "it exported again with --with-book. Nothing was kept.",
                code="no_book",
            )
        key = adapter_key(
            owner=library.owner,
            text_sha256=manifest.text_sha256,
            title=manifest.title,
            weights_sha256=base.weights_sha256,
            quantisation=manifest.quantisation,
            recipe=manifest.recipe,
            start=base.start_sha256 or None,
            template=manifest.template,
        )
        if row is not None and library.adapters.find(key) is not None:
            return _told(key, row, model, new=False)
        arrived, staged = (library.adapters.staging_folder(key) for _ in range(2))
        try:
            with folders.explained("The parcel could not be imported"):
                layout = _layout(base)
                _unpack(container, arrived, hashes, manifest, base, layout, settings)
                _rewrite(arrived, staged, manifest, base, layout)
            return _publish(library, settings, files, key, arrived, staged, manifest, model, row)
        finally:
            effects.remove(arrived)
            effects.remove(staged)


def _json(container: Container, name: str) -> Any:
    try:
        return json.loads(container.read(name, MOST_WORDS))
    except (ValueError, RecursionError):
        _refuse(f"{name} in it is no JSON")


def _check_names(container: Container, hashes: dict[str, str], manifest: Manifest) -> None:
    wanted = {CONFIG, WEIGHTS, RECIPE} | ({manifest.book_file} if manifest.book_file else set())
    if set(hashes) != wanted:
        _refuse(f"its manifest should name {', '.join(sorted(wanted))}, and no other file")
    if extra := sorted(set(container.sizes) - wanted - {MANIFEST}):
        _refuse(f"it holds {extra[0][:60]}, which does not belong to a parcel")


def _base(manifest: Manifest, settings: Settings) -> tuple[str, ModelFolder]:
    """The reference and the folder of the base that the adapter was trained on."""
    wanted = (manifest.weights_sha256, manifest.start_sha256)
    named = reference(manifest.base, manifest.start or NONE)
    here = split_start(settings.model)[0]
    refs = (settings.model, named, reference(here, manifest.start or NONE))
    found: ModelFolder | None = None
    for ref in refs:
        folder = None
        with suppress(LiftError):  # it means nothing here
            folder = find_local(ref, settings)
        if folder is None:
            continue
        if (folder.weights_sha256, folder.start_sha256) == wanted:
            return ref, folder
        if found is None or folder.weights_sha256 == manifest.weights_sha256:
            found = folder
    if found is not None and found.weights_sha256 == manifest.weights_sha256:
        raise CallerError(
            f"This adapter stands on the start {manifest.start or NONE!r} "
            f"({manifest.start_sha256[:12] or 'none'}), and there is no such start here for "
            f"{found.name}. Put it into {settings.starts}, then import again. Nothing was kept.",
            code="base_mismatch",
        )
    mine = f"{found.name} (weights {found.weights_sha256[:12]})" if found else "none of it"
    raise CallerError(
        f"This adapter was made on the base model {manifest.base} (weights "
        f"{manifest.weights_sha256[:12]}); here is {mine}. Fetch that model (`lift models --fetch "
        "--model`), or name it in LIFT_MODEL, then import again. Nothing was kept.",
        code="base_mismatch",
    )


def _find_book(library: Library, manifest: Manifest) -> BookRow | None:
    same = [row for row in library.books.list() if row.text_sha256 == manifest.text_sha256]
    return next(iter(same), None)


def _unpack(
    container: Container,
    arrived: Path,
    hashes: dict[str, str],
    manifest: Manifest,
    base: ModelFolder,
    layout: Layout,
    settings: Settings,
) -> None:
    """Copy what is needed; each file is the one that the manifest names, and no larger."""
    rank = manifest.recipe.rank + _start_rank(base)
    numbers = sum(rank * (inputs + outputs) for inputs, outputs in layout.values())
    limits = {CONFIG: MOST_WORDS, RECIPE: MOST_WORDS, WEIGHTS: 4 * numbers + HEADER_ROOM}
    if manifest.book_file:
        limits[manifest.book_file] = settings.max_file_mb * 2**20
    folders.require_room(
        arrived, 2 * sum(container.sizes.values()), "The parcel could not be imported"
    )
    for name, most in limits.items():
        if container.copy(name, arrived / name, most) != hashes[name]:
            _refuse(f"{name} in it is not the file that its manifest names")


def _rewrite(
    arrived: Path, staged: Path, manifest: Manifest, base: ModelFolder, layout: Layout
) -> None:
    """Check the adapter against the base and write the book's part in the shelf's own form."""
    from dataclasses import replace

    from lift_app.models.adapter_file import read_adapter, write_adapter
    from lift_app.models.adapter_shape import Shape, check_tensors, targets_of
    from lift_app.models.start_weights import split_off

    try:
        whole = read_adapter(arrived)
        names = tuple(layout)
        rank = manifest.recipe.rank + _start_rank(base)
        if whole.rank != rank:
            _refuse(f"its rank is {whole.rank}, and {rank} is what its manifest makes it")
        shape = Shape(rank, targets_of(whole, arrived, names, base.name))
        check_tensors(whole.tensors, shape, layout, "The adapter", base.name)
        _check_numbers(whole)
        book = replace(
            whole,
            rank=manifest.recipe.rank,
            alpha=manifest.alpha,
            target_modules=manifest.targets,
            base_name=base.name,
            base_sha256=base.weights_sha256,
            start_sha256=base.start_sha256,
        )
        if base.start is not None:
            book = split_off(whole, base.start.path, book)
        elif abs(whole.alpha - manifest.alpha) > 1e-6:
            _refuse("its manifest names another alpha than its configuration")
        targets_of(book, arrived, names, base.name)
    except LiftError as error:
        if error.code == "bad_parcel" or isinstance(error, CallerError):
            raise
        text = str(error).replace(str(arrived), "the parcel").replace("Lift the book again.", "")
        raise CallerError(f"{text.strip()} Nothing was kept.", code=error.code) from None
    write_adapter(staged, book)


def _check_numbers(adapter: AdapterFile) -> None:
    import torch

    for name, tensor in adapter.tensors.items():
        if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            _refuse(f"{name} is stored as {tensor.dtype}, which no lift writes")
        if not bool(tensor.isfinite().all()):
            _refuse(f"{name} holds what is no number")
        if bool((tensor.abs() > LARGEST_WEIGHT).any()):
            _refuse(f"{name} holds numbers larger than any that are learned")


def _publish(
    library: Library,
    settings: Settings,
    files: FileReader,
    key: str,
    arrived: Path,
    staged: Path,
    manifest: Manifest,
    model: str,
    row: BookRow | None,
) -> dict[str, Any]:
    added = row is None
    if row is None:
        book = _read_book(files, arrived, manifest)
        assert manifest.book_file is not None
        row = shelve(library, settings, book, arrived / manifest.book_file, replace_text=False)
        added = row.new
        if row.text_sha256 != manifest.text_sha256:  # the same file, read another way before
            raise CallerError(
                f"{row.title} is on the shelf, read another way than by who exported this. Remove "
                "it, then import again. Nothing was kept.",
                code="no_book",
            )
    try:
        library.adapters.publish(
            key,
            staged,
            book_id=row.id,
            model=model,
            recipe=manifest.recipe.to_json(),
            summary={**(manifest.summary or {}), "imported": True},
        )
    except BaseException:
        if added:
            library.books.delete(row.id)
        raise
    return {**_told(key, row, model, new=True), "book_new": added}


def _read_book(files: FileReader, arrived: Path, manifest: Manifest) -> Book:
    assert manifest.book_file is not None
    path = arrived / manifest.book_file
    try:
        for encoding in dict.fromkeys((None, manifest.encoding)):
            book = files.read(path, encoding=encoding, title=manifest.title)
            if book.text_sha256 == manifest.text_sha256:
                return book
    except UnreadableFile as error:
        raise CallerError(
            f"The book in the parcel cannot be read: {error} Nothing was kept.", code="no_book"
        ) from error
    raise CallerError(
        "The book in the parcel has another text here than where it was learned, so the adapter "
        "does not belong to it. It may have been read by another version of this program. "
        "Nothing was kept.",
        code="no_book",
    )


def _start_rank(base: ModelFolder) -> int:
    if base.start is None:
        return 0
    from lift_app.models.adapter_file import read_adapter

    return read_adapter(base.start.path).rank


def _layout(base: ModelFolder) -> Layout:
    from lift_app.models.linear_layers import layout_of

    return layout_of(base.path)


def _told(key: str, row: BookRow, model: str, *, new: bool) -> dict[str, Any]:
    return {
        "adapter": key,
        "book": row.id,
        "title": row.title,
        "model": model,
        "new": new,
        "book_new": False,
    }


def _refuse(why: str) -> NoReturn:
    raise CallerError(
        f"This parcel was not imported: {one_line(why, 400)}. Nothing was kept; have it "
        "exported again with `lift export`.",
        code="bad_parcel",
    )
