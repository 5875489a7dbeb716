"""MeSH, the NCBI taxonomy, WordNet and ICD-10-CM, in rows of our own in the shape of theirs."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierloss import CycleError, Hierarchy, HierarchyError, UnknownClassError
from hierloss_adapters.icd import read_icd10cm
from hierloss_adapters.taxonomies import read_mesh, read_ncbi, read_wordnet
from oracles import Problem
from strategies import forests

TREES = """\
Organs;A01\r
Sense Organs;A01.100\r
Eye; Human;A01.100.050\r
Signals;G02\r
Vision;G02.300\r
Eye; Human;G02.300.200\r
Lens;A01.100.050.700\r
"""
NOUNS = """\
  1 This is a licence, whose lines begin with two blanks.
00000010 03 n 01 animal 0 003 ~ 00000020 n 0000 ~ 00000030 n 0000 + 00000010 v 0101 | lives
00000020 05 n 02 house_cat 0 Felis_catus 0 002 @ 00000010 n 0000 #m 00000030 n 0000 | purrs | loud
00000030 05 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 001 @i 00000010 n 0000 | ten words
"""


def order(*rows: tuple[str, int, str, str]) -> str:
    return "".join(
        f"{i:05} {code:7} {flag} {short:60} {long}\n"
        for i, (code, flag, short, long) in enumerate(rows, 1)
    )


CODES = order(
    ("A00", 0, "Fever", "Fever of all kinds"),
    ("A000", 1, "Fever, mild", "Mild fever"),
    ("T36", 0, "Poison", "Poison"),
    ("T360X1", 0, "Poison, by accident", "Poison, by accident"),
    ("T360X1A", 1, "Poison, first time", ""),
)


def rows(*fields: tuple[object, ...]) -> str:
    return "".join("\t|\t".join(map(str, row)) + "\t|\n" for row in fields)


NODES = rows(
    (1, 1, "no rank", "", 8),
    (9606, 9605, "species", "HS", 5),
    (9605, 2, "genus", "", 5),
    (2, 1, "family", "", 5),
    (10090, 2, "species", "MM", 2),
)
NAMES = rows(
    (1, "all", "", "synonym"),
    (1, "root", "", "scientific name"),
    (9606, "Homo sapiens", "", "scientific name"),
    (9606, "human", "", "genbank common name"),
    (9605, "Homo", "Homo <genus>", "scientific name"),
    (77, "gone", "", "scientific name"),
)
MERGED = rows((12, 9606), (74, 10090))


BLANK = "\n \r\n\t\n"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (TREES, lambda path: read_mesh(path, by="heading")),
        (NODES, read_ncbi),
        (NOUNS, read_wordnet),
        (CODES, read_icd10cm),
    ],
)
def test_blank_lines_and_a_last_ctrl_z_do_not_count(write, text, read) -> None:
    spread = BLANK + text.replace("\n", "\n" + BLANK)
    expected = read(write(text, "a"))
    for blank in (spread, text + "\x1a", text + "\x1a\r\n", text + "\n"):
        assert read(write(blank, "b")) == expected


def test_lines_are_counted_with_those_that_are_blank(write) -> None:
    with pytest.raises(HierarchyError, match="line 5: expected 'heading;tree number', got 'Lens'"):
        read_mesh(write(f"Organs;A01\n{BLANK}Lens\n"), by="number")
    with pytest.raises(HierarchyError, match="line 9: expected 'number code"):
        read_icd10cm(write(f"{CODES}{BLANK}A00\n"))
    nodes = write(NODES, "nodes.dmp")
    for dump, problem in [
        (rows((1, 1, "x")) + BLANK + rows((2, 3, "x")), "line 5: expected a parent in the file"),
        (BLANK + rows((1, 1, "x"), (1, 1, "x")), "line 5: expected each taxon once, got 1"),
        (rows((1, 1, "x")) + BLANK + rows(("a", 3, "x")), "line 5: expected the number"),
        (BLANK + rows((1,)), "line 4: expected 3 fields"),
    ]:
        with pytest.raises(HierarchyError, match=problem):
            read_ncbi(write(dump, "wrong.dmp"))
    with pytest.raises(HierarchyError, match=r"line 5: expected a former taxon .* 13 and 14"):
        read_ncbi(nodes, merged=write(BLANK + rows((12, 9606), (13, 14)), "merged.dmp"))


def test_mesh_by_tree_number(write) -> None:
    found = read_mesh(write(TREES, "mtrees.bin"), by="number")
    assert found.hierarchy.names == (
        "A01", "G02", "A01.100", "G02.300", "A01.100.050", "G02.300.200", "A01.100.050.700",
    )  # fmt: skip
    assert found.hierarchy.kind == "forest"
    assert found.hierarchy.parents("G02.300.200") == ("G02.300",)
    assert found.labels["G02.300.200"] == "Eye; Human"
    assert found.labels["A01.100.050.700"] == "Lens"


def test_mesh_by_heading(write) -> None:
    h = read_mesh(write(gzip.compress(TREES.encode()), "mtrees.bin"), by="heading").hierarchy
    assert h.names == ("Organs", "Signals", "Sense Organs", "Vision", "Eye; Human", "Lens")
    assert h.parents("Eye; Human") == ("Sense Organs", "Vision")
    assert h.ancestors("Lens") == h.names[:-1]
    assert h.index("A01.100.050") == h.index("G02.300.200") == h.index("Eye; Human")


@pytest.mark.parametrize(
    "line",
    ["Lens", "Lens;", ";A02", "Lens;A2", "Lens;A02.", "Lens;A02..1", "Lens;a02", "Lens;A02;1"],
)
def test_malformed_lines_of_mesh(write, line) -> None:
    path = write(f"Organs;A01\n{line}\n", "mtrees.bin")
    with pytest.raises(HierarchyError, match=rf"^{path}, line 2: expected 'heading;tree number'"):
        read_mesh(path, by="number")


def test_mesh_that_is_refused(write) -> None:
    with pytest.raises(HierarchyError, match=r"line 2: expected 'A01' once, got it after line 1"):
        read_mesh(write("Organs;A01\nBones;A01\n"), by="number")
    for by in ("number", "heading"):
        with pytest.raises(HierarchyError, match=r"line 1: expected 'A01\.1', the parent of"):
            read_mesh(write("Eye;A01.1.2\nOrgans;A01\n"), by=by)
    with pytest.raises(HierarchyError, match="at least one heading"):
        read_mesh(write(""), by="number")
    with pytest.raises(ValueError, match="by='number' or by='heading', got 'descriptor'"):
        read_mesh(write(TREES), by="descriptor")


def test_headings_above_themselves(write) -> None:
    lines = "Lung;C01\nFibrosis;C01.1\nScars;C02\nFibrosis;C02.1\nScars;C01.1.1\n"
    assert len(read_mesh(write(lines), by="number").hierarchy) == 5
    with pytest.raises(CycleError, match=r"Fibrosis -> Scars -> Fibrosis|Scars -> Fib.* -> Scars"):
        read_mesh(write(lines), by="heading")
    with pytest.warns(UserWarning, match="Scars -> Fibrosis"):
        h = read_mesh(write(lines), by="heading", on_cycle="drop").hierarchy
    assert h.dropped == (("Scars", "Fibrosis"),)
    with pytest.raises(HierarchyError, match="line 2: expected two headings, got 'Lung' below"):
        read_mesh(write("Lung;C01\nLung;C01.1\n"), by="heading")


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=4), min_size=1))
def test_tree_numbers_are_path_strings(tmp_path_factory, numbers) -> None:
    paths = ["A" + f"{row[0]:02}" + "".join(f".{x:03}" for x in row[1:]) for row in numbers]
    h = Hierarchy.from_paths(paths, sep=".")
    path = tmp_path_factory.mktemp("mesh") / "mtrees.bin"
    path.write_text("".join(f"name of {x};{x}\n" for x in h))
    found = read_mesh(path, by="number")
    assert found.hierarchy == h
    headings = read_mesh(path, by="heading").hierarchy
    assert {(found.labels[c], found.labels[p]) for c, p in h.edges} == set(headings.edges)


def test_ncbi_by_hand(write) -> None:
    nodes, names, merged = write(NODES, "a"), write(NAMES, "b"), write(MERGED, "c")
    found = read_ncbi(nodes, names, merged)
    h = found.hierarchy
    assert h.names == ("1", "2", "9605", "10090", "9606")
    assert set(h.edges) == {("2", "1"), ("9605", "2"), ("10090", "2"), ("9606", "9605")}
    assert h.levels.tolist() == [0, 1, 2, 2, 3]
    assert found.labels == {"1": "root", "9606": "Homo sapiens", "9605": "Homo"}
    assert found.ranks == {
        "1": "no rank", "2": "family", "9605": "genus", "9606": "species", "10090": "species",
    }  # fmt: skip
    assert h.aliases == {"12": "9606", "74": "10090"}
    plain = read_ncbi(nodes)
    assert plain.hierarchy.edges == h.edges
    assert plain.labels == plain.hierarchy.aliases == {}


def test_some_taxa_with_their_ancestors(write) -> None:
    files = write(NODES, "a"), write(NAMES, "b"), write(MERGED, "c")
    found = read_ncbi(*files, taxa=["12", "9605", "12"])
    assert found.hierarchy.names == ("1", "2", "9605", "9606")
    assert found.hierarchy.edges == (("2", "1"), ("9605", "2"), ("9606", "9605"))
    assert found.hierarchy.aliases == {"12": "9606"}
    assert set(found.labels) == {"1", "9605", "9606"}
    assert set(found.ranks) == set(found.hierarchy)
    for taxon in ("13", "09606", "cat", "", "9" * 30):
        with pytest.raises(UnknownClassError, match=f"taxa of the file, got '{taxon}'.*merged"):
            read_ncbi(*files, taxa=["9606", taxon])
    with pytest.raises(UnknownClassError, match="got '12'"):
        read_ncbi(files[0], taxa=["12"])
    for taxa in ("9606", [9606]):
        with pytest.raises(TypeError, match="expected"):
            read_ncbi(files[0], taxa=taxa)
    with pytest.raises(HierarchyError, match="at least one class"):
        read_ncbi(files[0], taxa=[])


@given(forests())
def test_ncbi_against_the_oracle(tmp_path_factory, problem: Problem) -> None:
    path = tmp_path_factory.mktemp("ncbi") / "nodes.dmp"
    up = [min(above, default=i) for i, above in enumerate(problem.parents)]
    path.write_text(rows(*((i + 5, p + 5, "no rank") for i, p in enumerate(up))))
    h = read_ncbi(path).hierarchy
    assert set(h.edges) == {(str(c + 5), str(p + 5)) for c, p in problem.edges}
    assert h.levels.tolist() == sorted(h.levels)
    for i in range(problem.n):
        few = read_ncbi(path, taxa=[str(i + 5)]).hierarchy
        assert set(few) == {str(x + 5) for x in problem.above[i]}
        assert set(few.edges) == {(c, p) for c, p in h.edges if c in few}


def test_ncbi_that_is_refused(write) -> None:
    path = write("", "nodes.dmp")

    def refused(text: str, message: str) -> None:
        path.write_text(text)
        with pytest.raises(HierarchyError, match=rf"^{path}{message}"):
            read_ncbi(path)

    refused("", ": expected at least one taxon")
    refused(rows((1, 1, "no rank")) + "\t|\n", r", line 2: expected 3 fields or more .*, got '\|'")
    refused("1,1,no rank\n", r", line 1: expected 3 fields or more")
    refused(
        rows((1, 1, "x"), ("two", 1, "x")), ", line 2: expected the number of a taxon, got 'two'"
    )
    refused(rows(*[(1, 1, "x"), (2, 1, "x")] * 2), ", line 3: expected each taxon once, got 1")
    refused(rows((1, 1, "x"), (2, 3, "x")), ", line 2: expected a parent in the file, got 3")
    path.write_text(rows((1, 1, "x"), (2, 3, "x"), (3, 2, "x")))
    with pytest.raises(CycleError, match=r"2 -> 3 -> 2|3 -> 2 -> 3"):
        read_ncbi(path)
    with pytest.raises(ValueError, match="expected on_cycle 'raise' or 'drop', got 'keep'"):
        read_ncbi(path, on_cycle="keep")


def test_a_cycle_of_taxa_may_be_dropped(write) -> None:
    dump = rows((4, 3, "d"), (3, 2, "c"), (1, 1, "a"), (2, 3, "b"), (5, 1, "e"))
    files = write(dump, "nodes.dmp"), write(NAMES.replace("9606", "3"), "names.dmp")
    with pytest.raises(CycleError, match=r"2 -> 3 -> 2|3 -> 2 -> 3"):
        read_ncbi(*files)
    with pytest.warns(UserWarning, match=r"dropped 1 edges .*: 2 -> 3$"):
        found = read_ncbi(*files, write(rows((12, 4)), "merged.dmp"), on_cycle="drop")
    h = found.hierarchy
    assert h.names == ("1", "2", "3", "5", "4")
    assert h.dropped == (("2", "3"),)
    assert h.edges == (("3", "2"), ("5", "1"), ("4", "3"))
    assert h.aliases == {"12": "4"}
    assert found.ranks == {"1": "a", "2": "b", "3": "c", "4": "d", "5": "e"}
    assert found.labels == {"1": "root", "3": "Homo sapiens"}
    with pytest.warns(UserWarning, match="2 -> 3"):
        few = read_ncbi(*files, taxa=["4"], on_cycle="drop")
    assert few.hierarchy.names == ("2", "3", "4")


def test_files_of_two_releases(write) -> None:
    nodes = write(NODES, "nodes.dmp")
    for row in [(12, 13), (9606, 9605)]:
        merged = write(rows((74, 10090), row), "merged.dmp")
        with pytest.raises(HierarchyError, match=rf"line 2: .* former taxon .*, got {row[0]} and"):
            read_ncbi(nodes, merged=merged)
    with pytest.raises(
        HierarchyError, match=r"merged\.dmp, line 1: expected the number of a taxon"
    ):
        read_ncbi(nodes, merged=write(rows(("a", 1)), "merged.dmp"))
    for other in (NODES, ""):
        path = write(other, "wrong.dmp")
        with pytest.raises(HierarchyError, match=rf"^{path}: .* scientific name, got none; is it"):
            read_ncbi(nodes, names=path)
    with pytest.raises(HierarchyError, match=r"nodes\.dmp, line 1: expected 4 fields or more"):
        read_ncbi(nodes, names=write(rows((1, 1, "no rank")), "nodes.dmp"))
    assert (
        read_ncbi(write(NODES, "nodes.dmp"), merged=write("", "merged.dmp")).hierarchy.aliases == {}
    )


def test_a_former_taxon_has_one_target(write) -> None:
    merged = write(rows((12, 9606), (74, 10090), (12, 9605)), "merged.dmp")
    with pytest.raises(HierarchyError, match=r"merged\.dmp, line 3: .* once, got 12 again; drop"):
        read_ncbi(write(NODES, "nodes.dmp"), merged=merged)


def test_wordnet_by_hand(write) -> None:
    found = read_wordnet(write(NOUNS, "data.noun"))
    assert found.hierarchy.names == ("n00000010", "n00000020", "n00000030")
    assert found.hierarchy.edges == (("n00000020", "n00000010"), ("n00000030", "n00000010"))
    assert found.labels["n00000020"] == "house cat, Felis catus"
    assert found.labels["n00000030"] == "a, b, c, d, e, f, g, h, i, j"
    kinds = read_wordnet(write(NOUNS, "data.noun"), ["@"]).hierarchy
    assert kinds.edges == (("n00000020", "n00000010"),)


def test_a_synset_after_blanks_is_none_of_the_licence(write) -> None:
    indented = NOUNS.replace("00000030 05", "  00000030 05")
    assert read_wordnet(write(indented, "a")) == read_wordnet(write(NOUNS, "b"))


@pytest.mark.parametrize(
    "line",
    [
        "n01 n02",
        "  2 a licence",
        "animal n 1 4 @ ~ + ; 1 1 00015388",
        "dog n 7 5 @ ~ #m #p %p 7 1 02084071 10114209 10023039 09886220 07676602 03901548",
        "00000040 00 a 01 able 0 000 | gloss",
        "00000040 03 n 0z cat 0 000 | gloss",
        "00000040 03 n 02 cat 0 000 | gloss",
        "00000040 03 n 01 cat 0 two | gloss",
        "00000040 03 n 01 cat 0 002 @ 00000010 n 0000 | gloss",
    ],
)
def test_malformed_lines_of_wordnet(write, line) -> None:
    with pytest.raises(HierarchyError, match=r"data\.noun, line 5: expected a synset"):
        read_wordnet(write(f"{NOUNS}{line}\n", "data.noun"))


def test_wordnet_that_is_refused(write) -> None:
    again = "00000020 05 n 01 dog 0 001 @ 00000010 n 0000 | barks\n"
    with pytest.raises(
        HierarchyError, match="line 5: expected 'n00000020' once, got it after line 3"
    ):
        read_wordnet(write(NOUNS + again, "data.noun"))
    with pytest.raises(HierarchyError, match="expected at least one synset"):
        read_wordnet(write("  licence\n", "data.noun"))
    lines = (
        "{:08} 29 v 01 a 0 001 @ {:08} v 0000 | x\n".format(*pair) for pair in [(1, 2), (2, 1)]
    )
    with pytest.raises(CycleError):
        read_wordnet(write("".join(lines), "data.verb"))
    for offset, problem in [
        (99, "expected 'n00000099', the parent of 'n00000010', got none; add its line"),
        (10, "expected two synsets, got 'n00000010' above itself; mend the line"),
    ]:
        path = write(f"  x\n00000010 03 n 01 a 0 001 @ {offset:08} n 0000 | x\n", "data.noun")
        with pytest.raises(HierarchyError, match=rf"^{path}, line 2: {problem}"):
            read_wordnet(path)


def test_pointers_of_wordnet_are_checked(write) -> None:
    path = write(NOUNS, "data.noun")
    assert read_wordnet(path, iter(["@", "@i"])).hierarchy == read_wordnet(path).hierarchy
    with pytest.raises(TypeError, match=r"collection of pointers, got a string; write \['@i'\]"):
        read_wordnet(path, "@i")
    for relations, got in [(["@", "~"], "'~'"), (["hypernym"], "'hypernym'"), ([], "none")]:
        with pytest.raises(ValueError, match=f"expected pointers among '@' and '@i', got {got}"):
            read_wordnet(path, relations)


def test_icd10cm_by_hand(write) -> None:
    found = read_icd10cm(write(CODES, "order.txt"))
    h = found.hierarchy
    assert h.names == ("A00", "T36", "A000", "T360X1", "T360X1A")
    assert h.edges == (("A000", "A00"), ("T360X1", "T36"), ("T360X1A", "T360X1"))
    assert h.aliases == {"A00.0": "A000", "T36.0X1": "T360X1", "T36.0X1A": "T360X1A"}
    assert found.labels["A00"] == "Fever of all kinds"
    assert found.labels["T360X1A"] == "Poison, first time"
    assert found.ranks["T360X1"] == "header"
    assert found.ranks["T360X1A"] == "code"


def test_blocks_may_be_added_to_categories(write) -> None:
    h = read_icd10cm(write(CODES, "order.txt")).hierarchy
    blocks = [("A00", "A00-A09"), ("A00-A09", "I")]
    whole = Hierarchy.from_edges([*h.edges, *blocks], names=[*h.names, "A00-A09", "I"])
    assert whole.with_aliases(h.aliases).ancestors("A00.0") == ("A00", "A00-A09", "I")


@pytest.mark.parametrize(
    "line",
    [
        "A00 Fever",
        "00001 A0      1 Fever",
        "00001 A00     x Fever",
        "00001 A00 0   1 Fever",
        "00001 A000   X1 Fever",
    ],
)
def test_malformed_lines_of_icd10cm(write, line) -> None:
    with pytest.raises(HierarchyError, match=r"order\.txt, line 6: expected 'number code"):
        read_icd10cm(write(f"{CODES}{line}\n", "order.txt"))


def test_icd10cm_that_is_refused(write) -> None:
    with pytest.raises(HierarchyError, match=r"line 1: expected the category 'B01' of 'B0123'"):
        read_icd10cm(write(order(("B0123", 1, "x", "y"), ("B02", 0, "x", "y"))))
    with pytest.raises(HierarchyError, match=r"line 2: expected 'A00' once, got it after line 1"):
        read_icd10cm(write(order(("A00", 0, "x", "y"), ("A00", 1, "x", "y"))))
    with pytest.raises(HierarchyError, match="expected at least one code"):
        read_icd10cm(write(""))
