"""HTML becomes a draft; XHTML of an EPUB uses the same walk.

Parsed by selectolax and only read: nothing is run and nothing is fetched. Scripts, styles,
navigation and forms are not text. Knows nothing about zip archives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from lift_app.reading.blocks import Block, sections_from_blocks, title_and_author
from lift_app.reading.characters import clean, one_line
from lift_app.reading.draft import Draft, Limits, language_code
from lift_app.reading.encoding import decode
from lift_app.reading.hidden import Hidden, style_hides, style_pales

_SKIPPED_NAMES = (
    "head script style nav noscript template svg math iframe object embed form button select "
    "option textarea input dialog audio video canvas map rp rt"
)
_BLOCK_NAMES = (
    "p div section article main header footer aside h1 h2 h3 h4 h5 h6 blockquote pre ul ol li "
    "dl dt dd table tr caption thead tbody tfoot figure figcaption hr body address hgroup "
    "center details summary fieldset"
)
_SKIPPED = frozenset(_SKIPPED_NAMES.split())
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_VOID = "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr"
_SELF_CLOSED = re.compile(rf"<(?!(?:{_VOID})\b)([A-Za-z][\w:.-]*)((?:\s[^<>]*?)?)/>", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f]+")
_GUTENBERG = frozenset(("pg-header", "pg-footer", "pg-machine-header"))


@dataclass
class HtmlText:
    """What a reader sees of an HTML document."""

    blocks: list[Block] = field(default_factory=list)
    anchors: dict[str, int] = field(default_factory=dict)
    """id of an element -> index of the block it begins with or stands in."""
    types: frozenset[str] = frozenset()
    """epub:type words of the body and of the elements that hold all of its text."""
    pictures: int = 0
    boilerplate: bool = False
    """Whether a Project Gutenberg header or licence was left out."""
    hidden: Hidden = field(default_factory=Hidden)


def read_html(data: bytes, limits: Limits, encoding: str | None = None) -> Draft:
    """Read an HTML file. Arguments and errors as for `read_text`."""
    raw, used, warnings = decode(data, encoding, declared=True)
    limits.check_text(len(raw))
    draft = Draft("html", encoding=used, warnings=warnings)
    draft.hidden.count(raw)
    tree = parse(raw)
    content = walk(_main_part(tree), draft.hidden)
    if content.pictures:
        count = content.pictures
        draft.dropped.append(
            "One picture was left out." if count == 1 else f"{count} pictures were left out."
        )
    if content.boilerplate:
        draft.dropped.append("The header and licence of Project Gutenberg were left out.")
    if tree.css_first("nav, form, script") is not None:
        draft.dropped.append("Scripts, forms and menus were left out.")
    title, author, facts = title_and_author(content.blocks)
    draft.title = _text_of(tree, "title") or title
    draft.author = _meta(tree, "author", "dc.creator", "dcterms.creator") or author
    draft.language = language_code(tree.root.attributes.get("lang") if tree.root else None)
    draft.metadata = facts
    draft.set_sections(sections_from_blocks(content.blocks, draft.title), limits)
    return draft


def parse(text: str) -> LexborHTMLParser:
    """Parse HTML or XHTML.

    XHTML closes elements in place (`<title/>`), which an HTML parser takes as open, so that
    the rest of the document would vanish into them.
    """
    return LexborHTMLParser(_SELF_CLOSED.sub(r"<\1\2></\1>", text.replace("\x00", "")))


def blocks_of_html(text: str, hidden: Hidden | None = None) -> HtmlText:
    """Parse a document or a fragment and walk it; what it hides is noted in `hidden`."""
    if hidden is not None:
        hidden.count(text)
    return walk(parse(text).body, hidden)


def walk(root: LexborNode | None, hidden: Hidden | None = None) -> HtmlText:
    """Collect headings and paragraphs in reading order; what is hidden is noted in `hidden`."""
    result = HtmlText(hidden=hidden or Hidden())
    if root is None:
        return result
    builder = _Builder(result)
    for node, entering in _nodes(root, result):
        name = node.tag
        if name == "-text":
            if entering:
                builder.add(node.text_content or "")
            continue
        if entering and (identity := node.attributes.get("id")):
            result.anchors.setdefault(identity, builder.position())
        if name == "br" and entering:
            builder.line_break()
        elif name == "img" and entering:
            result.pictures += 1
        elif name in ("td", "th") and entering:
            builder.cell()
        elif name in _BLOCKS:
            builder.boundary(name or "", entering)
    builder.boundary("", False)
    result.types = _types(root)
    return result


def _nodes(root: LexborNode, result: HtmlText) -> Iterator[tuple[LexborNode, bool]]:
    """Walk the tree without recursion, giving each element on entering and on leaving."""
    node: LexborNode | None = root
    pale: int | None = None  # the outermost element with white letters that the walk is in
    while node is not None:
        yield node, True
        skipped = _is_skipped(node, result)
        if not skipped and pale is None and _is_pale(node):
            result.hidden.keep(node.text())
            pale = node.mem_id
        child = None if skipped else node.first_child
        if child is not None:
            node = child
            continue
        while node is not None:
            yield node, False
            if node.mem_id == pale:
                pale = None
            if node.mem_id == root.mem_id:
                return
            if node.next is not None:
                node = node.next
                break
            node = node.parent


def _is_skipped(node: LexborNode, result: HtmlText) -> bool:
    if node.tag in _SKIPPED:
        return True
    if node.tag in ("-text", "br", "img"):
        return False
    attributes = node.attributes
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    if (style := attributes.get("style")) and style_hides(style):
        result.hidden.leave_out(node.text())
        return True
    if attributes.get("id") in _GUTENBERG or "pg-boilerplate" in (attributes.get("class") or ""):
        result.boilerplate = True
        return True
    kinds = (attributes.get("epub:type") or "").split()
    return "pagebreak" in kinds or "backlink" in kinds or "toc" in kinds


def _is_pale(node: LexborNode) -> bool:
    return node.tag != "-text" and style_pales(node.attributes.get("style") or "")


class _Builder:
    """Puts pieces of text together into blocks."""

    def __init__(self, result: HtmlText) -> None:
        self._blocks = result.blocks
        self._text: list[str] = []
        self._level = 0
        self._pre = 0
        self._marker = ""
        self._lists: list[int | None] = []
        self._row = False

    def position(self) -> int:
        """Index of the block that comes next, or that is open."""
        return len(self._blocks)

    def add(self, text: str) -> None:
        self._text.append(text if self._pre else _SPACE.sub(" ", text))

    def line_break(self) -> None:
        self._text.append("\n")

    def cell(self) -> None:
        if "".join(self._text).strip():
            self._text.append(" | ")

    def boundary(self, name: str, entering: bool) -> None:
        if self._row and name not in ("tr", "table"):
            self._text.append(" ")
            return
        self._flush()
        if name == "pre":
            self._pre += 1 if entering else -1
        elif name in ("ul", "ol"):
            if entering:
                self._lists.append(1 if name == "ol" else None)
            elif self._lists:
                self._lists.pop()
        elif name == "li" and entering:
            number = self._lists[-1] if self._lists else None
            self._marker = "- " if number is None else f"{number}. "
            if number is not None:
                self._lists[-1] = number + 1
        elif name == "tr":
            self._row = entering
        self._level = _HEADINGS.get(name, 0) if entering else 0

    def _flush(self) -> None:
        lines = "".join(self._text).split("\n")
        self._text = []
        text = clean("\n".join(lines), keep_indent=bool(self._pre))
        if not self._pre:
            text = "\n".join(line.strip() for line in text.split("\n")).strip()
        if text.strip():
            self._blocks.append(Block(self._marker + text, self._level))
            self._marker = ""


def _types(root: LexborNode) -> frozenset[str]:
    """epub:type of the body and of the only element in it, and so on inwards."""
    words: set[str] = set()
    node: LexborNode | None = root
    while node is not None:
        words.update((node.attributes.get("epub:type") or "").split())
        if role := node.attributes.get("role"):
            words.add(role.removeprefix("doc-"))
        inner = [child for child in node.iter() if child.tag not in ("script", "style")]
        node = inner[0] if len(inner) == 1 else None
    return frozenset(words)


def _main_part(tree: LexborHTMLParser) -> LexborNode | None:
    """<main> or the one <article> where it holds most of the text, else <body>."""
    body = tree.body
    if body is None:
        return None
    whole = len(body.text())
    for selector in ("main", "article"):
        found = body.css(selector)
        if len(found) == 1 and len(found[0].text()) > 0.5 * whole:
            return found[0]
    return body


def _text_of(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return one_line(node.text()) if node is not None else ""


def _meta(tree: LexborHTMLParser, *names: str) -> str:
    for node in tree.css("meta[name][content]"):
        if (node.attributes.get("name") or "").casefold() in names:
            return one_line(node.attributes.get("content") or "")
    return ""
