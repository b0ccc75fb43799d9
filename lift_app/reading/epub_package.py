"""The package of an EPUB: container, OPF, spine, table of contents, and locks.

XML is parsed by defusedxml; where a file is not well-formed XML, the HTML parser has to do. Knows
nothing about chapters' text.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import unquote

from defusedxml import DefusedXmlException, ElementTree

from lift_app.errors import UnreadableFile
from lift_app.reading.archive import Archive
from lift_app.reading.book import MOST_CHAPTERS
from lift_app.reading.characters import one_line
from lift_app.reading.encoding import decode
from lift_app.reading.html import parse

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
# Only hide fonts from being copied; the text is open.
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_FACTS = ("title", "language", "publisher", "date", "identifier", "subject", "source")
_MOST_CREATORS = 20
_MOST_PIECES = 50
"""Pieces of text of one fact: elements may stand in each other without end."""
_DEEPEST = 64
"""Elements around a line of the table of contents that are looked at for its level."""
_DOCUMENT_TYPES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")
_DOCUMENT_ENDINGS = (".xhtml", ".html", ".htm", ".xml")


@dataclass(frozen=True)
class SpineItem:
    """One document of the book, in reading order."""

    name: str
    """Its name in the archive."""
    properties: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TocEntry:
    """One line of the table of contents."""

    title: str
    name: str
    """Name of the document in the archive."""
    fragment: str
    """id in the document; empty for its beginning."""
    level: int


@dataclass
class Package:
    """What the OPF and the table of contents say."""

    facts: dict[str, str] = field(default_factory=dict)
    """`title`, `creator`, `language`, `publisher`, `date`, `identifier`, ..."""
    spine: list[SpineItem] = field(default_factory=list)
    toc: list[TocEntry] = field(default_factory=list)
    guide: dict[str, str] = field(default_factory=dict)
    """Name of a document -> its part in an EPUB 2 guide ("cover", "toc", "copyright-page")."""
    warnings: list[str] = field(default_factory=list)


def read_package(archive: Archive) -> Package:
    """Read everything but the text.

    Raises:
        UnreadableFile: the text is locked (`drm`), or there is no book inside (`damaged`).
    """
    _refuse_locked(archive)
    opf_name = _find_opf(archive)
    root = _xml(archive, opf_name)
    package = Package()
    if root is None:
        package.warnings.append(
            "The list of contents of this EPUB is broken; its parts were read in the order of "
            "their names."
        )
        package.spine = _all_documents(archive)
        return package
    base = posixpath.dirname(opf_name)
    items: dict[str, tuple[str, str, frozenset[str]]] = {}
    for item in _all(root, "item"):
        name = archive.find(posixpath.join(base, _path(item.get("href", ""))))
        if name is not None:
            words = frozenset((item.get("properties") or "").split())
            items[item.get("id", "")] = (name, item.get("media-type", ""), words)
    _read_facts(root, package)
    for reference in _all(root, "reference"):
        if name := archive.find(posixpath.join(base, _path(reference.get("href", "")))):
            package.guide[name] = reference.get("type", "").casefold()
    missing = 0
    for reference in _all(root, "itemref"):
        found = items.get(reference.get("idref", ""))
        if found is None:
            missing += 1
        elif found[1] in _DOCUMENT_TYPES or found[0].casefold().endswith(_DOCUMENT_ENDINGS):
            package.spine.append(SpineItem(found[0], found[2]))
        elif not found[1].startswith("image/"):
            # Chapters without an ending and with a wrong type are met in real books.
            package.spine.append(SpineItem(found[0], found[2]))
    if missing:
        package.warnings.append(
            f"{missing} parts that the table of contents of this EPUB names are not in the file."
            if missing > 1
            else "One part that this EPUB names is not in the file."
        )
    if not package.spine:
        package.spine = _all_documents(archive)
    package.toc = _read_toc(archive, root, items)
    return package


def _refuse_locked(archive: Archive) -> None:
    name = archive.find(_ENCRYPTION)
    if name is None:
        return
    root = _xml(archive, name)
    locked = root is None
    for data in _all(root, "EncryptedData") if root is not None else ():
        methods = [method.get("Algorithm", "") for method in _all(data, "EncryptionMethod")]
        if not all(method.startswith(_FONT_ALGORITHMS) for method in methods):
            targets = [target.get("URI", "") for target in _all(data, "CipherReference")]
            locked = locked or any(not _is_extra(target) for target in targets or [""])
    if locked:
        raise UnreadableFile(
            "This EPUB is locked by its seller (DRM), so its text cannot be read. Use an edition "
            "without DRM, from the publisher or a library of free books.",
            code="drm",
        )


def _is_extra(name: str) -> bool:
    return name.casefold().endswith((".ttf", ".otf", ".woff", ".woff2", ".css", ".jpg", ".png"))


def _find_opf(archive: Archive) -> str:
    name = archive.find(_CONTAINER)
    root = _xml(archive, name) if name else None
    for rootfile in _all(root, "rootfile") if root is not None else ():
        if opf := archive.find(_path(rootfile.get("full-path", ""))):
            return opf
    candidates = sorted(entry for entry in archive.names if entry.casefold().endswith(".opf"))
    if candidates:
        return candidates[0]
    raise UnreadableFile(
        "This EPUB is damaged: it does not say what is in it. Download it again.", code="damaged"
    )


def _all_documents(archive: Archive) -> list[SpineItem]:
    names = sorted(n for n in archive.names if n.casefold().endswith((".xhtml", ".html", ".htm")))
    return [SpineItem(name) for name in names]


def _read_facts(root: Any, package: Package) -> None:
    creators: list[str] = []
    for element in root.iter():
        tag = _local(element)
        if "purl.org/dc" not in str(element.tag) or tag in package.facts:
            continue
        if tag != "creator" and tag not in _FACTS:
            continue
        if len(creators) == _MOST_CREATORS and tag == "creator":
            continue
        text = one_line("".join(islice(element.itertext(), _MOST_PIECES)), 500)
        if text and tag == "creator":
            creators.append(text)
        elif text:
            package.facts[tag] = text
    if creators:
        package.facts["creator"] = ", ".join(dict.fromkeys(creators))


def _read_toc(archive: Archive, root: Any, items: dict[str, Any]) -> list[TocEntry]:
    """The navigation document of EPUB 3, else the NCX of EPUB 2."""
    for name, _, properties in items.values():
        if "nav" in properties and (entries := _read_nav(archive, name)):
            return entries
    wanted = next((spine.get("toc") for spine in _all(root, "spine")), None)
    for identity, (name, kind, _) in items.items():
        if identity == wanted or kind == "application/x-dtbncx+xml":
            return _read_ncx(archive, name)
    return []


def _read_nav(archive: Archive, name: str) -> list[TocEntry]:
    tree = parse(decode(archive.read(name), declared=True)[0])
    navs = tree.css("nav")
    chosen = next(
        (nav for nav in navs if "toc" in (nav.attributes.get("epub:type") or "").split()),
        navs[0] if navs else None,
    )
    entries: list[TocEntry] = []
    for link in chosen.css("a[href]") if chosen is not None else ():
        level, parent = 0, link.parent
        for _ in range(_DEEPEST):
            if parent is None or parent.tag == "nav":
                break
            level += parent.tag == "ol"
            parent = parent.parent
        _add(entries, archive, name, link.attributes.get("href") or "", link.text(), max(level, 1))
    return entries


def _read_ncx(archive: Archive, name: str) -> list[TocEntry]:
    root = _xml(archive, name)
    entries: list[TocEntry] = []
    # Depth-first with a stack of our own: a hostile file may nest without end.
    stack = [(point, 1) for nav_map in _all(root, "navMap") for point in reversed(list(nav_map))]
    while stack:
        point, level = stack.pop()
        if _local(point) != "navPoint":
            continue
        label = next(("".join(node.itertext()) for node in point if _local(node) == "navLabel"), "")
        source = next((node.get("src", "") for node in point if _local(node) == "content"), "")
        _add(entries, archive, name, source, label, level)
        stack.extend((child, level + 1) for child in reversed(list(point)))
    return entries


def _add(
    entries: list[TocEntry], archive: Archive, base: str, href: str, title: str, level: int
) -> None:
    if len(entries) > MOST_CHAPTERS:
        return  # one more than are listed, so that it is told
    path, _, fragment = href.partition("#")
    name = archive.find(posixpath.join(posixpath.dirname(base), _path(path))) if path else base
    if name is not None and (label := one_line(title)):
        entries.append(TocEntry(label, name, unquote(fragment), level))


def _xml(archive: Archive, name: str) -> Any:
    """Root element of an XML file, or None where it is not well-formed."""
    data = archive.read(name).strip().removeprefix(b"\xef\xbb\xbf")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return None
    except (DefusedXmlException, ValueError, LookupError):
        raise UnreadableFile(
            "This EPUB uses XML entities, which could make it grow without end, so it was not "
            "opened. Convert it with an e-book program such as Calibre and add the new file.",
            code="unsafe",
        ) from None


def _all(root: Any, tag: str) -> list[Any]:
    return [] if root is None else [node for node in root.iter() if _local(node) == tag]


def _local(element: Any) -> str:
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def _path(href: str) -> str:
    return unquote(href.partition("#")[0])
