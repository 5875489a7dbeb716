import pytest

from hierloss import Hierarchy, HierarchyError
from hierloss_adapters.obo import read_obo
from table import terms

PART = "id: A\nrelationship: {} C", "id: B\nrelationship: part_of C", "id: C"


@pytest.mark.parametrize(
    ("kind", "typedef"),
    [
        ("BFO:0000050", ""),
        ("OBO_REL:part_of", ""),
        ("OBO_REL:part_of", "name: part_of"),
        ("X:part", "name: part of ! x"),
        ("X:part", 'name: part of {source="x"}\nxref: Y:1'),
        ("within", "xref: BFO:0000050"),
        ("within", 'xref: RO:1\nxref: BFO:0000050 "a book" {x="y"} ! x'),
        ("within", r"xref: OBO_REL\:part_of"),
        ("within", "alt_id: part_of\nname: in"),
    ],
)
def test_other_identifiers_of_a_relation(write, kind, typedef):
    given = [x.format(kind) for x in PART]
    for stanzas in (given, [given[0], "id: B\nis_a: C", given[2]]):
        path = write(terms(*stanzas) + f"\n[Typedef]\nid: {kind}\n{typedef}\n")
        ontology = read_obo(path, ("part_of", "is_a"))
        assert ontology.hierarchy.edges == (("A", "C"), ("B", "C"))
        assert sum(ontology.relations.values()) == 2
        assert ontology.problems == ()
        assert Hierarchy.from_obo(path) == ontology.hierarchy
    found = read_obo(path, [kind, "is_a"])
    assert found.relations == {kind: 1, "is_a": 1}


def test_a_relation_is_known_by_what_the_chosen_one_is_called(write):
    typedef = "\n[Typedef]\nid: regulates\nname: does regulate\nxref: RO:0002211 ! x\n"
    path = write(terms("id: A\nrelationship: RO:0002211 B", "id: B") + typedef)
    assert read_obo(path, ["regulates"]).relations == {"regulates": 1}
    assert read_obo(path, ["RO:0002211"]).relations == {"RO:0002211": 1}
    path = write(terms("id: A\nrelationship: part_of B", "id: B"))
    assert read_obo(path, ["BFO:0000050"]).hierarchy.edges == (("A", "B"),)


def test_a_chosen_relation_is_no_other(write):
    path = write(
        terms("id: A\nrelationship: BFO:0000050 B\nrelationship: part_of B", "id: B")
        + "\n[Typedef]\nid: part_of\nxref: BFO:0000050\n"
    )
    assert read_obo(path).relations == {"is_a": 0, "part_of": 1}
    both = read_obo(path, ["part_of", "BFO:0000050"])
    assert both.relations == {"part_of": 1, "BFO:0000050": 1}


def test_the_line_of_a_relation_that_is_called_otherwise(write):
    path = write(terms("id: A\nrelationship: OBO_REL:part_of Z\nrelationship: part_of Z"))
    with pytest.raises(HierarchyError, match=r"line 3: expected a parent that is .* got 'Z'"):
        read_obo(path)


def test_relations_that_are_not_chosen_are_counted(write):
    path = write(
        "default-namespace: zoo\n"
        + terms(
            "id: A\nrelationship: z B\nrelationship: b B\nrelationship: b C\nis_a: B",
            "id: B\nnamespace: wild\nrelationship: b C",
            "id: C\nrelationship: b Z",
            "id: O\nis_obsolete: true\nrelationship: b A",
        )
    )
    said = "edges left out because their relation is not chosen: "
    assert read_obo(path).problems == (said + "4 'b', 1 'z'",)
    assert read_obo(path, namespace="wild").problems == (said + "1 'b'",)
    assert read_obo(path, ["z"]).problems == (said + "4 'b', 1 'is_a'",)


@pytest.mark.parametrize(
    "modifier",
    [
        'gci_relation="part_of", gci_filler="NCBITaxon:1"',
        'source="a } b, c=\\"d", gci_filler="NCBITaxon:1"',
        "gci_relation = part_of",
        'cardinality="0"',
        'minCardinality="0", maxCardinality="1"',
        'maxCardinality="1"',
        'all_only="true"',
    ],
)
@pytest.mark.parametrize("line", ["is_a: {}", "relationship: part_of {}"])
def test_edges_that_hold_for_some_members_only(write, modifier, line):
    limited = f"{line.format('B')} {{{modifier}}} ! b"
    path = write(terms(f"id: A\n{limited}\n{line.format('Z')} {{{modifier}}}", "id: B"))
    ontology = read_obo(path)
    assert ontology.hierarchy.edges == ontology.dropped == ()
    assert ontology.relations == {"is_a": 0, "part_of": 0}
    assert ontology.problems == (
        "edges left out because a modifier such as gci_relation limits them: 2",
    )
    assert Hierarchy.from_obo(path) == ontology.hierarchy
    both = read_obo(write(terms(f"id: A\n{limited}\n{line.format('B')}", "id: B")))
    assert both.hierarchy.edges == (("A", "B"),)
    assert both.problems == ()


@pytest.mark.parametrize(
    "modifier",
    [
        'source="gci_relation=\\"part_of\\""',
        'comment="gci_filler=x, all_only=true"',
        'cardinality="1"',
        'minCardinality="1", maxCardinality="1"',
        'all_only="true", all_some="true"',
        "is_inferred",
    ],
)
def test_modifiers_that_leave_an_edge_as_it_is(write, modifier):
    ontology = read_obo(write(terms(f"id: A\nis_a: B {{{modifier}}}", "id: B")))
    assert ontology.hierarchy.edges == (("A", "B"),)
    assert ontology.problems == ()


def test_limited_edges_of_other_namespaces_are_not_counted(write):
    line = 'is_a: B {gci_relation="part_of"}'
    path = write(terms(f"id: A\n{line}\nnamespace: x", "id: B\nnamespace: y"))
    assert read_obo(path, namespace="y").problems == ()
