"""Ontologies in OBO files: the Gene Ontology and its kin."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable

from hierloss import HierarchyError
from hierloss._input import OnCycle
from hierloss_adapters import _files
from hierloss_adapters._files import Source, at
from hierloss_adapters._ontology import Ontology, Stated, check_dangling, ontology, ordered, stated
from hierloss_adapters._stanzas import Edge, Scan, plain, scan

__all__ = ["Ontology", "read_obo"]


def read_obo(
    path: Source,
    relations: Iterable[str] = ("is_a", "part_of"),
    namespace: str | None = None,
    *,
    on_cycle: OnCycle = "raise",
    on_dangling: OnCycle = "raise",
    encoding: str = "utf-8",
) -> Ontology:
    r"""Read the live terms of an OBO file and the edges between them.

    The parents of a term are those of its `is_a` and of its `relationship` of the chosen kinds; the
    default kinds are those along which annotations may be propagated. An identifier that is no live
    term is an alias if it is the `alt_id` of one live term or, failing that, if a single
    `replaced_by` leads to a live term, perhaps over several. What to `consider` is reported, never
    mapped.

    A file may call a relation otherwise: `BFO:0000050` and `OBO_REL:part_of` are `part_of`, and so
    is what a `[Typedef]` gives that `xref`, `alt_id` or, with a blank for ``_``, `name`. An edge
    whose modifier takes it back for some members of the term is none: one with `gci_relation`, with
    a cardinality that may be 0, or with `all_only` alone.

    As `obonet` loses edges of some malformed files without a word, each line is checked before it
    parses those of the terms, and the terms and edges that come back are compared with the lines.
    Values that are neither are taken from the lines. Blank lines and comments may be anywhere.

    Args:
        path: The file, plain or compressed (gzip, bzip2, xz), whatever its name.
        relations: The relations that lead to a parent, in an order, see `on_cycle`.
        namespace: Take the terms of this namespace only, and the edges between them.
        on_cycle: "raise", or "drop" to leave out edges that close a cycle, of which those of the
            relation named last go first; see `Hierarchy.from_edges`.
        on_dangling: "raise", or "drop" to leave out edges to a term that is obsolete or not in the
            file.
        encoding: The encoding of the file.

    Raises:
        HierarchyError: The file is malformed, as the message says with its line, or has no live
            term, or no such relation or namespace.
        CycleError: The edges have a cycle and `on_cycle` is "raise".

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "pets.obo")
        ...     _ = path.write_text("[Term]\nid: X:2\nis_a: X:1 ! animal\n\n[Term]\nid: X:1\n")
        ...     ontology = read_obo(path)
        >>> ontology.hierarchy, ontology.relations
        (Hierarchy(2 classes, 1 edge, 1 root, depth 1, tree), {'is_a': 1, 'part_of': 0})
    """
    relations = ordered(relations)
    check_dangling(on_dangling)
    file = _parse(path, scan(path, _files.read_lines(path, encoding)))
    return ontology(file, relations, namespace, on_cycle, on_dangling)


def _parse(path: Source, found: Scan) -> Stated:
    import obonet

    # Without an ontology in the header, obonet warns through the root logger.
    text = io.StringIO("\n".join(["ontology: any", *found.text]))
    try:
        graph = obonet.read_obo(text, ignore_obsolete=False)
    except (ValueError, KeyError, TypeError) as error:
        problem = f"{path}: expected what obonet can read, got {error!r} from it; mend the file"
        raise HierarchyError(problem) from error
    edges = {(plain(c), plain(relation), plain(p)) for c, p, relation in graph.edges(keys=True)}
    _check_same(path, found, set(map(plain, graph)), edges)
    places = {edge: f"line {line}" for edge, line in found.edges.items()}
    default = found.header.get("default-namespace")
    return stated(os.fspath(path), found.terms, found.typedefs, places, found.limited, default)


def _check_same(path: Source, found: Scan, nodes: set[str], edges: set[Edge]) -> None:
    """Raise where obonet lost or invented a term or an edge."""
    lost = [(line, repr(x)) for x, line in found.lines.items() if x not in nodes]
    lost += [(line, repr(edge)) for edge, line in found.edges.items() if edge not in edges]
    if lost:
        line, what = min(lost)
        raise at(path, line, f"expected {what}, which obonet lost; write the line more plainly")
    new = nodes - found.terms.keys() - {edge[2] for edge in found.edges}
    invented = sorted(map(repr, (*new, *(edges - found.edges.keys()))))
    if invented:
        problem = f"expected no {invented[0]}, which only obonet sees; mend the file"
        raise HierarchyError(f"{path}: {problem}")
