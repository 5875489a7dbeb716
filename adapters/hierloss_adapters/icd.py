"""ICD: ClaML files with every chapter and block, and the lists of codes of ICD-10-CM."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hierloss import HierarchyError
from hierloss._input import OnCycle
from hierloss_adapters._files import Source, at, check_local, decompressed, stream_rows
from hierloss_adapters.graph import by_level
from hierloss_adapters.taxonomies import Taxonomy

__all__ = ["read_claml", "read_icd10cm"]

_CATEGORY = 3
_LANGUAGE = "http://www.w3.org/XML/1998/namespace}lang"
_LINKS = {"SuperClass": "above", "SubClass": "below"}
_INLINE = ("Term", "Reference")
_CODE, _FLAG, _SHORT, _LONG = slice(6, 13), slice(14, 15), slice(16, 76), slice(77, None)


def read_claml(
    path: Source, *, language: str | None = None, on_cycle: OnCycle = "raise"
) -> Taxonomy:
    r"""A classification in ClaML, the XML in which ICD-10 and its national versions come.

    Every chapter, block and category is a class, named by its code, below its `SuperClass` and
    above its `SubClass`; a file may have one of the two or both. Its label is the first preferred
    one, its rank its kind. Codes that a modifier makes of others are not written out in such a
    file, and so are no classes.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        language: Take labels in this language only, as `xml:lang` says it.
        on_cycle: As in `Hierarchy.from_edges`.

    Raises:
        HierarchyError: The file is no such XML, a code is missing or there twice, or a class is
            above or below one that is not there or itself, as the message says with the line; or no
            label is in the language.
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
    root, line = _tree(path)
    classes = _classes(path, root, line)
    edges = _edges(path, classes, line)
    labels = {code: next(_preferred(x, language), "") for code, x in classes.items()}
    if language is not None and not any(labels.values()):
        got = f"expected labels in {language!r}, got none; take another"
        raise HierarchyError(f"{os.fspath(path)}: {got}")
    ranks = {code: x.get("kind", "") for code, x in classes.items()}
    return Taxonomy(by_level(classes, edges, on_cycle=on_cycle), _given(labels), _given(ranks))


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


def _tree(path: Source) -> tuple[Element, dict[Element, int]]:
    """The root of an XML file, with tags without their namespace, and the line of each element."""
    check_local(path)
    data = decompressed(path, Path(path).read_bytes())
    line: dict[Element, int] = {}
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")

    def start(tag: str, attributes: dict[str, str]) -> None:
        line[builder.start(tag.rpartition("}")[2], attributes)] = parser.CurrentLineNumber

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: builder.end(tag.rpartition("}")[2])
    parser.CharacterDataHandler = builder.data
    parser.DefaultHandlerExpand = _check_entity
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        problem = f"expected XML, got {error}; fetch it again, or save it in UTF-8"
        raise at(path, parser.CurrentLineNumber, problem) from error
    return builder.close(), line


def _check_entity(text: str) -> None:
    """Raise for a piece of a file that is left as it is since no entity is called so."""
    if text.startswith("&"):
        raise LookupError(f"the undefined entity {text}")


def _classes(path: Source, root: Element, line: Mapping[Element, int]) -> dict[str, Element]:
    found: dict[str, Element] = {}
    for element in root.iter("Class"):
        code = element.get("code", "")
        if not code:
            raise at(path, line[element], "expected a class with a code, got one without; add it")
        if code in found:
            problem = f"expected {code!r} once, got it after line {line[found[code]]}; drop it"
            raise at(path, line[element], problem)
        found[code] = element
    if not found:
        problem = f"expected classes, got none in <{root.tag}>; is it ClaML?"
        raise at(path, line[root], problem)
    return found


def _edges(
    path: Source, classes: Mapping[str, Element], line: Mapping[Element, int]
) -> list[tuple[str, str]]:
    """The pairs of classes, as the lower or the upper one of them has it or both."""
    found: list[tuple[str, str]] = []
    for code, element in classes.items():
        for link in (x for x in element if x.tag in _LINKS):
            other = link.get("code", "")
            if other == code or other not in classes:
                fate = "itself" if other == code else "not in the file"
                problem = f"a class {_LINKS[link.tag]} {code!r}, got {other!r}, which is {fate}"
                raise at(path, line[link], f"expected {problem}; mend it")
            found.append((code, other) if link.tag == "SuperClass" else (other, code))
    return found


def _preferred(element: Element, language: str | None) -> Iterator[str]:
    """The labels to prefer that are not empty."""
    for rubric in element.iter("Rubric"):
        if rubric.get("kind") == "preferred":
            for label in rubric.iter("Label"):
                words = " ".join("".join(_words(label)).split())
                if words and language in (None, label.get(_LANGUAGE)):
                    yield words


def _words(element: Element) -> Iterator[str]:
    """The text of an element, without the codes it refers to, and with blanks around paragraphs."""
    yield element.text or ""
    for inner in element:
        blank = "" if inner.tag in _INLINE else " "
        if inner.tag != "Reference":
            yield from (blank, *_words(inner), blank)
        yield inner.tail or ""


def _given(texts: Mapping[str, str]) -> dict[str, str]:
    return {code: text for code, text in texts.items() if text}


def _shorter(code: str) -> Iterator[str]:
    return (code[:k] for k in range(len(code) - 1, _CATEGORY - 1, -1))
