"""ICD: ClaML files with every chapter and block, and the lists of codes of ICD-10-CM."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from hierloss import HierarchyError
from hierloss._input import OnCycle
from hierloss_adapters._files import Source, at, check_local, decompressed, stream_rows
from hierloss_adapters.graph import by_level
from hierloss_adapters.taxonomies import Taxonomy

__all__ = ["read_claml", "read_icd10cm"]

_CATEGORY = 3
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CODE, _FLAG, _SHORT, _LONG = slice(6, 13), slice(14, 15), slice(16, 76), slice(77, None)


def read_claml(
    path: Source, *, language: str | None = None, on_cycle: OnCycle = "raise"
) -> Taxonomy:
    r"""A classification in ClaML, the XML in which ICD-10 and its national versions come.

    Every chapter, block and category is a class, named by its code, below its `SuperClass`. Its
    label is the first preferred one, its rank its kind. Codes that a modifier makes of others are
    not written out in such a file, and so are no classes.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        language: Take labels in this language only, as `xml:lang` says it.
        on_cycle: As in `Hierarchy.from_edges`.

    Raises:
        HierarchyError: The file is no such XML, a code is missing or there twice, a class is
            below one that is not there, or no label is in the language.
        CycleError: The classes have a cycle and `on_cycle` is "raise".

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "icd.xml")
        ...     _ = path.write_text('<ClaML version="2.0.0"><Class code="I" kind="chapter"/>'
        ...         '<Class code="A00-A09" kind="block"><SuperClass code="I"/></Class></ClaML>')
        ...     read_claml(path).hierarchy.edges
        (('A00-A09', 'I'),)
    """
    check_local(path)
    where = os.fspath(path)
    try:
        root = ElementTree.fromstring(decompressed(path, Path(path).read_bytes()))
    except ElementTree.ParseError as error:
        raise at(path, error.position[0], f"expected XML, got {error}; fetch it again") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # a file may have a namespace
    labels: dict[str, str] = {}
    ranks: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for element in root.iter("Class"):
        code = element.get("code", "")
        if not code or code in ranks:
            got = f"the code {code!r} twice" if code else "a class without one"
            raise HierarchyError(f"{where}: expected classes with different codes, got {got}")
        ranks[code] = element.get("kind", "")
        for label in _preferred(element, language):
            labels.setdefault(code, label)
        edges += [(code, above.get("code", "")) for above in element.iter("SuperClass")]
    if not ranks:
        raise HierarchyError(f"{where}: expected classes, got none in <{root.tag}>; is it ClaML?")
    lost = [edge for edge in edges if edge[1] not in ranks]
    if lost:
        raise HierarchyError(
            f"{where}: expected a class {lost[0][1]!r} above {lost[0][0]!r}, got none; add it"
        )
    if language is not None and not labels:
        raise HierarchyError(f"{where}: expected labels in {language!r}, got none; take another")
    h = by_level(ranks, edges, on_cycle=on_cycle)
    return Taxonomy(h, labels, {code: rank for code, rank in ranks.items() if rank})


def read_icd10cm(path: Source, *, encoding: str = "utf-8") -> Taxonomy:
    r"""Codes of ICD-10-CM from its file in order, ``icd10cm_order_2026.txt`` or the like.

    The parent of a code is the longest other code of the file that it begins with. So categories,
    codes of three characters, are the roots: their blocks and chapters are not in the file, and
    do not follow from codes. Classes are named as there, ``A000``, with ``A00.0`` as an alias.
    Labels are the long descriptions, ranks are "header" and "code", which may be billed.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A line is malformed, or a code is there twice or without its category, as
            the message says with the line.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "icd10cm_order.txt")
        ...     _ = path.write_text("00001 A00     0 Cholera\n00002 A000    1 Cholera, classical\n")
        ...     read_icd10cm(path).hierarchy.parents("A00.0")
        ('A00',)
    """
    line: dict[str, int] = {}
    labels: dict[str, str] = {}
    ranks: dict[str, str] = {}
    for i, text in stream_rows(path, encoding):
        text = text.rstrip()
        code, flag = text[_CODE].rstrip(), text[_FLAG]
        if len(code) < _CATEGORY or " " in code or flag not in ("0", "1") or text[13:14] != " ":
            raise at(path, i, f"expected 'number code 0-or-1 description', got {text!r}; mend it")
        if line.setdefault(code, i) != i:
            raise at(path, i, f"expected {code!r} once, got it after line {line[code]}; drop it")
        labels[code] = text[_LONG] or text[_SHORT]
        ranks[code] = "code" if flag == "1" else "header"
    if not line:
        raise HierarchyError(f"{os.fspath(path)}: expected at least one code, got none")
    below = [code for code in line if len(code) > _CATEGORY]
    edges = [(code, next((x for x in _shorter(code) if x in line), "")) for code in below]
    for code, parent in edges:
        if not parent:
            problem = f"expected the category {code[:_CATEGORY]!r} of {code!r}, got none; add it"
            raise at(path, line[code], problem)
    aliases = {f"{code[:_CATEGORY]}.{code[_CATEGORY:]}": code for code in below}
    return Taxonomy(by_level(line, edges, aliases=aliases), labels, ranks)


def _preferred(element: ElementTree.Element, language: str | None) -> Iterator[str]:
    for rubric in element.iter("Rubric"):
        if rubric.get("kind") == "preferred":
            for label in rubric.iter("Label"):
                if language in (None, label.get(_LANGUAGE)):
                    yield " ".join("".join(_words(label)).split())


def _words(element: ElementTree.Element) -> Iterator[str]:
    """The text of an element, without the codes it refers to."""
    yield element.text or ""
    for inner in element:
        if inner.tag != "Reference":
            yield from _words(inner)
        yield inner.tail or ""


def _shorter(code: str) -> Iterator[str]:
    return (code[:k] for k in range(len(code) - 1, _CATEGORY - 1, -1))
