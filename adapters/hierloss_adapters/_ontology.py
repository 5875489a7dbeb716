"""Live terms, chosen relations, aliases: what becomes of an ontology, wherever it was read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hierloss import Hierarchy, HierarchyError
from hierloss._input import OnCycle
from hierloss_adapters._stanzas import Edge, Terms
from hierloss_adapters.graph import by_level

_PART_OF = {"part_of", "BFO:0000050"}


@dataclass(frozen=True)
class Ontology:
    """What an ontology says of its live terms.

    Attributes:
        hierarchy: The live terms, or those of one namespace, in the order of level, then of the
            file. Its aliases are the `alt_id` and `replaced_by` that lead to one of them. Its
            `dropped` are the edges that ``on_cycle="drop"`` left out.
        labels: The name of each class that has one.
        namespaces: The namespace of each class, which may be the default namespace of the file.
        relations: The number of edges of each relation that are in the hierarchy, under whatever
            name the file has it. A pair of classes with two relations counts for both, and is one
            edge of the hierarchy.
        obsolete: Each obsolete term that is no alias, with the terms to consider in its place.
        dropped: The edges that ``on_dangling="drop"`` left out, one sentence each.
        problems: What else is left out or ambiguous, one sentence each. Edges of relations that
            were not chosen are counted here.
    """

    hierarchy: Hierarchy
    labels: Mapping[str, str] = field(repr=False)
    namespaces: Mapping[str, str] = field(repr=False)
    relations: Mapping[str, int]
    obsolete: Mapping[str, tuple[str, ...]] = field(repr=False)
    dropped: tuple[str, ...] = field(repr=False)
    problems: tuple[str, ...] = field(repr=False)


class Stated(NamedTuple):
    """What an ontology states, with the place of each edge that holds for all of a term."""

    source: str
    terms: Terms
    typedefs: Terms
    edges: Mapping[Edge, str]
    limited: set[Edge]
    namespaces: Mapping[str, str]
    live: set[str]
    leads: dict[str, set[str]]


def stated(
    source: str,
    terms: Terms,
    typedefs: Terms,
    edges: Mapping[Edge, str],
    limited: Iterable[Edge] = (),
    default: str | None = None,
) -> Stated:
    """The terms and relations by their tags, the edges, and the namespace of terms without one."""
    given = [] if default is None else [default]
    spaces = {x: term.get("namespace", given) for x, term in terms.items()}
    live = {x for x, term in terms.items() if not _is_obsolete(term)}
    namespaces = {x: space[0] for x, space in spaces.items() if space and space[0]}
    leads = _leads(terms, live)
    return Stated(source, terms, typedefs, edges, set(limited), namespaces, live, leads)


def ontology(
    file: Stated,
    relations: Sequence[str],
    namespace: str | None,
    on_cycle: OnCycle,
    on_dangling: OnCycle,
) -> Ontology:
    """The live terms, the edges of the relations between them, and the aliases."""
    file = _named(file, relations)
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
        problems=(*outside, *_left_out(file, relations, classes), *_ambiguous(file)),
    )


def check_dangling(on_dangling: str) -> None:
    """Raise unless it says what becomes of an edge whose parent is no live term."""
    if on_dangling not in ("raise", "drop"):
        raise ValueError(f"expected on_dangling 'raise' or 'drop', got {on_dangling!r}")


def ordered(relations: Iterable[str]) -> tuple[str, ...]:
    """The relations in their order, each once."""
    if isinstance(relations, str):
        raise TypeError(f"expected a sequence of relations, got a string; write ({relations!r},)")
    if isinstance(relations, (set, frozenset)) or not isinstance(relations, Iterable):
        raise TypeError(
            "expected a sequence of relations, as their order matters, got "
            f"{relations!r}; write ('is_a', 'part_of')"
        )
    found = tuple(dict.fromkeys(relations))
    if not found:
        raise ValueError("expected at least one relation, got none; write ('is_a', 'part_of')")
    return found


def _named(file: Stated, relations: Sequence[str]) -> Stated:
    """The edges, with a chosen relation in place of whatever else the file calls it."""
    kinds = {kind for _, kind, _ in (*file.edges, *file.limited)}
    name = {kind: _meant(kind, relations, file.typedefs) for kind in kinds}
    edges: dict[Edge, str] = {}
    for (x, kind, y), place in file.edges.items():
        edges.setdefault((x, name[kind], y), place)
    limited = {(x, name[kind], y) for x, kind, y in file.limited}
    return file._replace(edges=edges, limited=limited - edges.keys())


def _meant(kind: str, relations: Sequence[str], typedefs: Terms) -> str:
    """The chosen relation that a relation of the file is, by an identifier or by its name."""
    if kind in relations:
        return kind
    own = _identifiers(kind, typedefs)
    same = (x for x in relations if x in own or kind in _identifiers(x, typedefs))
    name = typedefs.get(kind, {}).get("name", [""])[0].replace(" ", "_")
    return next(same, name if name in relations else kind)


def _identifiers(kind: str, typedefs: Terms) -> set[str]:
    typedef = typedefs.get(kind, {})
    given = {kind, *typedef.get("alt_id", ()), *typedef.get("xref", ())}
    found = given | {x.removeprefix("OBO_REL:") for x in given}
    return found if found.isdisjoint(_PART_OF) else found | _PART_OF


def _is_obsolete(term: Mapping[str, Sequence[str]]) -> bool:
    return term.get("is_obsolete", ["false"])[0].lower() == "true"


def _classes(file: Stated, namespace: str | None) -> set[str]:
    if not file.live:
        problem = "expected at least one live term, got obsolete ones only; take another file"
        raise HierarchyError(f"{file.source}: {problem}")
    if namespace is None:
        return file.live
    found = {x for x in file.live if file.namespaces.get(x) == namespace}
    if not found:
        known = sorted({file.namespaces[x] for x in file.live if x in file.namespaces})
        problem = f"expected a namespace out of {known}, got {namespace!r}; choose another"
        raise HierarchyError(f"{file.source}: {problem}")
    return found


def _edges(
    file: Stated, relations: Sequence[str], classes: set[str], on_dangling: str
) -> tuple[list[Edge], tuple[str, ...], tuple[str, ...]]:
    """The edges between classes, what dangles, and how many lead to other namespaces."""
    chosen = [edge for edge in _chosen(file, relations) if edge[0] in classes]
    kept = [edge for edge in chosen if edge[2] in classes]
    dangling = [edge for edge in chosen if edge[2] not in file.live]
    for edge in kept:
        _check_loop(file, edge)
    if dangling and on_dangling == "raise":
        raise _at(
            file,
            dangling[0],
            f"expected a parent that is a live term, got {_fate(file, dangling[0])}; mend the "
            "file, or pass on_dangling='drop'",
        )
    outside = len(chosen) - len(kept) - len(dangling)
    remark = f"edges left out because they lead to other namespaces: {outside}"
    return kept, tuple(_dropped(file, edge) for edge in dangling), (remark,) * bool(outside)


def _chosen(file: Stated, relations: Sequence[str]) -> Iterator[Edge]:
    """The edges of the chosen relations, in their order, then in that of the file."""
    known = {"is_a", "part_of", *(relation for _, relation, _ in file.edges)}
    for wanted in relations:
        if wanted not in known:
            problem = f"expected relations out of {sorted(known)}, got {wanted!r}; choose another"
            raise HierarchyError(f"{file.source}: {problem}")
        yield from (edge for edge in file.edges if edge[1] == wanted)


def _left_out(file: Stated, relations: Sequence[str], classes: set[str]) -> Iterator[str]:
    """How many edges from classes are of other relations, or do not hold for the whole class."""
    others = Counter(
        kind for child, kind, _ in file.edges if child in classes and kind not in relations
    )
    if others:
        shown = ", ".join(f"{count} {kind!r}" for kind, count in sorted(others.items()))
        yield f"edges left out because their relation is not chosen: {shown}"
    limited = sum(edge[0] in classes for edge in file.limited)
    if limited:
        yield f"edges left out because a modifier such as gci_relation limits them: {limited}"


def _check_loop(file: Stated, edge: Edge) -> None:
    child, relation, parent = edge
    if child == parent:
        problem = f"expected two terms, got {child!r} {relation} itself; take the line away"
        raise _at(file, edge, problem)


def _at(file: Stated, edge: Edge, problem: str) -> HierarchyError:
    return HierarchyError(f"{file.source}, {file.edges[edge]}: {problem}")


def _fate(file: Stated, edge: Edge) -> str:
    """What is wrong with the parent, and what to write in its place."""
    parent = edge[2]
    fate = "not in the file"
    if parent in file.terms:
        fate = "obsolete"
    elif parent in file.leads:
        fate = f"an alt_id of {' and '.join(map(repr, sorted(file.leads[parent])))}"
    target = _target(parent, file.leads, file.live)
    return f"{parent!r}, which is {fate}" + (f" (write {target!r})" if target else "")


def _dropped(file: Stated, edge: Edge) -> str:
    child, relation, _ = edge
    return f"{file.edges[edge]}: {child!r} {relation} {_fate(file, edge)}"


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


def _aliases(file: Stated, classes: set[str]) -> dict[str, str]:
    targets = ((x, _target(x, file.leads, file.live)) for x in file.leads if x not in file.live)
    return {x: target for x, target in targets if target is not None and target in classes}


def _ambiguous(file: Stated) -> Iterator[str]:
    for x, targets in file.leads.items():
        shown = " and ".join(map(repr, sorted(targets)))
        if x in file.live:
            yield f"{x!r} is a term, although it is an alt_id of {shown}"
        elif len(targets) > 1:
            yield f"{x!r} is no alias, because it leads to {shown}"


def _obsolete(
    file: Stated, namespace: str | None, aliases: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    return {
        x: tuple(term.get("consider", ()))
        for x, term in file.terms.items()
        if x not in file.live and x not in aliases
        if namespace in (None, file.namespaces.get(x))
    }
