"""Ontologies in OBO files: the Gene Ontology and its kin."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hierloss import Hierarchy, HierarchyError
from hierloss._input import OnCycle
from hierloss_adapters import _files
from hierloss_adapters._files import Source, at
from hierloss_adapters._stanzas import Edge, Scan, Terms, plain, scan
from hierloss_adapters.graph import by_level

__all__ = ["Ontology", "read_obo"]


@dataclass(frozen=True)
class Ontology:
    """What an OBO file says of its live terms.

    Attributes:
        hierarchy: The live terms, or those of one namespace, in the order of level, then of the
            file. Its aliases are the `alt_id` and `replaced_by` that lead to one of them. Its
            `dropped` are the edges that ``on_cycle="drop"`` left out.
        labels: The name of each class that has one.
        namespaces: The namespace of each class, which may be the default namespace of the file.
        relations: The number of edges of each relation that are in the hierarchy. A pair of
            classes with two relations counts for both, and is one edge of the hierarchy.
        obsolete: Each obsolete term that is no alias, with the terms to consider in its place.
        dropped: The edges that ``on_dangling="drop"`` left out, one sentence each.
        problems: What else is left out or ambiguous, one sentence each.
    """

    hierarchy: Hierarchy
    labels: Mapping[str, str] = field(repr=False)
    namespaces: Mapping[str, str] = field(repr=False)
    relations: Mapping[str, int]
    obsolete: Mapping[str, tuple[str, ...]] = field(repr=False)
    dropped: tuple[str, ...] = field(repr=False)
    problems: tuple[str, ...] = field(repr=False)


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
    relations = _ordered(relations)
    if on_dangling not in ("raise", "drop"):
        raise ValueError(f"expected on_dangling 'raise' or 'drop', got {on_dangling!r}")
    file = _parse(path, scan(path, _files.read_lines(path, encoding)))
    classes = _classes(file, namespace)
    kept, dropped, outside = _edges(file, relations, classes, on_dangling)
    aliases = _aliases(file, classes)
    hierarchy = by_level(
        [x for x in file.terms if x in classes],
        dict.fromkeys((child, parent) for child, _, parent in kept),
        aliases=aliases,
        on_cycle=on_cycle,
    )
    cut = set(hierarchy.dropped)
    used = Counter(relation for child, relation, parent in kept if (child, parent) not in cut)
    return Ontology(
        hierarchy,
        labels={x: file.terms[x]["name"][0] for x in hierarchy if "name" in file.terms[x]},
        namespaces={x: file.namespaces[x] for x in hierarchy if x in file.namespaces},
        relations={relation: used[relation] for relation in relations},
        obsolete=_obsolete(file, namespace, aliases),
        dropped=dropped,
        problems=(*outside, *_ambiguous(file)),
    )


class _File(NamedTuple):
    """What the lines and obonet agree upon."""

    path: Source
    terms: Terms
    edges: dict[Edge, int]
    namespaces: dict[str, str]
    live: set[str]
    leads: dict[str, set[str]]


def _ordered(relations: Iterable[str]) -> tuple[str, ...]:
    if isinstance(relations, str):
        raise TypeError(f"expected a sequence of relations, got a string; write ({relations!r},)")
    if isinstance(relations, (set, frozenset)) or not isinstance(relations, Iterable):
        raise TypeError(
            "expected a sequence of relations, as their order matters, got "
            f"{relations!r}; write ('is_a', 'part_of')"
        )
    ordered = tuple(dict.fromkeys(relations))
    if not ordered:
        raise ValueError("expected at least one relation, got none; write ('is_a', 'part_of')")
    return ordered


def _parse(path: Source, found: Scan) -> _File:
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
    default = [found.header.get("default-namespace", "")]
    spaces = {x: term.get("namespace", default)[0] for x, term in found.terms.items()}
    live = {x for x, term in found.terms.items() if not _is_obsolete(term)}
    namespaces = {x: space for x, space in spaces.items() if space}
    return _File(path, found.terms, found.edges, namespaces, live, _leads(found.terms, live))


def _is_obsolete(term: Mapping[str, Sequence[str]]) -> bool:
    return term.get("is_obsolete", ["false"])[0].lower() == "true"


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


def _classes(file: _File, namespace: str | None) -> set[str]:
    if not file.live:
        problem = "expected at least one live term, got obsolete ones only; take another file"
        raise HierarchyError(f"{file.path}: {problem}")
    if namespace is None:
        return file.live
    found = {x for x in file.live if file.namespaces.get(x) == namespace}
    if not found:
        known = sorted({file.namespaces[x] for x in file.live if x in file.namespaces})
        problem = f"expected a namespace out of {known}, got {namespace!r}; choose another"
        raise HierarchyError(f"{file.path}: {problem}")
    return found


def _edges(
    file: _File, relations: Sequence[str], classes: set[str], on_dangling: str
) -> tuple[list[Edge], tuple[str, ...], tuple[str, ...]]:
    """The edges between classes, what dangles, and how many lead to other namespaces."""
    chosen = [edge for edge in _chosen(file, relations) if edge[0] in classes]
    kept = [edge for edge in chosen if edge[2] in classes]
    dangling = [edge for edge in chosen if edge[2] not in file.live]
    for edge in kept:
        _check_loop(file, edge)
    if dangling and on_dangling == "raise":
        raise at(
            file.path,
            file.edges[dangling[0]],
            f"expected a parent that is a live term, got {_fate(file, dangling[0])}; mend the "
            "file, or pass on_dangling='drop'",
        )
    outside = len(chosen) - len(kept) - len(dangling)
    remark = f"edges left out because they lead to other namespaces: {outside}"
    return kept, tuple(_dropped(file, edge) for edge in dangling), (remark,) * bool(outside)


def _chosen(file: _File, relations: Sequence[str]) -> Iterator[Edge]:
    """The edges of the chosen relations, in their order, then in that of the file."""
    known = {"is_a", "part_of", *(relation for _, relation, _ in file.edges)}
    for wanted in relations:
        if wanted not in known:
            problem = f"expected relations out of {sorted(known)}, got {wanted!r}; choose another"
            raise HierarchyError(f"{file.path}: {problem}")
        yield from (edge for edge in file.edges if edge[1] == wanted)


def _check_loop(file: _File, edge: Edge) -> None:
    child, relation, parent = edge
    if child == parent:
        problem = f"expected two terms, got {child!r} {relation} itself; take the line away"
        raise at(file.path, file.edges[edge], problem)


def _fate(file: _File, edge: Edge) -> str:
    """What is wrong with the parent, and what to write in its place."""
    parent = edge[2]
    fate = "not in the file"
    if parent in file.terms:
        fate = "obsolete"
    elif parent in file.leads:
        fate = f"an alt_id of {' and '.join(map(repr, sorted(file.leads[parent])))}"
    target = _target(parent, file.leads, file.live)
    return f"{parent!r}, which is {fate}" + (f" (write {target!r})" if target else "")


def _dropped(file: _File, edge: Edge) -> str:
    child, relation, _ = edge
    return f"line {file.edges[edge]}: {child!r} {relation} {_fate(file, edge)}"


def _leads(terms: Terms, live: Collection[str]) -> dict[str, set[str]]:
    """Where an identifier that is no live term leads, by the strongest rule that speaks of it."""
    alive: defaultdict[str, set[str]] = defaultdict(set)
    dead: defaultdict[str, set[str]] = defaultdict(set)
    for x, term in terms.items():
        for alias in term.get("alt_id", ()):
            (alive if x in live else dead)[alias].add(x)
    replaced = {
        x: set(term["replaced_by"])
        for x, term in terms.items()
        if x not in live and "replaced_by" in term
    }
    return {**dead, **replaced, **alive}


def _target(x: str, leads: Mapping[str, set[str]], live: Collection[str]) -> str | None:
    """The live term that an identifier leads to, if there is one and no other."""
    seen = set()
    while x not in live:
        if x in seen or len(leads.get(x, ())) != 1:
            return None
        seen.add(x)
        (x,) = leads[x]
    return x


def _aliases(file: _File, classes: set[str]) -> dict[str, str]:
    targets = ((x, _target(x, file.leads, file.live)) for x in file.leads if x not in file.live)
    return {x: target for x, target in targets if target is not None and target in classes}


def _ambiguous(file: _File) -> Iterator[str]:
    for x, targets in file.leads.items():
        shown = " and ".join(map(repr, sorted(targets)))
        if x in file.live:
            yield f"{x!r} is a term, although it is an alt_id of {shown}"
        elif len(targets) > 1:
            yield f"{x!r} is no alias, because it leads to {shown}"


def _obsolete(
    file: _File, namespace: str | None, aliases: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    return {
        x: tuple(term.get("consider", ()))
        for x, term in file.terms.items()
        if x not in file.live and x not in aliases
        if namespace in (None, file.namespaces.get(x))
    }
