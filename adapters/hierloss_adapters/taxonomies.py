"""MeSH trees, the NCBI taxonomy and WordNet, each from the files that its makers publish."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hierloss import Hierarchy, HierarchyError
from hierloss._dag import Ints, longest_paths
from hierloss._input import OnCycle
from hierloss_adapters import _ncbi
from hierloss_adapters._files import Source, at, stream_rows
from hierloss_adapters.graph import by_level

__all__ = ["Taxonomy", "read_mesh", "read_ncbi", "read_wordnet"]

_TREE_NUMBER = re.compile(r"[A-Z]\d\d(\.\d+)*")
_SYNSET = re.compile(r"[nv]\d{8}", re.ASCII)
_POINTER_FIELDS = 4
_HYPERNYMS = ("@", "@i")


@dataclass(frozen=True)
class Taxonomy:
    """What a classification says of its classes.

    Attributes:
        hierarchy: The classes, in the order of level, then of the file.
        labels: What each class is called, where that is not its name in the hierarchy.
        ranks: The rank or kind of each class that has one, such as "species" or "chapter".
    """

    hierarchy: Hierarchy
    labels: Mapping[str, str] = field(repr=False)
    ranks: Mapping[str, str] = field(repr=False)


def read_mesh(
    path: Source,
    *,
    by: Literal["number", "heading"],
    on_cycle: OnCycle = "raise",
    encoding: str = "utf-8",
) -> Taxonomy:
    r"""MeSH from its file of trees, ``mtrees2026.bin`` or the like.

    A line is a heading, a semicolon and one of its tree numbers; the parent of a tree number is the
    number without its last component. A heading has one number or several, so there are two
    hierarchies, and which one is meant is said, never guessed. The sixteen letters are no classes.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        by: "number" for the trees, whose classes are tree numbers, labelled by their headings;
            "heading" for the DAG whose classes are headings, with their tree numbers as aliases.
        on_cycle: As in `Hierarchy.from_edges`. Headings can have a cycle, as those of 2022 had;
            tree numbers cannot.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: A line is malformed, a tree number is there twice or without its parent, or
            a heading is its own parent, as the message says with the line.
        CycleError: Headings have a cycle and `on_cycle` is "raise".

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "mtrees.bin")
        ...     _ = path.write_text("Organs;A01\nSenses;G02\nEye;A01.5\nEye;G02.7\n")
        ...     read_mesh(path, by="number").hierarchy.names
        ...     read_mesh(path, by="heading").hierarchy.parents("Eye")
        ('A01', 'G02', 'A01.5', 'G02.7')
        ('Organs', 'Senses')
    """
    if by not in ("number", "heading"):
        raise ValueError(f"expected by='number' or by='heading', got {by!r}")
    heading: dict[str, str] = {}
    line: dict[str, int] = {}
    for i, text in stream_rows(path, encoding):
        name, _, number = (part.strip() for part in text.rpartition(";"))
        if not name or not _TREE_NUMBER.fullmatch(number):
            raise at(
                path, i, f"expected 'heading;tree number', got {text.strip()!r}; mend the line"
            )
        if line.setdefault(number, i) != i:
            raise at(
                path, i, f"expected {number!r} once, got it after line {line[number]}; drop it"
            )
        heading[number] = name
    if not heading:
        raise HierarchyError(f"{os.fspath(path)}: expected at least one heading, got none")
    edges = [(x, x.rpartition(".")[0]) for x in heading if "." in x]
    for child, parent in edges:
        _check_parent(path, line[child], child, parent, heading)
    if by == "number":
        return Taxonomy(by_level(heading, edges, on_cycle=on_cycle), heading, {})
    for child, parent in edges:
        if heading[child] == heading[parent]:
            problem = f"expected two headings, got {heading[child]!r} below itself; mend the line"
            raise at(path, line[child], problem)
    pairs = dict.fromkeys((heading[child], heading[parent]) for child, parent in edges)
    h = by_level(dict.fromkeys(heading.values()), pairs, aliases=heading, on_cycle=on_cycle)
    return Taxonomy(h, {}, {})


def read_ncbi(
    nodes: Source,
    names: Source | None = None,
    merged: Source | None = None,
    *,
    taxa: Iterable[str] | None = None,
    on_cycle: OnCycle = "raise",
    encoding: str = "utf-8",
) -> Taxonomy:
    r"""The NCBI taxonomy from ``nodes.dmp``, and what ``names.dmp`` and ``merged.dmp`` add.

    A taxon that is its own parent, as 1 is, is a root. Classes are called by their identifiers, and
    ordered by level, then as in the file. All 2.6 million taxa with their names take half a minute
    and 1.4 GB; `taxa` keeps to those of a data set.

    Args:
        nodes: The file of nodes, plain or compressed (gzip, bzip2, xz).
        names: The file of names, of which the scientific ones become labels.
        merged: The file of taxa that have become part of others, which become aliases.
        taxa: Keep these and their ancestors only; merged identifiers are known.
        on_cycle: As in `Hierarchy.from_edges`.
        encoding: The encoding of the files.

    Raises:
        HierarchyError: A row is malformed, a taxon or a former one is there twice, or its parent is
            not there, as the message says with the line.
        UnknownClassError: One of `taxa` is not in the file.
        CycleError: Two taxa or more have a cycle and `on_cycle` is "raise".

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "nodes.dmp")
        ...     _ = path.write_text("1\t|\t1\t|\tno rank\t|\n9606\t|\t1\t|\tspecies\t|\n")
        ...     read_ncbi(path).ranks
        {'1': 'no rank', '9606': 'species'}
    """
    if on_cycle not in ("raise", "drop"):
        raise ValueError(f"expected on_cycle 'raise' or 'drop', got {on_cycle!r}")
    table = _ncbi.nodes(nodes, encoding)
    aliases = {} if merged is None else _ncbi.merged(merged, table, encoding)
    kept = np.arange(len(table.ids))
    if taxa is not None:
        kept = _ncbi.with_ancestors(nodes, table, taxa, aliases)
    edges = kept[table.parent[kept] != kept]
    place = np.full(len(table.ids), -1)
    place[kept] = np.arange(len(kept))
    edges, level, dropped = _leveled(table, kept, edges, place, on_cycle)
    kept = kept[np.argsort(level, kind="stable")]
    place[kept] = np.arange(len(kept))
    called = [str(x) for x in table.ids[kept].tolist()]
    alive = {str(old): called[place[i]] for old, i in aliases.items() if place[i] >= 0}
    h = Hierarchy(called, place[edges], place[table.parent[edges]], alive, dropped)
    labels = {} if names is None else _ncbi.scientific(names, table, place, h.names, encoding)
    ranks = {h.names[j]: table.ranks[i] for j, i in enumerate(kept.tolist())}
    return Taxonomy(h, labels, ranks)


def read_wordnet(
    path: Source,
    relations: Iterable[str] = _HYPERNYMS,
    *,
    on_cycle: OnCycle = "raise",
    encoding: str = "utf-8",
) -> Taxonomy:
    r"""Synsets of WordNet from ``data.noun`` or ``data.verb``, below their hypernyms.

    A synset is called as in ImageNet, by its part of speech and its offset: ``n02084071``. Its
    label is its words. Lines before the first synset that begin with two blanks are the licence.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz).
        relations: The pointers that lead to a parent: ``@`` to a hypernym, ``@i`` from an instance.
        on_cycle: As in `Hierarchy.from_edges`.
        encoding: The encoding of the file.

    Raises:
        TypeError: `relations` is a string.
        ValueError: `relations` has another pointer, or none.
        HierarchyError: A line is malformed, or a synset is there twice, without its parent or its
            own parent, as the message says with the line.
        CycleError: The synsets have a cycle and `on_cycle` is "raise".

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "data.noun")
        ...     _ = path.write_text("00000010 03 n 01 animal 0 000 | lives\n"
        ...         "00000020 03 n 02 cat 0 true_cat 0 001 @ 00000010 n 0000 | purrs\n")
        ...     read_wordnet(path).labels
        {'n00000010': 'animal', 'n00000020': 'cat, true cat'}
    """
    relations = _upward(relations)
    labels: dict[str, str] = {}
    line: dict[str, int] = {}
    edges: list[tuple[str, str]] = []
    for i, text in stream_rows(path, encoding):
        if text.startswith("  ") and not labels:
            continue
        name, label, pointers = _synset(path, i, text)
        if line.setdefault(name, i) != i:
            raise at(path, i, f"expected {name!r} once, got it after line {line[name]}; drop it")
        labels[name] = label
        edges += [(name, target) for kind, target in pointers if kind in relations]
    if not labels:
        raise HierarchyError(f"{os.fspath(path)}: expected at least one synset, got none")
    for child, parent in edges:
        if child == parent:
            problem = f"expected two synsets, got {child!r} above itself; mend the line"
            raise at(path, line[child], problem)
        _check_parent(path, line[child], child, parent, labels)
    return Taxonomy(by_level(labels, edges, on_cycle=on_cycle), labels, {})


def _leveled(
    table: _ncbi.Nodes, kept: Ints, edges: Ints, place: Ints, on_cycle: OnCycle
) -> tuple[Ints, Ints, tuple[tuple[str, str], ...]]:
    """The taxa with a parent, the levels of all, and the edges that are left out."""
    child, parent = place[edges], place[table.parent[edges]]
    level = longest_paths(child, parent, len(kept))
    if (level >= 0).all():
        return edges, level, ()
    pairs = zip(child.tolist(), parent.tolist(), strict=True)
    h = Hierarchy.from_edges(pairs, [str(x) for x in table.ids[kept]], on_cycle=on_cycle)
    return kept[h.edge_index[0]], h.levels, h.dropped


def _upward(relations: Iterable[str]) -> frozenset[str]:
    if isinstance(relations, str):
        raise TypeError(f"expected a collection of pointers, got a string; write [{relations!r}]")
    found = frozenset(relations)
    strange = sorted(found.difference(_HYPERNYMS))
    if strange or not found:
        got = repr(strange[0]) if strange else "none"
        raise ValueError(
            f"expected pointers among {' and '.join(map(repr, _HYPERNYMS))}, got {got}"
        )
    return found


def _synset(path: Source, line: int, text: str) -> tuple[str, str, list[tuple[str, str]]]:
    """The name of a synset, its words and its pointers: the kind and the name of the other one."""
    try:
        offset, _, kind, count, *rest = text.partition("|")[0].split()
        if not _SYNSET.fullmatch(kind + offset):
            raise ValueError
        size = 2 * int(count, 16)
        words, pointers = rest[:size:2], rest[size + 1 :]
        n = int(rest[size])
        quads = [pointers[i : i + _POINTER_FIELDS] for i in range(0, n * _POINTER_FIELDS, 4)]
        links = [(symbol, part + target) for symbol, target, part, _ in quads]
    except (ValueError, IndexError):
        problem = f"expected a synset as in data.noun or data.verb, got {text.strip()!r}"
        raise at(path, line, f"{problem}; mend the line") from None
    return kind + offset, ", ".join(word.replace("_", " ") for word in words), links


def _check_parent(
    path: Source, line: int, child: str, parent: str, known: Mapping[str, str]
) -> None:
    if parent not in known:
        raise at(
            path, line, f"expected {parent!r}, the parent of {child!r}, got none; add its line"
        )
