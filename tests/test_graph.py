import bz2
import gzip
import lzma

import networkx as nx
import numpy as np
import obonet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierloss import CycleError, Hierarchy, HierarchyError, UnknownClassError
from hierloss_adapters.graph import (
    by_level,
    from_networkx,
    read_edges,
    read_paths,
    to_networkx,
    write_edges,
)

DIRECTIONS = ("child_to_parent", "parent_to_child")
PETS = [("cat", "mammal"), ("mammal", "animal"), ("cat", "pet")]


@pytest.fixture
def write(tmp_path):
    def write(text, name="edges.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@st.composite
def hierarchies(draw, alphabet=None):
    """Random edges from later to earlier names, in a random column order."""
    text = st.text(alphabet or st.characters(codec="utf-8"), min_size=1, max_size=4)
    clean = text.filter(lambda x: x == x.strip() and set("\r\n\0").isdisjoint(x))
    names = draw(st.lists(clean, min_size=1, max_size=7, unique=True))
    pairs = [(names[j], names[i]) for j in range(len(names)) for i in range(j)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return Hierarchy.from_edges(edges, draw(st.permutations(names)))


def test_by_level():
    h = by_level(["cat", "stone", "pet", "mammal", "animal"], PETS, aliases={"kitty": "cat"})
    assert h.names == ("stone", "pet", "animal", "mammal", "cat")
    assert h.edges == (("mammal", "animal"), ("cat", "pet"), ("cat", "mammal"))
    assert h.aliases == {"kitty": "cat"}
    with pytest.warns(UserWarning, match="animal -> cat"):
        cut = by_level(["cat", "mammal", "animal"], [*PETS[:2], ("animal", "cat")], on_cycle="drop")
    assert cut.names == ("animal", "mammal", "cat")
    assert cut.dropped == (("animal", "cat"),)


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiDiGraph])
def test_from_networkx_by_hand(kind):
    graph = kind([*PETS, PETS[0]])
    graph.add_node("stone")
    up = from_networkx(graph, direction="child_to_parent")
    assert up.names == ("animal", "pet", "stone", "mammal", "cat")
    assert set(up.edges) == set(PETS)
    down = from_networkx(graph, direction="parent_to_child")
    assert down.names == ("cat", "stone", "mammal", "pet", "animal")
    assert set(down.edges) == {(parent, child) for child, parent in PETS}


def test_short_form():
    graph = nx.DiGraph(PETS)
    for direction in DIRECTIONS:
        short = Hierarchy.from_networkx(graph, direction=direction)
        assert short == from_networkx(graph, direction=direction)


def test_from_networkx_in_the_order_of_names():
    names = ["cat", "extra", "animal", "pet", "mammal"]
    h = from_networkx(nx.DiGraph(PETS), direction="child_to_parent", names=iter(names))
    assert list(h) == names
    graph = nx.DiGraph(PETS)
    graph.add_node("mamal")
    with pytest.raises(UnknownClassError, match=r"'mamal', .* did you mean 'mammal'"):
        from_networkx(graph, direction="child_to_parent", names=names)


def test_integer_nodes_are_columns():
    graph = nx.DiGraph([(2, 0), (np.int64(1), 2)])
    graph.add_node(3)
    h = from_networkx(graph, direction="child_to_parent")
    assert h.names == ("0", "1", "2", "3")
    assert h.edges == (("1", "2"), ("2", "0"))
    named = from_networkx(graph, direction="parent_to_child", names="abcde")
    assert named.names == tuple("abcde")
    assert named.edges == (("a", "c"), ("c", "b"))
    with pytest.raises(HierarchyError, match="columns 0 to 2, got 3; if they are identifiers"):
        from_networkx(graph, direction="child_to_parent", names="abc")


@pytest.mark.parametrize("node", [3, -1])
def test_integers_that_are_no_columns(node):
    graph = nx.DiGraph([(0, 1)])
    graph.add_node(node)
    with pytest.raises(HierarchyError, match=f"columns 0 to 2, got {node}"):
        from_networkx(graph, direction="child_to_parent")


@pytest.mark.parametrize("nodes", [["a", 1], [True, False], [("a", "b")], [1.0]])
def test_other_nodes(nodes):
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    with pytest.raises(TypeError, match=r"all strings or all integers, got .*relabel"):
        from_networkx(graph, direction="child_to_parent")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_attributes_come_back(direction):
    def oriented(child, parent):
        return (child, parent) if direction == "child_to_parent" else (parent, child)

    graph = nx.DiGraph()
    graph.add_node("cat", name="a cat", column="old", xref=["Felis"])
    graph.add_node("stone")
    graph.add_edge(*oriented("cat", "pet"), since=-8000)
    graph.add_edge(*oriented("cat", "mammal"))
    h = from_networkx(graph, direction=direction)
    back = to_networkx(h, direction=direction, nodes=graph.nodes, edges=graph.edges)
    column = h.index("cat")
    level = int(h.levels[column])
    assert back.nodes["cat"] == {
        "name": "a cat",
        "column": "old",
        "level": level,
        "xref": ["Felis"],
    }
    assert set(back.nodes["stone"]) == {"level"}
    assert dict(back.edges) == {
        oriented("cat", "pet"): {"since": -8000},
        oriented("cat", "mammal"): {},
    }
    assert type(back) is nx.DiGraph
    plain = to_networkx(h, direction=direction)
    assert plain.nodes["cat"] == {"column": column, "level": level}
    assert all(not attributes for attributes in plain.edges.values())


def test_attributes_of_columns_come_back():
    graph = nx.MultiDiGraph([(1, 0), (np.int64(2), 0)])
    graph.add_edge(2, 1, "part_of", since=1)
    graph.add_node(0, label="animal", level="kingdom")
    for names in (None, "abc"):
        h = from_networkx(graph, direction="child_to_parent", names=names)
        a, b, c = h.names
        back = to_networkx(h, nodes=graph.nodes, edges=graph.edges)
        assert back.nodes[a] == {"label": "animal", "level": "kingdom", "column": 0}
        assert back.nodes[c] == {"column": 2}
        assert back.edges[c, b, "part_of"] == {"since": 1}
        assert set(back.edges(keys=True)) == {(b, a, 0), (c, a, 0), (c, b, "part_of")}
    h = from_networkx(nx.DiGraph([(1, 0)]), direction="child_to_parent")
    for key in (2, -1, True):
        with pytest.raises(ValueError, match=f"name or the column of a class, got those of {key}"):
            to_networkx(h, nodes={key: {"label": "cat"}})


def test_parallel_edges_come_back(write):
    terms = ("id: X:1\nname: animal", "id: X:2\nis_a: X:1\nrelationship: part_of X:1", "id: X:3")
    text = "ontology: x\n\n" + "\n\n".join(f"[Term]\n{term}" for term in terms)
    graph = obonet.read_obo(write(text, "x.obo"))
    chosen = {"direction": "child_to_parent", "relations": ["is_a", "part_of"]}
    h = from_networkx(graph, **chosen, names=["X:3", "X:2", "X:1"])
    back = to_networkx(h, nodes=graph.nodes, edges=graph.edges)
    assert type(back) is nx.MultiDiGraph
    assert set(back.edges(keys=True)) == {("X:2", "X:1", "is_a"), ("X:2", "X:1", "part_of")}
    assert list(back) == ["X:3", "X:2", "X:1"]
    assert back.nodes["X:1"]["name"] == "animal"


def test_relations_are_chosen_never_guessed():
    edges = [("a", "b", "is_a"), ("c", "a", "is_a"), ("b", "c", "has_part"), ("c", "b", "part_of")]
    graph = nx.MultiDiGraph(edges)
    up = {"direction": "child_to_parent"}
    with pytest.raises(
        ValueError, match=r"out of the keys .*'has_part', 'is_a', 'part_of'\], got none"
    ):
        from_networkx(graph, **up)
    for wrong in (["regulates"], ["is_a", "regulates"]):
        with pytest.raises(ValueError, match=r"got \['regulates'\]; write them"):
            Hierarchy.from_networkx(graph, relations=wrong, **up)
    with pytest.raises(TypeError, match=r"got a string; write \('is_a',\)"):
        from_networkx(graph, relations="is_a", **up)
    with pytest.raises(ValueError, match="got none"):
        from_networkx(graph, relations=[], **up)
    assert from_networkx(graph, relations=["is_a"], **up).edges == (("a", "b"), ("c", "a"))
    h = Hierarchy.from_networkx(graph, relations=["is_a", "part_of"], **up)
    assert set(h.edges) == {("a", "b"), ("c", "a"), ("c", "b")}
    one = nx.MultiDiGraph(edges[:2])
    assert from_networkx(one, **up) == from_networkx(graph, relations=["is_a"], **up)
    with pytest.raises(ValueError, match=r"out of the keys of edges \[\], got \['is_a'\]"):
        from_networkx(nx.DiGraph([("a", "b")]), relations=["is_a"], **up)


def test_attributes_of_more_than_the_hierarchy():
    graph = nx.DiGraph([*PETS, ("cat", "stone")])
    nx.set_edge_attributes(graph, "is", "relation")
    h = Hierarchy.from_edges(PETS)
    back = to_networkx(h, nodes=graph.nodes, edges=graph.edges)
    assert set(back) == set(h)
    assert nx.get_edge_attributes(back, "relation") == dict.fromkeys(PETS, "is")


def test_attributes_of_something_else():
    h = Hierarchy.from_edges(PETS)
    graph = nx.DiGraph(PETS)
    with pytest.raises(
        ValueError, match=r"in the direction parent_to_child, got .*\('cat', 'mammal'\)"
    ):
        to_networkx(h, direction="parent_to_child", edges=graph.edges)
    with pytest.raises(ValueError, match="the column of a class, got those of 'dog'"):
        to_networkx(h, nodes={"dog": {"label": "a dog"}})
    assert len(to_networkx(h, nodes={}, edges={})) == 4


@given(hierarchies(), st.sampled_from(DIRECTIONS), st.booleans())
def test_attributes_there_and_back(h, direction, parallel):
    graph = (nx.MultiDiGraph if parallel else nx.DiGraph)(to_networkx(h, direction=direction))
    nx.set_node_attributes(graph, {name: name * 2 for name in graph}, "double")
    nx.set_edge_attributes(graph, {edge: repr(edge) for edge in graph.edges}, "text")
    back = to_networkx(h, direction=direction, nodes=graph.nodes, edges=graph.edges)
    assert nx.utils.graphs_equal(back, graph if h.edges else nx.DiGraph(graph))


@pytest.mark.parametrize("graph", [nx.Graph(PETS), nx.MultiGraph(PETS), PETS])
def test_graph_without_directions(graph):
    with pytest.raises(TypeError, match=r"expected a networkx\.DiGraph, got .*; build a DiGraph"):
        from_networkx(graph, direction="child_to_parent")


def test_direction_is_said():
    graph = nx.DiGraph()
    graph.add_node("a")
    with pytest.raises(TypeError, match="direction"):
        from_networkx(graph)
    with pytest.raises(ValueError, match=r"expected direction 'child_to_parent' or .*, got 'up'"):
        from_networkx(graph, direction="up")
    with pytest.raises(ValueError, match=r"expected direction 'child_to_parent' or .*, got 'up'"):
        to_networkx(Hierarchy.from_edges([], ["a"]), direction="up")


def test_graphs_that_are_no_hierarchy():
    with pytest.raises(HierarchyError, match="at least one class"):
        from_networkx(nx.DiGraph(), direction="child_to_parent")
    with pytest.raises(HierarchyError, match="self-loop 'a'"):
        from_networkx(nx.DiGraph([("a", "a")]), direction="child_to_parent")
    cycle = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "a")])
    with pytest.raises(CycleError):
        from_networkx(cycle, direction="child_to_parent")
    with pytest.warns(UserWarning, match="c -> a"):
        h = from_networkx(cycle, direction="child_to_parent", on_cycle="drop")
    assert h.dropped == (("c", "a"),)
    with pytest.warns(UserWarning, match="c -> a"):
        named = from_networkx(cycle, direction="child_to_parent", names="abc", on_cycle="drop")
    assert named.names == ("a", "b", "c")


def test_to_networkx_by_hand():
    h = Hierarchy.from_edges(PETS, ["mammal", "cat", "stone", "pet", "animal"])
    graph = to_networkx(h)
    assert type(graph) is nx.DiGraph
    assert list(graph.nodes(data=True)) == [
        ("mammal", {"column": 0, "level": 1}),
        ("cat", {"column": 1, "level": 2}),
        ("stone", {"column": 2, "level": 0}),
        ("pet", {"column": 3, "level": 0}),
        ("animal", {"column": 4, "level": 0}),
    ]
    assert all(type(x) is int for _, data in graph.nodes(data=True) for x in data.values())
    assert set(graph.edges) == set(PETS)
    down = to_networkx(h, direction="parent_to_child")
    assert set(down.edges) == {(parent, child) for child, parent in PETS}


@given(hierarchies(), st.sampled_from(DIRECTIONS))
def test_networkx_round_trip(h, direction):
    graph = to_networkx(h, direction=direction)
    assert from_networkx(graph, direction=direction, names=h.names) == h
    ordered = from_networkx(graph, direction=direction)
    assert set(ordered.edges) == set(h.edges)
    assert list(ordered) == sorted(h, key=lambda name: (h.levels[h.index(name)], h.index(name)))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("child,parent\ncat,mammal\nmammal,animal\ncat,pet\n", {}),
        ("parent,child\nmammal,cat\nanimal,mammal\npet,cat\n", {}),
        ("kind,parent,child\n,mammal,cat\nx,animal,mammal\ny,pet,cat\n", {}),
        ("cat,mammal\nmammal,animal\ncat,pet", {"columns": ("child", "parent")}),
        ("mammal,cat\nanimal,mammal\npet,cat", {"columns": ["parent", "child"]}),
        ("cat,is_a,mammal\nmammal,is_a,animal\ncat,,pet", {"columns": ["child", "by", "parent"]}),
        ("# pets\n#\n\nchild,parent\ncat,mammal\nmammal,animal\ncat,pet\n", {}),
        ("child,parent\n\ncat,mammal\n \nmammal,animal\ncat,pet\ncat,mammal\n\n", {}),
        ("\ufeffchild,parent\r\ncat,mammal\r\nmammal,animal\r\ncat,pet\r\n", {}),
        ('child, parent\n"cat", mammal\n mammal ,animal\ncat,pet\n', {}),
        ('"child", "parent"\n "cat", "mammal"\n"mammal",  "animal"\ncat, "pet"\n', {}),
        ("child,parent\nanimal,\ncat,mammal\nmammal,animal\ncat,pet\npet,\n", {}),
        ("child;parent\ncat;mammal\nmammal;animal\ncat;pet\n", {"delimiter": ";"}),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_read_edges_by_hand(write, text, options, compress):
    h = read_edges(write(compress(text.encode())), **options)
    assert set(h.edges) == set(PETS)
    assert h.names == ("animal", "pet", "mammal", "cat")


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [
        ("edges.csv", ","),
        ("edges.CSV", ","),
        ("edges.tsv", "\t"),
        ("edges.tab", "\t"),
        ("edges.txt", "\t"),
        ("edges.csv.gz", ","),
        ("edges.v2.tsv.xz", "\t"),
        ("my.csv.txt.bz2", "\t"),
    ],
)
def test_delimiter_of_a_name(write, tmp_path, name, delimiter):
    h = read_edges(write(f"child{delimiter}parent\na{delimiter}b\n", name))
    assert h.edges == (("a", "b"),)
    write_edges(h, tmp_path / ("new" + name))
    assert read_edges(tmp_path / ("new" + name)) == h


@pytest.mark.parametrize("name", ["edges", "edges.gz", "edges.dat"])
def test_name_without_a_delimiter(write, name):
    path = write("child|parent\na|b\n", name)
    with pytest.raises(ValueError, match=r"ends in \.csv, .*; pass delimiter"):
        read_edges(path)
    h = read_edges(path, delimiter="|")
    assert h.edges == (("a", "b"),)
    with pytest.raises(ValueError, match=r"ends in \.csv, .*; pass delimiter"):
        write_edges(h, path)


def test_order_of_edges_read(write):
    path = write("child,parent\nz,\nc,a\nb,\nc,b\na,b\n")
    assert read_edges(path).names == ("z", "b", "a", "c")


def test_identifiers_stay_strings(write):
    h = read_edges(write("child,parent\n#7,007\n7,007\n"))
    assert h.names == ("007", "#7", "7")


def test_a_class_alone(write):
    assert read_edges(write("child,parent\na,\n")).names == ("a",)


@pytest.mark.parametrize(
    ("text", "columns", "line", "problem"),
    [
        ("a,b\n", None, 1, r"header with the columns 'child' and 'parent', got ['a', 'b']; if"),
        ("# x\n\nChild,Parent\n", None, 3, "got ['Child', 'Parent']"),
        ("child,child,parent\na,b,c\n", None, 1, "got ['child', 'child', 'parent']"),
        ("child;parent\na;b\n", None, 1, "delimiter=';'"),
        ("", None, 1, "got []"),
        ("# x\n", None, 1, "got []"),
        ("child,parent\na,b\nc\n", None, 3, "expected 2 cells (child, parent), got 1: ['c']"),
        ("# x\nchild,parent\n\na,b,c\n", None, 4, "expected 2 cells (child, parent), got 3"),
        ("child,parent\n,b\n", None, 2, "expected a child, got an empty cell"),
        ("child,parent\n , \n", None, 2, "expected a child, got an empty cell"),
        ("child,parent\na,a\n", None, 2, "expected two classes, got 'a' twice"),
        ('child,parent\na,b\n"c,d\ne,f\n', None, 3, "expected a row of cells, got"),
        ('child,parent\n"a"b,c\n', None, 2, "expected a row of cells, got"),
        ('child,parent\n"a\nb",c\nd\n', None, 4, "expected 2 cells"),
        ("a,b\nc\n", ("child", "parent"), 2, "expected 2 cells"),
        ("# x\nchild,parent\na,b\n", ("child", "parent"), 2, "expected no header"),
    ],
)
def test_malformed_rows_are_named(write, text, columns, line, problem):
    path = write(text)
    with pytest.raises(HierarchyError) as caught:
        read_edges(path, columns=columns)
    assert str(caught.value).startswith(f"{path}, line {line}: expected ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("species,rank,genus\ncat,1,felis\nlion,1,panthera\n", {}),
        ("cat,1,felis\nlion,1,panthera\n", {"columns": ["species", "rank", "genus"]}),
    ],
)
def test_columns_may_be_called_otherwise(write, text, options):
    path = write(text, "x.csv")
    h = read_edges(path, child="species", parent="genus", **options)
    assert h.edges == (("cat", "felis"), ("lion", "panthera"))
    with pytest.raises(ValueError, match="expected two columns, got 'genus' as child and as"):
        read_edges(path, child="genus", parent="genus", **options)
    with pytest.raises(ValueError, match=r"'species' and (one )?'family', got"):
        read_edges(path, child="species", parent="family", **options)


@pytest.mark.parametrize(
    "columns", ["child,parent", (), ("child",), ("parent", "x"), ("child", "child", "parent")]
)
def test_columns_name_child_and_parent(write, columns):
    with pytest.raises(ValueError, match="one 'child' and one 'parent', got"):
        read_edges(write("a,b\n"), columns=columns)


def test_edges_that_are_no_hierarchy(write):
    cycle = write("child,parent\na,b\nb,a\n")
    with pytest.raises(CycleError):
        read_edges(cycle)
    with pytest.warns(UserWarning, match="b -> a"):
        assert read_edges(cycle, on_cycle="drop").dropped == (("b", "a"),)
    with pytest.raises(HierarchyError, match=r"edges\.csv: expected at least one row"):
        read_edges(write("child,parent\n"))
    with pytest.raises(HierarchyError, match=r"edges\.csv: expected at least one row"):
        read_edges(write("# a,b\n"), columns=("child", "parent"))


def test_encoding(write):
    path = write("child,parent\né,b\n".encode("latin-1"))
    with pytest.raises(HierarchyError, match=r"edges\.csv: expected text in utf-8.*encoding="):
        read_edges(path)
    assert read_edges(path, encoding="latin-1").names == ("b", "é")
    with pytest.raises(HierarchyError, match=r"edges\.csv: expected text in utf-8.*encoding="):
        read_paths(path)
    assert len(read_paths(path, encoding="latin-1")) == 2


def test_write_edges_by_hand(tmp_path):
    h = Hierarchy.from_edges(PETS, ["mammal", "cat", "stone", "pet", "animal"])
    write_edges(h, tmp_path / "pets.csv")
    rows = "child,parent\nmammal,animal\ncat,mammal\ncat,pet\nstone,\npet,\nanimal,\n"
    assert (tmp_path / "pets.csv").read_bytes() == rows.encode()
    write_edges(h, tmp_path / "pets", delimiter=" ")
    assert (tmp_path / "pets").read_bytes() == rows.replace(",", " ").encode()


@pytest.mark.parametrize(
    ("suffix", "magic"),
    [(".gz", b"\x1f\x8b"), (".bz2", b"BZh"), (".xz", b"\xfd7zXZ"), ("", b"child")],
)
def test_written_files_are_what_their_names_say(tmp_path, suffix, magic):
    path = tmp_path / f"pets.csv{suffix}"
    write_edges(Hierarchy.from_edges(PETS), path)
    assert path.read_bytes().startswith(magic)


@pytest.mark.parametrize("name", ["", " a", "a\t", "a\nb", "a\rb", "a\0b"])
def test_names_that_a_row_cannot_hold(tmp_path, name):
    path = tmp_path / "edges.csv"
    with pytest.raises(HierarchyError, match="expected names without line breaks"):
        write_edges(Hierarchy.from_edges([(name, "b")]), path)
    assert not path.exists()


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "new" / "edges.csv"
    write_edges(Hierarchy.from_edges(PETS), path)
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        write_edges(Hierarchy.from_edges([("a", "b"), ("\ud800", "b")]), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@given(hierarchies(), st.sampled_from(["e.csv", "e.tsv.gz"]))
def test_edges_round_trip(tmp_path_factory, h, name):
    path = tmp_path_factory.mktemp("edges") / name
    write_edges(h, path)
    read = read_edges(path)
    assert set(read) == set(h)
    assert set(read.edges) == set(h.edges)
    write_edges(read, path)
    assert read_edges(path) == read


@given(hierarchies(alphabet="ab\",#;'"))
def test_edges_round_trip_with_quotes(tmp_path_factory, h):
    ordered = by_level(h.names, h.edges)
    path = tmp_path_factory.mktemp("edges") / "edges.csv"
    write_edges(ordered, path)
    assert read_edges(path) == ordered


def test_read_paths_by_hand(write):
    h = read_paths(write("# FunCat\n01/01/03\n\n 02 \n#99\n01/02\n", "funcat"))
    assert h.names == ("01", "02", "01/01", "01/02", "01/01/03")
    assert h.edges == (("01/01", "01"), ("01/02", "01"), ("01/01/03", "01/01"))
    dotted = read_paths(write(gzip.compress(b"C18.452\r\nC18.1\r\n"), "mesh"), sep=".")
    assert dotted.names == ("C18", "C18.452", "C18.1")


@pytest.mark.parametrize("path", ["a//b", "/a", "a/"])
def test_malformed_paths_are_named(write, path):
    file = write(f"# x\na\n\n{path}\n", "paths.txt")
    with pytest.raises(HierarchyError) as caught:
        read_paths(file)
    assert str(caught.value).startswith(f"{file}, line 4: expected components")
    assert repr(path) in str(caught.value)


def test_separators_with_blanks(write):
    h = read_paths(write(" # x\nFood > Fruit \r\n \n Pets\n", "paths.txt"), sep=" > ")
    assert h.names == ("Food", "Pets", "Food > Fruit")
    assert read_paths(write("a / b\n", "paths.txt")).names == ("a", "a/b")
    for line in ("Food > ", " > Food", "Food >  > Fruit"):
        with pytest.raises(
            HierarchyError, match=r"line 2: expected components between sep.* ' > '"
        ):
            read_paths(write(f"a\n{line}\n", "paths.txt"), sep=" > ")


@pytest.mark.parametrize("text", ["", "# x\n\n"])
def test_no_paths(write, text):
    with pytest.raises(HierarchyError, match=r"paths\.txt: expected at least one path"):
        read_paths(write(text, "paths.txt"))


@pytest.mark.parametrize("read", [read_edges, read_paths])
def test_files_that_are_no_text(write, read):
    with pytest.raises(HierarchyError, match=r"edges\.csv: .* utf-8, got utf-16; .*='utf-16'"):
        read(write("child,parent\na,b\n".encode("utf-16")))
    with pytest.raises(HierarchyError, match=r"edges\.csv: .* got a zstd file; decompress"):
        read(write(b"\x28\xb5\x2f\xfd\x00"))
    with pytest.raises(HierarchyError, match=r"got the URL https://x\.org/e\.csv; download"):
        read("https://x.org/e.csv")
    with pytest.raises(ValueError, match="expected the name of an encoding, got 'utf-9'"):
        read(write("child,parent\na,b\n"), encoding="utf-9")


@pytest.mark.parametrize("delimiter", ["", ";;", "\\t", "\n", '"'])
def test_a_delimiter_is_one_character(delimiter, write) -> None:
    with pytest.raises(ValueError, match="expected one character as a delimiter"):
        read_edges(write("child,parent\nb,a\n", "e.csv"), delimiter=delimiter)
