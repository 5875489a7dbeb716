"""Ontologies of pronto, which reads OBO, OBO Graphs in JSON, and OWL in RDF/XML."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hierloss import Hierarchy, HierarchyError
from hierloss._input import OnCycle, check_known
from hierloss_adapters._ontology import Ontology, check_dangling, ontology, ordered, stated
from hierloss_adapters._stanzas import Edge, Terms

if TYPE_CHECKING:
    from pronto.ontology import Ontology as Pronto
    from pronto.relationship import Relationship
    from pronto.term import Term

__all__ = ["from_ontology", "to_ontology"]


def from_ontology(
    source: Pronto,
    relations: Iterable[str] = ("is_a", "part_of"),
    namespace: str | None = None,
    *,
    on_cycle: OnCycle = "raise",
    on_dangling: OnCycle = "raise",
) -> Ontology:
    r"""The live terms of a `pronto.Ontology` and the edges between them, as `read_obo` has them.

    What becomes of obsolete terms, alternate identifiers and cycles is said at
    `hierloss_adapters.obo.read_obo`. The terms of what the ontology imports are terms like its own.
    A relation is chosen by its identifier, by a reference or by its name, as there. That a term is
    a subclass of itself, as every class is, makes no edge. Classes are ordered by level, then by
    identifier, since pronto reads with several threads and does not keep the order of the file.

    pronto does not tell modifiers: an edge that `gci_relation` limits looks like any other, so read
    a file that has them with `read_obo`. Nor does it tell a relation that is nowhere defined: for
    ``relations=("is_a",)`` its edges are not counted.

    Args:
        source: The ontology.
        relations: The relations that lead to a parent, "is_a" for superclasses, in an order as in
            `read_obo`.
        namespace: Take the terms of this namespace only, and the edges between them.
        on_cycle: As in `read_obo`.
        on_dangling: As in `read_obo`.

    Raises:
        TypeError: The ontology is not one of pronto.
        HierarchyError: There is no live term, no such relation or namespace; an edge leads to a
            term that is obsolete or absent; a relation is nowhere defined.
        CycleError: The edges have a cycle and `on_cycle` is "raise".

    Example:
        >>> import pronto
        >>> pets = pronto.Ontology()
        >>> cat, animal = pets.create_term("X:2"), pets.create_term("X:1")
        >>> cat.superclasses().add(animal)
        >>> from_ontology(pets).hierarchy.edges
        (('X:2', 'X:1'),)
    """
    relations = ordered(relations)
    check_dangling(on_dangling)
    _check_pronto(source)
    where = source.path or "the ontology"
    typedefs = {x.id: _typedef(x) for x in source.relationships()}
    terms: Terms = {}
    edges: dict[Edge, str] = {}
    for term, default in sorted(_terms(source), key=lambda found: found[0].id):
        terms[term.id] = _tags(term, default)
        for relation, parent in _above(term, relations, source, where):
            edges.setdefault((term.id, relation, parent), f"term {term.id!r}")
    file = stated(where, terms, typedefs, edges)
    return ontology(file, relations, namespace, on_cycle, on_dangling)


def to_ontology(
    hierarchy: Hierarchy,
    *,
    labels: Mapping[str, str] | None = None,
    namespaces: Mapping[str, str] | None = None,
) -> Pronto:
    """A `pronto.Ontology` of a hierarchy, which pronto writes as OBO or as OBO Graphs.

    Each edge becomes an `is_a`, each alias an alternate identifier. The column order is lost.

    Args:
        hierarchy: The hierarchy.
        labels: The name of each class that has one.
        namespaces: The namespace of each class that has one.

    Raises:
        UnknownClassError: A label or a namespace is that of no class.
        HierarchyError: A class, an alias or a namespace is no identifier of OBO, for instance
            because it has a blank in it.
        ImportError: pronto is missing.

    Example:
        >>> h = Hierarchy.from_edges([("X:2", "X:1")])
        >>> print(to_ontology(h, labels={"X:2": "cat"}).dumps())
        format-version: 1.4
        <BLANKLINE>
        [Term]
        id: X:1
        <BLANKLINE>
        [Term]
        id: X:2
        name: cat
        is_a: X:1
        <BLANKLINE>
    """
    labels, namespaces = labels or {}, namespaces or {}
    check_known([*labels, *namespaces], hierarchy.names, "a label or namespace is given to")
    made: Pronto = _require_pronto().Ontology()
    _check_identifiers(hierarchy, "class")
    _check_identifiers(hierarchy.aliases, "alias")
    _check_identifiers(namespaces.values(), "namespace")
    made.metadata.format_version = "1.4"
    terms = {name: made.create_term(name) for name in hierarchy}
    for name, term in terms.items():
        term.name, term.namespace = labels.get(name), namespaces.get(name)
        for parent in hierarchy.parents(name):
            term.superclasses().add(terms[parent])
    for name, aliases in _by_class(hierarchy.aliases).items():
        terms[name].alternate_ids = aliases
    return made


def _by_class(aliases: Mapping[str, str]) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for alias, name in aliases.items():
        found[name].add(alias)
    return found


def _typedef(relation: Relationship) -> dict[str, list[str]]:
    """A relation in the tags of an OBO file."""
    tags = {
        "name": [] if relation.name is None else [relation.name],
        "alt_id": sorted(relation.alternate_ids),
        "xref": sorted(x.id for x in relation.xrefs),
    }
    return {tag: values for tag, values in tags.items() if values}


def _terms(source: Pronto) -> Iterator[tuple[Term, str | None]]:
    """All terms, those of imports first, and the namespace that each has by default."""
    for imported in source.imports.values():
        for term, default in _terms(imported):
            yield source.get_term(term.id), default
    own = {x.id for imported in source.imports.values() for x in imported.terms()}
    for term in source.terms():
        if term.id not in own:
            yield term, source.metadata.default_namespace


def _tags(term: Term, default: str | None) -> dict[str, list[str]]:
    """A term in the tags of an OBO file."""
    tags = {
        "name": [] if term.name is None else [term.name],
        "namespace": [x for x in (term.namespace or default,) if x],
        "alt_id": sorted(term.alternate_ids),
        "is_obsolete": ["true"] if term.obsolete else [],
        "replaced_by": sorted(term.replaced_by.ids),
        "consider": sorted(term.consider.ids),
    }
    return {tag: values for tag, values in tags.items() if values}


def _above(
    term: Term, relations: Sequence[str], source: Pronto, where: str
) -> Iterator[tuple[str, str]]:
    parents = term.superclasses(distance=1, with_self=False).to_set().ids
    yield from (("is_a", parent) for parent in sorted(parents))
    links = term.relationships
    try:
        found = list(links)
    except KeyError as error:
        if set(relations) != {"is_a"}:
            raise HierarchyError(
                f"{where}, term {term.id!r}: expected a definition of the relation {error}, got "
                f"none; write ontology.create_relationship({error}), or pass relations=('is_a',)"
            ) from error
        found = [x for x in source.relationships() if x in links]
    yield from ((x.id, parent) for x in found for parent in sorted(links[x].ids))


def _check_identifiers(names: Iterable[str], what: str) -> None:
    is_valid = import_module("fastobo").id.is_valid  # pronto writes with it, and it has no types
    for name in names:
        if not is_valid(name):
            raise HierarchyError(
                f"expected identifiers that OBO can hold, without blanks, '!' or '{{', got the "
                f"{what} {name!r}; rename it, and pass labels= for what a class is called"
            )


def _check_pronto(source: object) -> None:
    if not isinstance(source, _require_pronto().Ontology):
        raise TypeError(
            f"expected a pronto.Ontology, got {type(source).__name__}; "
            "write pronto.Ontology(path) for a file"
        )


def _require_pronto() -> Any:
    try:
        import pronto
    except ImportError as error:
        raise ImportError(
            'expected pronto, got none; for this pip install "hierloss[pronto]"'
        ) from error
    return pronto
