"""The recipes of the documentation, on real files where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import DATA

from hierloss import Hierarchy
from hierloss_adapters.arff import read_arff
from hierloss_adapters.graph import from_networkx, read_edges, read_paths, to_networkx, write_edges
from hierloss_adapters.obo import read_obo
from hierloss_adapters.taxonomies import read_mesh, read_ncbi

SLIM = DATA / "ontologies" / "goslim_generic.obo.gz"
TREES = {
    "cellcycle_FUN.test": ("/", 499),
    "Enron_corr_test": ("/", 56),
    "ImCLEF07A_Test": ("/", 96),
    "Diatoms_test": ("/", 398),
}

# In the shape of HPO and MONDO: modifiers with quotes, clauses that no hierarchy needs, obsolete
# terms without a name for what replaced them, and a parent in another ontology.
PHENOTYPES = """\
format-version: 1.2
data-version: hp/releases/2026-01-01
saved-by: nobody
subsetdef: hposlim_core "Core clinical terminology"
default-namespace: human_phenotype
ontology: hp

[Term]
id: HP:0000001
name: All
comment: Root of all terms.
xref: UMLS:C0444868

[Term]
id: HP:0000118
name: Any sign
alt_id: HP:0001003
synonym: "A sign {of any kind}" EXACT layperson [ORCID:0000-0000]
is_a: HP:0000001 {source="DOID:4", source="a ! b"} ! All

[Term]
id: HP:0000002
name: Sign of the eye
def: "One line, \\"quoted\\"." [HPO:probinson]
property_value: http://purl.org/dc/terms/date "2008-02-27T02:20:00Z" xsd:dateTime
relationship: disease_has_location UBERON:0000970 {source="x"} ! eye
is_a: HP:0000118 ! Any sign
created_by: nobody
creation_date: 2008-02-27T02:20:00Z

[Term]
id: HP:0000003
name: Sign of the lens
is_a: HP:0000002 ! Sign of the eye
is_a: BFO:0000016 ! disposition

[Term]
id: HP:0000057
name: obsolete Sign
is_obsolete: true
replaced_by: HP:0000002

[Typedef]
id: disease_has_location
name: disease has location
is_transitive: true
"""


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"{path.name} is not in HIERLOSS_DATA")


@pytest.fixture(params=TREES)
def tree(request) -> tuple[Hierarchy, str]:
    path = DATA / "hmc" / f"{request.param}.arff.gz"
    if not path.exists():
        pytest.skip(f"{path.name} is not in HIERLOSS_DATA")
    return read_arff(path).hierarchy, request.param


def test_phenotypes(write) -> None:
    found = read_obo(write(PHENOTYPES, "hp.obo"), on_dangling="drop")
    h = found.hierarchy
    assert h.names == ("HP:0000001", "HP:0000118", "HP:0000002", "HP:0000003")
    assert h.ancestors("HP:0000003") == h.names[:3]
    assert h.aliases == {"HP:0000057": "HP:0000002", "HP:0001003": "HP:0000118"}
    assert len(found.dropped) == 1
    assert "'BFO:0000016', which is not in the file" in found.dropped[0]


def test_paths_of_real_files(tree, tmp_path) -> None:
    h, name = tree
    sep, n = TREES[name]
    assert len(h) == n
    assert h.kind == "forest"
    path = tmp_path / "paths.txt"
    path.write_text("".join(f"{leaf}\n" for leaf in h.leaves))
    found = read_paths(path, sep=sep)
    assert set(found) == set(h)
    assert set(found.edges) == set(h.edges)


def test_levels_of_real_files_in_columns(tree) -> None:
    pd = pytest.importorskip("pandas", reason='pandas is missing; pip install "hierloss[pandas]"')
    from hierloss_adapters.pandas import from_frame, from_path_columns, to_frame, to_paths

    h, name = tree
    sep, _ = TREES[name]
    frame = pd.Series(h.names).str.split(sep, expand=True)
    assert to_paths(frame, list(frame), sep=sep).tolist() == list(h)
    assert set(from_path_columns(frame, list(frame), sep=sep).edges) == set(h.edges)
    assert from_frame(to_frame(h), names=h.names) == h


def test_real_paths_as_tree_numbers(tree, tmp_path) -> None:
    h, _ = tree
    number = {root: f"A{i:02}" for i, root in enumerate(h.roots)}
    for x in h:
        number.update((child, f"{number[x]}.{i:03}") for i, child in enumerate(h.children(x)))
    path = tmp_path / "mtrees.bin"
    path.write_text("".join(f"{name};{code}\r\n" for name, code in number.items()))
    by_number = read_mesh(path, by="number")
    assert {
        (by_number.labels[c], by_number.labels[p]) for c, p in by_number.hierarchy.edges
    } == set(h.edges)
    assert set(read_mesh(path, by="heading").hierarchy.edges) == set(h.edges)


def test_a_real_tree_as_a_dump_of_taxa(tree, tmp_path) -> None:
    h, _ = tree
    taxa = [(i + 2, h.index(p) + 2) for i, x in enumerate(h) for p in h.parents(x)]
    taxa += [(1, 1), *((h.index(x) + 2, 1) for x in h.roots)]
    path = tmp_path / "nodes.dmp"
    path.write_text("".join(f"{c}\t|\t{p}\t|\tno rank\t|\t\t|\n" for c, p in taxa))
    found = read_ncbi(path).hierarchy
    assert found.roots == ("1",)
    assert found.depth == h.depth + 1
    assert {(c, p) for c, p in found.edges if p != "1"} == {
        (str(h.index(c) + 2), str(h.index(p) + 2)) for c, p in h.edges
    }


@needs(SLIM)
def test_a_real_ontology_goes_through_every_table(tmp_path) -> None:
    ontology = read_obo(SLIM)
    h = ontology.hierarchy
    graph = to_networkx(h, nodes={x: {"name": label} for x, label in ontology.labels.items()})
    assert {x: data["name"] for x, data in graph.nodes.items()} == ontology.labels
    assert from_networkx(graph, direction="child_to_parent") == Hierarchy.from_edges(
        h.edges, h.names
    )
    path = tmp_path / "is_a.txt"
    path.write_text("".join(f"{parent} {child}\n" for child, parent in h.edges))
    assert set(read_edges(path, columns=("parent", "child"), delimiter=" ").edges) == set(h.edges)
    write_edges(h, tmp_path / "go.tsv")
    assert set(read_edges(tmp_path / "go.tsv").edges) == set(h.edges)


@needs(SLIM)
def test_annotations_of_a_long_table() -> None:
    pd = pytest.importorskip("pandas", reason='pandas is missing; pip install "hierloss[pandas]"')
    h = read_obo(SLIM).hierarchy
    leaf, other = h.leaves[:2]
    table = pd.DataFrame({"gene": ["b", "a", "b"], "term": [leaf, leaf, other]})
    target = h.encode(table.groupby("gene", sort=False)["term"].agg(list))
    assert torch.equal(target, h.encode([[leaf, other], [leaf]]))


@pytest.mark.slow
def test_the_gene_ontology_goes_through_a_frame(go: Hierarchy) -> None:
    pytest.importorskip("pandas", reason='pandas is missing; pip install "hierloss[pandas]"')
    from hierloss_adapters.pandas import from_frame, from_wide, to_class_frame, to_frame, to_wide

    assert from_frame(to_frame(go), names=go.names).edges == go.edges
    frame = to_class_frame(go)
    assert frame.loc["GO:0008150", "n_descendants"] == 28_428
    values = torch.rand(2, len(go))
    assert torch.equal(from_wide(to_wide(values, go)[sorted(go)], go), values)
