import bz2
import gzip
import logging
import lzma
import os
import pickle
import time
from collections import Counter
from pathlib import Path

import obonet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierloss import CycleError, Hierarchy, HierarchyError
from hierloss_adapters.obo import read_obo

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


@pytest.fixture
def write(tmp_path):
    def write(text, name="go.obo"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def terms(*stanzas):
    return "\n\n".join(f"[Term]\n{stanza}" for stanza in stanzas) + "\n"


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


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["go.obo", "go.gzip", "go.obo.xz", "go"])
def test_compression_is_seen_from_the_content(write, compress, name):
    path = write(compress(ANIMALS.encode()), name)
    assert len(read_obo(path).hierarchy) == 5


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:20] + b"?" * 80])
def test_damaged_compression(write, compress, damage):
    path = write(damage(compress(ANIMALS.encode())))
    with pytest.raises(HierarchyError, match=r"go\.obo: expected a whole compressed file"):
        read_obo(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_obo(tmp_path / "nowhere.obo")


def test_logs_nothing(write, caplog):
    with caplog.at_level(logging.DEBUG):
        read_obo(write(terms("id: A")))
    assert not caplog.records


AB = (("A", "B"),)


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        pytest.param(terms("id: A\n\nis_a: B", "id: B"), AB, id="blank line in a stanza"),
        pytest.param(terms("id: A\n \t\nis_a: B", "id: B"), AB, id="white line in a stanza"),
        pytest.param("[Term]\nid: A\nis_a: B\n[Term]\nid: B", AB, id="no blank line between"),
        pytest.param("! x\n[Term]\nid: A\nis_a: B\n\n! y\n[Term]\nid: B", AB, id="comment before"),
        pytest.param(terms("id: A\n! x\nis_a: B", "id: B"), AB, id="comment in a stanza"),
        pytest.param(
            terms("id: A\nis_a: B", "id: B") + "\n[Annotation]\nid: A\nwhatever\n",
            AB,
            id="annotation",
        ),
        pytest.param(
            terms("id: A\nis_a: B", "id: B") + "\n[Instance]\nid: A\nis_a: C\n", AB, id="instance"
        ),
        pytest.param(terms("id: A\nrelationship: part_of  B", "id: B"), AB, id="two blanks"),
        pytest.param(terms("id: A\nrelationship: part_of B  ! b", "id: B"), AB, id="two before !"),
        pytest.param(terms("id: A\nis_a: B  ! b", "id: B"), AB, id="is_a with two before !"),
        pytest.param(terms("id: A\nis_a: B\t", "id: B"), AB, id="trailing tab"),
        pytest.param(terms("id: A\nis_a:B", "id: B"), AB, id="no blank after the tag"),
        pytest.param(terms("id: A\n  is_a : B", "id: B"), AB, id="blanks around the tag"),
        pytest.param(terms('id: A\nis_a: B {x="}"} ! b', "id: B"), AB, id="modifier with a brace"),
        pytest.param(terms("is_a: B\nid: A", "id: B"), AB, id="id not first"),
        pytest.param(terms("id: A\nis_a: B\nis_a: B", "id: B"), AB, id="edge twice"),
        pytest.param(
            terms("id: A\nis_a: B\nrelationship: is_a B", "id: B"), AB, id="is_a as a relationship"
        ),
        pytest.param(
            terms("id: A\nis_a: B\nrelationship: part_of B", "id: B"), AB, id="two relations"
        ),
        pytest.param("\ufeff" + terms("id: A\nis_a: B", "id: B"), AB, id="BOM"),
        pytest.param("\ufeffformat-version: 1.2\n" + terms("id: A"), (), id="BOM before a header"),
        pytest.param(terms("id: A\nis_a: B", "id: B").replace("\n", "\r\n"), AB, id="CRLF"),
        pytest.param(terms("id: A\nis_a: B", "id: B").replace("\n", "\r"), AB, id="CR"),
        pytest.param(
            terms(r"id: A\:1\!", "id: B\nis_a: A:1\\!"), (("B", "A:1!"),), id="escaped ids"
        ),
        pytest.param(
            terms("id: A\nis_a: B", "id: B", "id: C\nis_a: B\nis_obsolete: True"), AB, id="True"
        ),
        pytest.param(terms("id: A\nis_a: B\nis_obsolete: false", "id: B"), AB, id="false"),
        pytest.param(
            terms("id: A\nis_a: B\nintersection_of: C\nunion_of: D", "id: B"), AB, id="other tags"
        ),
        pytest.param(terms("id: A\nrelationship: has_part Z"), (), id="a relation not chosen"),
        pytest.param(terms("id: A\nrelationship: has_part A"), (), id="its loop does not matter"),
        pytest.param(terms("id: A\nis_obsolete: true\nis_a: Z", "id: B"), (), id="obsolete child"),
    ],
)
def test_unusual_lines_are_read_right(write, text, edges):
    h = read_obo(write(text)).hierarchy
    assert h.edges == edges
    known = {x for edge in edges for x in edge}
    assert set(h) == known or (not known and len(h) == 1)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param(
            terms("id: A", "id: B")[:-1] + "\n\n[Foo]\nx: y", 7, "got '[Foo]'", id="stanza"
        ),
        pytest.param("[term]\nid: A\n", 1, "got '[term]'", id="stanza in small letters"),
        pytest.param(terms("id: A\nname cat"), 3, "got 'name cat'", id="no colon"),
        pytest.param("format 1.2\n" + terms("id: A"), 1, "got 'format 1.2'", id="header, no colon"),
        pytest.param(
            terms('id: A\ndef: "x \\\ny: z"'), 3, "on one line, got 'def: \"x ", id="continuation"
        ),
        pytest.param(
            terms("id: A", "name: b"), 4, "a term with an id, got one without", id="no id"
        ),
        pytest.param("[Term]\n" + terms("id: A"), 1, "a term with an id", id="empty stanza"),
        pytest.param(terms("id: A") + "[Term]\n", 3, "a term with an id", id="empty stanza last"),
        pytest.param(terms("id:"), 2, "expected 'id: ID'", id="empty id"),
        pytest.param(
            "id: A\n\n" + terms("id: B"), 1, "expected [Term] before", id="no first [Term]"
        ),
        pytest.param(terms("id: A\n\nid: B"), 4, "a second after that of line 2", id="no [Term]"),
        pytest.param(terms("id: A\nname: a\nname: b"), 4, "one 'name'", id="two names"),
        pytest.param(terms("id: A", "id: B", "id: A"), 8, "again after line 2", id="duplicate id"),
        pytest.param(
            terms("id: A", "id: A\nis_obsolete: true"), 5, "again after line 2", id="obsolete twin"
        ),
        pytest.param(
            terms(r"id: A\:1", "id: A:1"), 5, "'A:1' again after line 2", id="same id escaped"
        ),
        pytest.param(terms("id: A\nis_a: B! b", "id: B"), 3, "got 'is_a: B! b'", id="is_a: B! b"),
        pytest.param(terms("id: A\nis_a: B b", "id: B"), 3, "got 'is_a: B b'", id="no !"),
        pytest.param(terms("id: A\nis_a: B {x", "id: B"), 3, "got 'is_a: B {x'", id="open brace"),
        pytest.param(
            terms("id: A\nrelationship: part_of B! b", "id: B"), 3, "RELATION ID", id="B! b"
        ),
        pytest.param(terms("id: A\nrelationship: part_of"), 3, "RELATION ID", id="one token"),
        pytest.param(
            terms("id: A\nrelationship: part_of B C"), 3, "RELATION ID", id="three tokens"
        ),
        pytest.param(terms("id: A\nis_obsolete: yes"), 3, "expected 'is_obsolete: true'", id="yes"),
        pytest.param(terms("id: A\nalt_id: B, C"), 3, "expected 'alt_id: ID'", id="two alt_ids"),
        pytest.param(terms("id: A\nis_a: A"), 3, "got 'A' is_a itself", id="self-loop"),
        pytest.param(
            terms("id: A\nrelationship: part_of A"),
            3,
            "got 'A' part_of itself",
            id="part of itself",
        ),
        pytest.param(terms("id: A\nis_a: Z"), 3, "'Z', which is not in the file", id="undefined"),
        pytest.param(terms("id: A\nis_a: Z\nis_a: Z"), 3, "'Z'", id="undefined, twice"),
        pytest.param(
            terms("id: A\nis_a: B", "id: B\nis_obsolete: true"),
            3,
            "which is obsolete",
            id="obsolete",
        ),
        pytest.param(
            terms("id: A\nis_a: B", "id: B\nis_obsolete: True"),
            3,
            "which is obsolete",
            id="Obsolete",
        ),
    ],
)
def test_malformed_lines_are_named(write, text, line, problem):
    path = write(text)
    with pytest.raises(HierarchyError) as caught:
        read_obo(path)
    assert str(caught.value).startswith(f"{path}, line {line}: expected ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n", "format-version: 1.2\n", "[Typedef]\nid: part_of\n"])
def test_no_terms(write, text):
    with pytest.raises(HierarchyError, match=r"go\.obo: expected at least one \[Term\], got none"):
        read_obo(write(text))


def test_encoding(write):
    path = write(terms("id: A\nname: é").encode("latin-1"))
    with pytest.raises(HierarchyError, match=r"go\.obo: expected text in utf-8, got the byte 0xe9"):
        read_obo(path)
    assert read_obo(path, encoding="latin-1").labels == {"A": "é"}
    wide = write(terms("id: A\nname: é").encode("utf-16"))
    assert read_obo(wide, encoding="utf-16").labels == {"A": "é"}


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
    assert ontology.problems == ("left out 'A' -> 'B', which closes a cycle",)
    with pytest.warns(UserWarning, match="C -> A"):
        other = read_obo(path, ("part_of", "is_a"), on_cycle="drop")
    assert other.hierarchy.dropped == (("C", "A"),)
    assert other.relations == {"part_of": 1, "is_a": 1}


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
    assert ontology.hierarchy.edges == AB
    assert ontology.relations == {"is_a": 1, "part_of": 1}


def test_order_is_that_of_levels_then_of_the_file(write):
    path = write(terms("id: D\nis_a: B", "id: Z", "id: C\nis_a: A", "id: B", "id: A\nis_a: B"))
    assert read_obo(path).hierarchy.names == ("Z", "B", "D", "A", "C")


def test_relations(write):
    path = write(terms("id: A\nrelationship: regulates B", "id: B", "id: C\nis_a: B"))
    assert read_obo(path).hierarchy.edges == (("C", "B"),)
    assert read_obo(path, ["regulates"]).hierarchy.edges == (("A", "B"),)
    assert read_obo(path, ["regulates", "part_of"]).relations == {"regulates": 1, "part_of": 0}
    with pytest.raises(
        HierarchyError, match=r"out of \['is_a', 'part_of', 'regulates'\], got 'has_part'"
    ):
        read_obo(path, ["has_part"])
    with pytest.raises(TypeError, match=r"write \('is_a',\)"):
        read_obo(path, "is_a")


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
        + terms("id: A\nis_a: Z\nnamespace: bad", "id: B", "id: C\nnamespace: wild {x} ! y")
    )
    assert read_obo(path, namespace="zoo").hierarchy.names == ("B",)
    assert read_obo(path, namespace="wild").obsolete == {}
    with pytest.raises(HierarchyError, match=r"line 4: .* got 'Z'"):
        read_obo(path, namespace="bad")
    with pytest.raises(HierarchyError, match=r"out of \['bad', 'wild', 'zoo'\], got 'sea'"):
        read_obo(path, namespace="sea")


@pytest.mark.parametrize(
    ("stanzas", "aliases", "obsolete", "problems"),
    [
        pytest.param(["id: A\nalt_id: x\nalt_id: y"], {"x": "A", "y": "A"}, {}, 0, id="alt_id"),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: A"], {"O": "A"}, {}, 0, id="replaced"
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: P\nalt_id: o"]
            + ["id: P\nis_obsolete: true\nreplaced_by: A"],
            {"O": "A", "P": "A", "o": "A"},
            {},
            0,
            id="replaced twice, and its alt_id",
        ),
        pytest.param(
            ["id: A\nalt_id: x", "id: O\nis_obsolete: true\nreplaced_by: x"],
            {"O": "A", "x": "A"},
            {},
            0,
            id="replaced by an alt_id",
        ),
        pytest.param(
            ["id: A\nalt_id: O", "id: B", "id: O\nis_obsolete: true\nreplaced_by: B"],
            {"O": "A"},
            {},
            0,
            id="alt_id before replaced_by",
        ),
        pytest.param(
            ["id: A\nalt_id: x", "id: O\nis_obsolete: true\nalt_id: x"],
            {"x": "A"},
            {"O": ()},
            0,
            id="alt_id of a live term before that of an obsolete one",
        ),
        pytest.param(["id: A\nalt_id: x", "id: B\nalt_id: x"], {}, {}, 1, id="shared alt_id"),
        pytest.param(["id: A\nalt_id: B", "id: B"], {}, {}, 1, id="alt_id that is a term"),
        pytest.param(
            ["id: A", "id: B", "id: O\nis_obsolete: true\nreplaced_by: A\nreplaced_by: B"],
            {},
            {"O": ()},
            1,
            id="two replacements",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: A\nreplaced_by: A"],
            {"O": "A"},
            {},
            0,
            id="one replacement given twice",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: Z\nconsider: A"],
            {},
            {"O": ("A",)},
            0,
            id="replaced by what is not there",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nreplaced_by: P"]
            + ["id: P\nis_obsolete: true\nreplaced_by: O"],
            {},
            {"O": (), "P": ()},
            0,
            id="replaced in a circle",
        ),
        pytest.param(
            ["id: A", "id: O\nis_obsolete: true\nconsider: A"], {}, {"O": ("A",)}, 0, id="consider"
        ),
        pytest.param(
            ["id: A\nconsider: B\nreplaced_by: C", "id: B"], {}, {}, 0, id="only for obsolete terms"
        ),
    ],
)
def test_aliases(write, stanzas, aliases, obsolete, problems):
    ontology = read_obo(write(terms(*stanzas)))
    assert ontology.hierarchy.aliases == aliases
    assert ontology.obsolete == obsolete
    assert len(ontology.problems) == problems


def test_ambiguous_aliases_are_told(write):
    path = write(terms("id: B\nalt_id: x", "id: A\nalt_id: x\nalt_id: B"))
    assert read_obo(path).problems == (
        "'x' is no alias, because it leads to 'A' and 'B'",
        "'B' is a term, although it is an alt_id of 'A'",
    )


def spoilt(change):
    real = obonet.read_obo

    def read(*args, **options):
        graph = real(*args, **options)
        change(graph)
        return graph

    return read


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda graph: graph.remove_edge("A", "B", "is_a"),
            "line 3: expected ('A', 'is_a', 'B'), which",
        ),
        (lambda graph: graph.remove_node("C"), "line 10: expected 'C', which obonet lost"),
        (
            lambda graph: graph.add_edge("B", "C", key="is_a"),
            "expected no ('B', 'is_a', 'C'), which",
        ),
        (lambda graph: graph.add_node("D"), "expected no 'D', which only obonet sees"),
    ],
)
def test_what_obonet_loses_or_invents_is_refused(write, monkeypatch, change, problem):
    path = write(terms("id: A\nis_a: B\nrelationship: part_of B", "id: B", "id: C"))
    monkeypatch.setattr("obonet.read_obo", spoilt(change))
    with pytest.raises(HierarchyError) as caught:
        read_obo(path)
    assert problem in str(caught.value)


def test_what_obonet_refuses_is_refused(write, monkeypatch):
    def refuse(*args, **options):
        raise KeyError("id")

    path = write(ANIMALS)
    monkeypatch.setattr("obonet.read_obo", refuse)
    with pytest.raises(
        HierarchyError, match=r"go\.obo: expected what obonet can read, got KeyError"
    ):
        read_obo(path)


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
    assert ontology.problems == ontology.dropped == ()


@pytest.mark.slow
@needs(GO)
def test_whole_gene_ontology():
    start = time.process_time()
    graph = obonet.read_obo(GO)
    middle = time.process_time()
    ontology = read_obo(GO)
    took, alone = time.process_time() - middle, middle - start
    h = ontology.hierarchy
    assert (len(h), len(h.edges), h.depth) == (43_789, 77_825, 18)
    assert h.roots == ("GO:0003674", "GO:0005575", "GO:0008150")
    assert ontology.relations == {"is_a": 70_759, "part_of": 7_066}
    assert set(h) == set(graph)
    assert len(ontology.labels) == len(h)
    assert Counter(ontology.namespaces.values()) == {
        "biological_process": 28_429,
        "molecular_function": 11_177,
        "cellular_component": 4_183,
    }
    assert len(ontology.obsolete) == 3_472 - 525
    assert sum(map(bool, ontology.obsolete.values())) == 1_216 - 33
    assert h.index("GO:0019952") == h.index("GO:0000003")
    assert ontology.problems == ontology.dropped == ()
    assert took < 2 * alone + 1


@pytest.mark.slow
@needs(GO)
def test_parts_of_the_gene_ontology():
    h = Hierarchy.from_obo(GO, ["is_a"])
    assert (len(h), len(h.edges), h.depth) == (43_789, 70_759, 16)
    ontology = read_obo(GO, namespace="molecular_function")
    assert (len(ontology.hierarchy), ontology.hierarchy.depth) == (11_177, 12)
    assert ontology.hierarchy.roots == ("GO:0003674",)
    assert ontology.problems == ()
