"""Ontologies of pronto: what read_obo says of the same terms is the known answer."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import sys
from pathlib import Path

import pytest
from conftest import DATA
from hypothesis import given

from hierloss import CycleError, Hierarchy, HierarchyError, UnknownClassError
from hierloss_adapters.obo import Ontology, read_obo
from hierloss_adapters.pronto import from_ontology, to_ontology
from strategies import hierarchies

pronto = pytest.importorskip("pronto", reason='pronto is missing; pip install "hierloss[pronto]"')

GO = DATA / "ontologies" / "go-basic-2021-12-15.obo.xz"
SLIM = DATA / "ontologies" / "goslim_generic.obo.gz"
PETS = """\
format-version: 1.4
default-namespace: zoo
ontology: pets

[Term]
id: X:1
name: animal
namespace: wild

[Term]
id: X:2
name: mammal
is_a: X:1 {source="DOID:4"} ! animal

[Term]
id: X:3
name: cat
alt_id: X:33
is_a: X:2 ! mammal
relationship: part_of X:5 {source="a book"} ! household
relationship: has_part X:8 ! tail

[Term]
id: X:5
name: household

[Term]
id: X:6
name: obsolete beast
is_obsolete: true
replaced_by: X:1
consider: X:2

[Term]
id: X:7
name: obsolete pet
is_obsolete: true
consider: X:3
consider: X:5

[Term]
id: X:8

[Typedef]
id: has_part
name: has part

[Typedef]
id: part_of
name: part of
"""
OBO = "http://purl.obolibrary.org/obo/"
OWL = f"""<?xml version="1.0"?>
<rdf:RDF xmlns:obo="{OBO}" xmlns:owl="http://www.w3.org/2002/07/owl#"
    xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"
    xmlns:oboInOwl="http://www.geneontology.org/formats/oboInOwl#">
<owl:Ontology rdf:about="{OBO}pets.owl"/>
<owl:ObjectProperty rdf:about="{OBO}BFO_0000050">
    <oboInOwl:shorthand>part_of</oboInOwl:shorthand>
</owl:ObjectProperty>
<owl:Class rdf:about="{OBO}X_1"><rdfs:label>animal</rdfs:label></owl:Class>
<owl:Class rdf:about="{OBO}X_2">
    <rdfs:subClassOf rdf:resource="{OBO}X_1"/>
    <rdfs:subClassOf><owl:Restriction>
        <owl:onProperty rdf:resource="{OBO}BFO_0000050"/>
        <owl:someValuesFrom rdf:resource="{OBO}X_5"/>
    </owl:Restriction></rdfs:subClassOf>
</owl:Class>
<owl:Class rdf:about="{OBO}X_5"/>
<owl:Class rdf:about="{OBO}X_6">
    <owl:deprecated rdf:datatype="http://www.w3.org/2001/XMLSchema#boolean">true</owl:deprecated>
    <obo:IAO_0100001 rdf:resource="{OBO}X_1"/>
</owl:Class>
</rdf:RDF>
"""
GRAPH = {
    "id": OBO + "pets.owl",
    "nodes": [
        {"id": OBO + "X_1", "lbl": "animal", "type": "CLASS"},
        {"id": OBO + "X_2", "lbl": "cat", "type": "CLASS"},
        {"id": OBO + "X_5", "type": "CLASS"},
        {"id": OBO + "X_6", "type": "CLASS", "meta": {"deprecated": True}},
        {"id": OBO + "BFO_0000050", "lbl": "part of", "type": "PROPERTY"},
    ],
    "edges": [
        {"sub": OBO + "X_2", "pred": "is_a", "obj": OBO + "X_1"},
        {"sub": OBO + "X_2", "pred": OBO + "BFO_0000050", "obj": OBO + "X_5"},
    ],
}


def parsed(text: str | bytes) -> pronto.Ontology:
    return pronto.Ontology(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def obo(*terms: str) -> str:
    return "\n".join(["format-version: 1.4\n", *(f"[Term]\n{term}\n" for term in terms)])


def assert_same(ours: Ontology, theirs: Ontology) -> None:
    assert ours == theirs
    assert ours.hierarchy.names == theirs.hierarchy.names


@pytest.mark.parametrize("relations", [("is_a", "part_of"), ("is_a",), ("has_part",)])
@pytest.mark.parametrize("namespace", [None, "zoo"])
def test_the_same_as_read_obo(write, relations, namespace) -> None:
    theirs = read_obo(write(PETS), relations, namespace)
    assert_same(from_ontology(parsed(PETS), relations, namespace), theirs)


def test_by_hand() -> None:
    found = from_ontology(parsed(PETS))
    assert found.hierarchy.names == ("X:1", "X:5", "X:8", "X:2", "X:3")
    assert set(found.hierarchy.edges) == {("X:2", "X:1"), ("X:3", "X:2"), ("X:3", "X:5")}
    assert found.hierarchy.aliases == {"X:33": "X:3", "X:6": "X:1"}
    assert found.labels == {"X:1": "animal", "X:5": "household", "X:2": "mammal", "X:3": "cat"}
    assert found.namespaces == {"X:1": "wild", **dict.fromkeys(("X:5", "X:8", "X:2", "X:3"), "zoo")}
    assert found.relations == {"is_a": 2, "part_of": 1}
    assert found.obsolete == {"X:7": ("X:3", "X:5")}
    assert found.dropped == ()
    assert found.problems == ("edges left out because their relation is not chosen: 1 'has_part'",)


@pytest.mark.skipif(not SLIM.exists(), reason=f"{SLIM.name} is not in HIERLOSS_DATA")
def test_the_slim_is_the_same() -> None:
    theirs = read_obo(SLIM)
    assert_same(from_ontology(parsed(gzip.decompress(SLIM.read_bytes()))), theirs)
    assert len(theirs.hierarchy) > 100


@pytest.mark.slow
def test_the_gene_ontology_is_the_same(gene_ontology: Ontology) -> None:
    # pronto takes 12 s, and refuses references with a blank, of which this release has one.
    lines = lzma.decompress(GO.read_bytes()).splitlines(keepends=True)
    text = b"".join(line for line in lines if not line.startswith(b"xref:"))
    ours = from_ontology(parsed(text))
    assert_same(ours, gene_ontology)
    assert len(ours.hierarchy) == 43_789
    assert ours.relations == {"is_a": 70_759, "part_of": 7_066}


def test_owl() -> None:
    found = from_ontology(parsed(OWL))
    assert found.hierarchy.names == ("X:1", "X:5", "X:2")
    assert found.hierarchy.edges == (("X:2", "X:1"), ("X:2", "X:5"))
    assert found.relations == {"is_a": 1, "part_of": 1}
    assert found.hierarchy.aliases == {"X:6": "X:1"}
    assert found.labels == {"X:1": "animal"}


def test_relations_of_obo_graphs_are_known_by_name() -> None:
    graphs = parsed(json.dumps({"graphs": [GRAPH]}))
    found = from_ontology(graphs)
    assert found.hierarchy.edges == (("X:2", "X:1"), ("X:2", "X:5"))
    assert found.relations == {"is_a": 1, "part_of": 1}
    assert found.obsolete == {"X:6": ()}
    by_id = from_ontology(graphs, ("is_a", "BFO:0000050"))
    assert by_id.hierarchy == found.hierarchy
    is_a = from_ontology(graphs, ("is_a",))
    assert len(is_a.hierarchy.edges) == 1
    assert is_a.problems == (
        "edges left out because their relation is not chosen: 1 'BFO:0000050'",
    )


def test_part_of_is_known_without_its_name(write) -> None:
    nodes = [{k: x for k, x in node.items() if k != "lbl"} for node in GRAPH["nodes"]]
    graphs = parsed(json.dumps({"graphs": [GRAPH | {"nodes": nodes}]}))
    text = obo("id: X:1", "id: X:2\nis_a: X:1\nrelationship: BFO:0000050 X:5", "id: X:5")
    for found in (from_ontology(graphs), read_obo(write(text))):
        assert found.hierarchy.edges == (("X:2", "X:1"), ("X:2", "X:5"))
        assert found.relations == {"is_a": 1, "part_of": 1}
    by_both = read_obo(write(text), ("is_a", "part_of", "BFO:0000050"))
    assert by_both.relations == {"is_a": 1, "part_of": 0, "BFO:0000050": 1}


@pytest.mark.parametrize("clause", ["name: part of", "xref: BFO:0000050", "alt_id: part_of"])
def test_relations_that_are_called_otherwise(write, clause) -> None:
    text = obo(
        "id: X:1\nrelationship: OBO_REL:part_of X:3",
        "id: X:2\nrelationship: within X:3\nrelationship: part_of X:3",
        "id: X:3",
    )
    typedefs = ("OBO_REL:part_of\n", f"within\n{clause}\n", "part_of\n")
    text += "".join(f"\n[Typedef]\nid: {typedef}" for typedef in typedefs)
    ours, theirs = from_ontology(parsed(text)), read_obo(write(text))
    assert_same(ours, theirs)
    assert ours.relations == {"is_a": 0, "part_of": 2}
    assert_same(from_ontology(parsed(text), ["within"]), read_obo(write(text), ["within"]))


def test_unknown_relations_and_namespaces() -> None:
    with pytest.raises(HierarchyError, match=r"relations out of \['has_part', 'is_a', .*'partof'"):
        from_ontology(parsed(PETS), ("is_a", "partof"))
    with pytest.raises(HierarchyError, match=r"namespace out of \['wild', 'zoo'\], got 'zo'"):
        from_ontology(parsed(PETS), namespace="zo")
    with pytest.raises(TypeError, match="expected a sequence of relations, got a string"):
        from_ontology(parsed(PETS), "is_a")
    with pytest.raises(ValueError, match="expected on_dangling 'raise' or 'drop', got 'keep'"):
        from_ontology(parsed(PETS), on_dangling="keep")


def test_a_relation_that_is_nowhere_defined() -> None:
    pets = parsed(obo("id: X:1\nrelationship: part_of X:2", "id: X:2"))
    with pytest.raises(HierarchyError, match=r"term 'X:1': .*create_relationship\('part_of'\)"):
        from_ontology(pets)
    only = from_ontology(pets, ("is_a",))
    assert only.hierarchy.edges == only.problems == ()
    pets.create_relationship("part_of")
    assert from_ontology(pets, ("is_a",)).problems == (
        "edges left out because their relation is not chosen: 1 'part_of'",
    )
    assert from_ontology(pets).hierarchy.edges == (("X:1", "X:2"),)


def test_dangling_edges() -> None:
    text = obo(
        "id: X:1", "id: X:2\nis_a: X:3\nrelationship: part_of X:4", "id: X:3\nis_obsolete: true"
    )
    pets = parsed(text + "\n[Typedef]\nid: part_of\n")
    with pytest.raises(HierarchyError, match=r"term 'X:2': .* live term, got 'X:3', which is obso"):
        from_ontology(pets)
    found = from_ontology(pets, on_dangling="drop")
    assert found.hierarchy.edges == ()
    assert found.dropped == (
        "term 'X:2': 'X:2' is_a 'X:3', which is obsolete",
        "term 'X:2': 'X:2' part_of 'X:4', which is not in the file",
    )


def test_cycles() -> None:
    pets = parsed(obo("id: X:1\nis_a: X:2", "id: X:2\nis_a: X:1", "id: X:3\nis_a: X:3"))
    with pytest.raises(CycleError, match="X:1 -> X:2 -> X:1"):
        from_ontology(pets)
    with pytest.warns(UserWarning, match="X:2 -> X:1"):
        found = from_ontology(pets, on_cycle="drop")
    assert found.hierarchy.edges == (("X:1", "X:2"),)
    assert found.hierarchy.dropped == (("X:2", "X:1"),)


def test_the_order_is_that_of_identifiers() -> None:
    pets = pronto.Ontology()
    for name in ("X:3", "X:1", "X:2"):
        pets.create_term(name)
    pets["X:1"].superclasses().add(pets["X:3"])
    assert from_ontology(pets).hierarchy.names == ("X:2", "X:3", "X:1")


def test_no_live_term_and_no_ontology() -> None:
    with pytest.raises(HierarchyError, match="the ontology: expected at least one live term"):
        from_ontology(parsed(obo("id: X:1\nis_obsolete: true")))
    with pytest.raises(TypeError, match=r"expected a pronto\.Ontology, got str"):
        from_ontology("pets.obo")


def test_without_pronto(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pronto", None)
    for call in (lambda: from_ontology(None), lambda: to_ontology(Hierarchy.from_parents([None]))):
        with pytest.raises(
            ImportError, match=r'expected pronto, .* pip install "hierloss\[pronto\]"'
        ):
            call()


def test_the_file_is_named(write) -> None:
    path = write(obo("id: X:1\nis_obsolete: true"))
    with pytest.raises(HierarchyError, match=rf"^{path}: expected at least one live term"):
        from_ontology(pronto.Ontology(path))


def test_imported_terms_are_terms(write) -> None:
    text = obo("id: Y:1", "id: Y:2\nis_a: Y:1", "id: Y:3\nnamespace: own")
    write(text.replace("1.4\n", "1.4\ndefault-namespace: far\n", 1), "far.obo")
    near = obo("id: X:1\nis_a: Y:2", "id: Y:3\nname: enriched")
    path = write(near.replace("1.4\n", "1.4\nimport: far.obo\ndefault-namespace: near\n", 1))
    found = from_ontology(pronto.Ontology(path))
    assert found.hierarchy.names == ("Y:1", "Y:3", "Y:2", "X:1")
    assert found.hierarchy.edges == (("Y:2", "Y:1"), ("X:1", "Y:2"))
    assert found.labels == {"Y:3": "enriched"}
    assert found.namespaces == {"Y:1": "far", "Y:2": "far", "Y:3": "own", "X:1": "near"}


def test_to_ontology_by_hand() -> None:
    h = Hierarchy.from_edges([("X:3", "X:1"), ("X:3", "X:2")]).with_aliases({"X:9": "X:3"})
    made = to_ontology(h, labels={"X:3": "cat"}, namespaces={"X:1": "zoo"})
    assert made.dumps() == (
        "format-version: 1.4\n\n[Term]\nid: X:1\nnamespace: zoo\n\n[Term]\nid: X:2\n\n"
        "[Term]\nid: X:3\nname: cat\nalt_id: X:9\nis_a: X:1\nis_a: X:2\n"
    )
    for key in ("labels", "namespaces"):
        with pytest.raises(UnknownClassError, match=r"is given to 'X:4'.*did you mean"):
            to_ontology(h, **{key: {"X:4": "dog"}})


def test_what_obo_cannot_hold_is_named() -> None:
    h = Hierarchy.from_paths(["Food/Tea"])
    assert "id: Food/Tea\n" in to_ontology(h).dumps()
    for name in ("Food/Green Tea", "Food/Tea!", "Food/{Tea"):
        wrong = Hierarchy.from_paths([name])
        with pytest.raises(HierarchyError, match=f"got the class '{name}'; rename it, and pass la"):
            to_ontology(wrong)
    with pytest.raises(HierarchyError, match="got the alias 'Green Tea'; rename it"):
        to_ontology(h.with_aliases({"Green Tea": "Food/Tea"}))
    with pytest.raises(HierarchyError, match="got the namespace 'a shop'; rename it"):
        to_ontology(h, namespaces={"Food": "a shop"})


def test_names_and_attributes_survive(write) -> None:
    before = read_obo(write(PETS))
    made = to_ontology(before.hierarchy, labels=before.labels, namespaces=before.namespaces)
    for after in (from_ontology(made), from_ontology(parsed(made.dumps()))):
        assert set(after.hierarchy.edges) == set(before.hierarchy.edges)
        assert after.hierarchy.aliases == before.hierarchy.aliases
        assert after.labels == before.labels
        assert after.namespaces == before.namespaces
        assert after.relations == {"is_a": 3, "part_of": 0}


@given(hierarchies())
def test_there_and_back(problem) -> None:
    h = problem.hierarchy
    back = from_ontology(to_ontology(h), ("is_a",)).hierarchy
    assert set(back) == set(h)
    assert set(back.edges) == set(h.edges)
    assert from_ontology(to_ontology(back), ("is_a",)).hierarchy == back


@given(hierarchies())
def test_the_same_as_read_obo_of_what_pronto_writes(tmp_path_factory, problem) -> None:
    text = to_ontology(problem.hierarchy).dumps()
    path = Path(tmp_path_factory.mktemp("obo"), "h.obo")
    path.write_text(text)
    assert_same(from_ontology(parsed(text), ("is_a",)), read_obo(path, ("is_a",)))
