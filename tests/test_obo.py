import logging
import os
import pickle
from collections import Counter
from pathlib import Path

import obonet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierloss import CycleError, Hierarchy, HierarchyError
from hierloss_adapters.obo import read_obo
from table import terms

DATA = Path(os.environ.get("HIERLOSS_DATA") or Path(__file__).parents[2] / "shared" / "data")
GO = DATA / "ontologies" / "go-basic-2021-12-15.obo.xz"
SLIM = DATA / "ontologies" / "goslim_generic.obo.gz"

ANIMALS = """\
format-version: 1.2
default-namespace: zoo
ontology: animals

[Term]
id: X:3
name: cat
alt_id: X:33
is_a: X:2 ! mammal
relationship: part_of X:5 {source="a book"} ! household

[Term]
id: X:2
name: mammal \\(warm\\: yes\\!\\) ! the class
is_a: X:1

[Term]
id: X:1
name: animal
namespace: wild

[Term]
id: X:5
name: household

[Term]
id: X:9
name: stone

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

[Typedef]
id: part_of
name: part of
is_a: overlaps
"""


def needs(path):
    return pytest.mark.skipif(not path.exists(), reason=f"{path.name} is not in HIERLOSS_DATA")


def test_read_obo_by_hand(write):
    ontology = read_obo(write(ANIMALS))
    h = ontology.hierarchy
    assert h.names == ("X:1", "X:5", "X:9", "X:2", "X:3")
    assert h.edges == (("X:2", "X:1"), ("X:3", "X:5"), ("X:3", "X:2"))
    assert h.levels.tolist() == [0, 0, 0, 1, 2]
    assert h.aliases == {"X:33": "X:3", "X:6": "X:1"}
    assert ontology.labels == {
        "X:1": "animal",
        "X:5": "household",
        "X:9": "stone",
        "X:2": "mammal (warm: yes!)",
        "X:3": "cat",
    }
    assert ontology.namespaces == dict.fromkeys(h, "zoo") | {"X:1": "wild"}
    assert ontology.relations == {"is_a": 2, "part_of": 1}
    assert ontology.obsolete == {"X:7": ("X:3", "X:5")}
    assert ontology.dropped == ontology.problems == ()


def test_short_form_is_the_hierarchy(write):
    path = write(ANIMALS)
    assert Hierarchy.from_obo(path) == read_obo(path).hierarchy
    only = Hierarchy.from_obo(str(path), ("is_a",), "zoo")
    assert only == read_obo(path, ("is_a",), "zoo").hierarchy
    assert only.edges == (("X:3", "X:2"),)


def test_ontology_is_frozen_short_and_pickles(write):
    ontology = read_obo(write(ANIMALS))
    with pytest.raises(AttributeError):
        ontology.labels = {}
    assert repr(ontology) == (
        "Ontology(hierarchy=Hierarchy(5 classes, 3 edges, 3 roots, depth 2, DAG), "
        "relations={'is_a': 2, 'part_of': 1})"
    )
    assert pickle.loads(pickle.dumps(ontology)) == ontology


def test_logs_nothing(write, caplog):
    with caplog.at_level(logging.DEBUG):
        read_obo(write(terms("id: A")))
    assert not caplog.records


def test_cycle(write):
    path = write(terms("id: A\nrelationship: part_of B", "id: B\nis_a: C", "id: C\nis_a: A"))
    with pytest.raises(CycleError) as caught:
        read_obo(path)
    assert set(caught.value.cycle) == {"A", "B", "C"}


def test_cycle_dropped_from_the_last_relation(write):
    path = write(terms("id: A\nrelationship: part_of B", "id: B\nis_a: C", "id: C\nis_a: A"))
    with pytest.warns(UserWarning, match="A -> B"):
        ontology = read_obo(path, on_cycle="drop")
    assert ontology.hierarchy.names == ("A", "C", "B")
    assert ontology.hierarchy.dropped == (("A", "B"),)
    assert ontology.relations == {"is_a": 2, "part_of": 0}
    assert ontology.problems == ontology.dropped == ()
    with pytest.warns(UserWarning, match="C -> A"):
        other = read_obo(path, ("part_of", "is_a"), on_cycle="drop")
    assert other.hierarchy.dropped == (("C", "A"),)
    assert other.relations == {"part_of": 1, "is_a": 1}


def test_edge_of_two_relations_is_dropped_once(write):
    path = write(terms("id: A\nis_a: B", "id: B\nis_a: A\nrelationship: part_of A"))
    with pytest.warns(UserWarning, match=r"dropped 1 edges .*: B -> A$"):
        ontology = read_obo(path, on_cycle="drop")
    assert ontology.hierarchy.dropped == (("B", "A"),)
    assert ontology.relations == {"is_a": 1, "part_of": 0}


def test_dangling_dropped(write):
    path = write(
        terms(
            "id: A\nis_a: B\nis_a: O\nrelationship: part_of Z", "id: B", "id: O\nis_obsolete: true"
        )
    )
    ontology = read_obo(path, on_dangling="drop")
    assert ontology.hierarchy.names == ("B", "A")
    assert ontology.relations == {"is_a": 1, "part_of": 0}
    assert ontology.dropped == (
        "line 4: 'A' is_a 'O', which is obsolete",
        "line 5: 'A' part_of 'Z', which is not in the file",
    )
    assert read_obo(path, ("is_a",), on_dangling="drop").dropped == ontology.dropped[:1]


def test_two_relations_between_a_pair_are_one_edge(write):
    path = write(terms("id: A\nrelationship: part_of B\nis_a: B", "id: B"))
    ontology = read_obo(path)
    assert ontology.hierarchy.edges == (("A", "B"),)
    assert ontology.relations == {"is_a": 1, "part_of": 1}


def test_order_is_that_of_levels_then_of_the_file(write):
    path = write(terms("id: D\nis_a: B", "id: Z", "id: C\nis_a: A", "id: B", "id: A\nis_a: B"))
    assert read_obo(path).hierarchy.names == ("Z", "B", "D", "A", "C")


def test_relations(write):
    path = write(terms("id: A\nrelationship: regulates B", "id: B", "id: C\nis_a: B"))
    assert read_obo(path).hierarchy.edges == (("C", "B"),)
    assert read_obo(path).problems == (
        "edges left out because their relation is not chosen: 1 'regulates'",
    )
    assert read_obo(path, ["regulates"]).hierarchy.edges == (("A", "B"),)
    assert read_obo(path, ["regulates", "part_of"]).relations == {"regulates": 1, "part_of": 0}
    with pytest.raises(
        HierarchyError, match=r"out of \['is_a', 'part_of', 'regulates'\], got 'has_part'"
    ):
        read_obo(path, ["has_part"])
    with pytest.raises(TypeError, match=r"write \('is_a',\)"):
        read_obo(path, "is_a")


def test_relations_may_be_read_once(write):
    given = (relation for relation in ("part_of", "is_a", "part_of"))
    ontology = read_obo(write(ANIMALS), given)
    assert list(ontology.relations.items()) == [("part_of", 1), ("is_a", 2)]


@pytest.mark.parametrize("relations", [None, {"is_a", "part_of"}, frozenset({"is_a"}), 3])
def test_relations_without_an_order(write, relations):
    with pytest.raises(TypeError, match=r"expected a sequence of relations, .*; write \('is_a'"):
        read_obo(write(ANIMALS), relations)


@pytest.mark.parametrize("relations", [(), [], iter(())])
def test_no_relations(write, relations):
    with pytest.raises(ValueError, match="expected at least one relation, got none; write"):
        read_obo(write(ANIMALS), relations)


def test_options(write):
    path = write(ANIMALS)
    with pytest.raises(ValueError, match="expected on_dangling 'raise' or 'drop', got 'keep'"):
        read_obo(path, on_dangling="keep")
    with pytest.raises(ValueError, match="expected on_cycle 'raise' or 'drop', got 'keep'"):
        read_obo(path, on_cycle="keep")


def test_namespace(write):
    ontology = read_obo(write(ANIMALS), namespace="zoo")
    assert ontology.hierarchy.names == ("X:2", "X:5", "X:9", "X:3")
    assert ontology.hierarchy.edges == (("X:3", "X:2"), ("X:3", "X:5"))
    assert ontology.hierarchy.aliases == {"X:33": "X:3"}
    assert ontology.namespaces == dict.fromkeys(ontology.hierarchy, "zoo")
    assert ontology.relations == {"is_a": 1, "part_of": 1}
    assert ontology.problems == ("edges left out because they lead to other namespaces: 1",)
    assert ontology.obsolete == {"X:6": ("X:2",), "X:7": ("X:3", "X:5")}
    wild = read_obo(write(ANIMALS), namespace="wild")
    assert wild.hierarchy.names == ("X:1",)
    assert wild.hierarchy.aliases == {"X:6": "X:1"}
    assert wild.obsolete == {}


def test_namespace_of_a_class_only_matters_where_it_is_chosen(write):
    path = write(
        "default-namespace: zoo ! by default\n"
        + terms("id: A\nis_a: Z\nnamespace: bad", "id: B", 'id: C\nnamespace: wild {x="z"} ! y')
    )
    assert read_obo(path, namespace="zoo").hierarchy.names == ("B",)
    assert read_obo(path, namespace="wild").obsolete == {}
    with pytest.raises(HierarchyError, match=r"line 4: .* got 'Z'"):
        read_obo(path, namespace="bad")
    with pytest.raises(HierarchyError, match=r"out of \['bad', 'wild', 'zoo'\], got 'sea'"):
        read_obo(path, namespace="sea")


@pytest.mark.parametrize("namespace", [None, "zoo"])
def test_no_live_term(write, namespace):
    path = write("default-namespace: zoo\n" + terms("id: A\nis_obsolete: true"))
    with pytest.raises(HierarchyError, match=r"go\.obo: expected at least one live term, got obs"):
        read_obo(path, namespace=namespace)


@st.composite
def dags(draw):
    names = draw(
        st.lists(
            st.from_regex(r"[A-Z]{1,3}:[0-9]{1,3}", fullmatch=True),
            min_size=1,
            max_size=8,
            unique=True,
        )
    )
    pairs = [(names[j], names[i]) for j in range(len(names)) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    relations = draw(
        st.lists(st.sampled_from(["is_a", "part_of"]), min_size=len(chosen), max_size=len(chosen))
    )
    return names, list(zip(chosen, relations, strict=True)), draw(st.permutations(names))


def stanza(name, edges):
    lines = [f"id: {name}"]
    for (child, parent), relation in edges:
        if child == name:
            tag = "is_a:" if relation == "is_a" else f"relationship: {relation}"
            lines.append(f"{tag} {parent} ! parent")
    return "\n".join(lines)


@given(dags(), st.data())
def test_random_files_with_blank_lines_and_comments_anywhere(tmp_path_factory, dag, data):
    names, edges, order = dag
    lines = terms(*(stanza(name, edges) for name in order)).split("\n")
    for _ in range(data.draw(st.integers(0, 6))):
        noise = data.draw(st.sampled_from(["", "! noise", "  ", "! [Term]"]))
        lines.insert(data.draw(st.integers(0, len(lines))), noise)
    path = tmp_path_factory.mktemp("obo") / "go.obo"
    path.write_text("\n".join(lines))
    h = read_obo(path).hierarchy
    assert set(h.edges) == {edge for edge, _ in edges}
    place = {name: order.index(name) for name in names}
    assert list(h) == sorted(names, key=lambda name: (h.levels[h.index(name)], place[name]))
    only = read_obo(path, ("is_a",)).hierarchy
    assert set(only.edges) == {edge for edge, relation in edges if relation == "is_a"}


@needs(SLIM)
def test_slim_agrees_with_obonet():
    ontology = read_obo(SLIM)
    graph = obonet.read_obo(SLIM)
    edges = [edge for edge in graph.edges(keys=True) if edge[2] in ("is_a", "part_of")]
    assert set(ontology.hierarchy.edges) == {(child, parent) for child, parent, _ in edges}
    assert set(ontology.hierarchy) == set(graph)
    assert sum(ontology.relations.values()) == len(edges) == 216
    assert ontology.labels == dict(graph.nodes(data="name"))
    assert ontology.hierarchy.roots == ("GO:0003674", "GO:0005575", "GO:0008150")
    assert len(ontology.hierarchy.aliases) == 58
    assert ontology.dropped == ()
    assert ontology.problems == (
        "edges left out because their relation is not chosen: "
        "6 'has_part', 4 'occurs_in', 1 'regulates'",
    )


@pytest.mark.slow
def test_whole_gene_ontology(gene_ontology):
    ontology, h = gene_ontology, gene_ontology.hierarchy
    assert (len(h), len(h.edges), h.depth) == (43_789, 77_825, 18)
    assert h.roots == ("GO:0003674", "GO:0005575", "GO:0008150")
    assert ontology.relations == {"is_a": 70_759, "part_of": 7_066}
    assert len(ontology.labels) == len(h)
    assert Counter(ontology.namespaces.values()) == {
        "biological_process": 28_429,
        "molecular_function": 11_177,
        "cellular_component": 4_183,
    }
    assert len(ontology.obsolete) == 3_472 - 525
    assert sum(map(bool, ontology.obsolete.values())) == 1_216 - 33
    assert h.index("GO:0019952") == h.index("GO:0000003")
    assert ontology.dropped == ()
    assert ontology.problems == (
        "edges left out because their relation is not chosen: 2763 'negatively_regulates', "
        "2752 'positively_regulates', 3209 'regulates'",
    )


@pytest.mark.slow
@needs(GO)
def test_parts_of_the_gene_ontology():
    h = Hierarchy.from_obo(GO, ["is_a"])
    assert (len(h), len(h.edges), h.depth) == (43_789, 70_759, 16)
    ontology = read_obo(GO, namespace="molecular_function")
    assert (len(ontology.hierarchy), ontology.hierarchy.depth) == (11_177, 12)
    assert ontology.hierarchy.roots == ("GO:0003674",)
    assert ontology.problems == ()
