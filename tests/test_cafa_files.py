"""Files of CAFA: predictions and weights, written and read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import strategies as hl
from hierloss import MCM, Hierarchy, HierarchyError, UnknownClassError, _rows
from hierloss.accretion import information_accretion
from hierloss_adapters.cafa import read_accretion, read_cafa, write_accretion, write_cafa
from oracles import mcm

H = Hierarchy.from_edges(
    [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c")], names=list("abcd")
).with_aliases({"old": "b", "older": "b"})
SCORES = torch.tensor([[0.9, 0.51249, 0.7, 0.00045], [1.0, 0.0, 0.0, 0.0]])


def test_known_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    write_cafa(path, ["P1", "P2"], SCORES, H)
    assert path.read_bytes() == b"P1\ta\t0.900\nP1\tc\t0.700\nP1\tb\t0.512\nP2\ta\t1.000\n"
    write_cafa(path, ["P1", "P2"], SCORES, H, decimals=4, threshold=0.6)
    assert path.read_text() == "P1\ta\t0.9000\nP1\tc\t0.7000\nP2\ta\t1.0000\n"
    write_cafa(path, ["P1", "P2"], SCORES, H, decimals=1, limit=2)
    assert path.read_text() == "P1\ta\t0.9\nP1\tc\t0.7\nP2\ta\t1.0\n"
    assert [x.name for x in tmp_path.iterdir()] == ["x.tsv"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("threshold", [0.1, 0.7])
def test_a_score_at_the_threshold_is_written(tmp_path: Path, dtype, threshold: float) -> None:
    path = tmp_path / "x.tsv"
    score = torch.tensor([[1.0, threshold, 0.05, 0.05]], dtype=dtype)
    write_cafa(path, ["P"], score, H, threshold=threshold, decimals=1)
    assert path.read_text() == f"P\ta\t1.0\nP\tb\t{threshold}\n"


@pytest.mark.parametrize("threshold", [-0.1, 1.5, math.nan])
def test_a_threshold_is_a_probability(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(ValueError, match=f"expected a threshold from 0 to 1, got {threshold}"):
        write_cafa(tmp_path / "x.tsv", ["P1", "P2"], SCORES, H, threshold=threshold)


def test_scores_may_be_arrays(tmp_path: Path) -> None:
    scores = torch.tensor([[0.9, 0.5, 0.25], [0.5, 0.0, 0.5]])
    h = Hierarchy.from_paths(["a/b", "a/c"])
    texts = set()
    for found in (scores, scores.numpy(), [scores.numpy()[:1], scores[1:]]):
        write_cafa(tmp_path / "p.tsv", ["P1", "P2"], found, h)
        texts.add((tmp_path / "p.tsv").read_text())
    assert len(texts) == 1


def test_the_header_of_the_first_cafas(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_cafa(path, ["P1"], SCORES[:1], H, author="team", model=2, keywords=["homolog", "operon"])
    lines = ["AUTHOR team", "MODEL 2", "KEYWORDS homolog, operon.", "P1\ta\t0.90"]
    assert path.read_text() == "\n".join([*lines, "P1\tc\t0.70", "P1\tb\t0.51", "END", ""])
    found = read_cafa(path, H)
    assert found.header == {"AUTHOR": "team", "MODEL": "2", "KEYWORDS": "homolog, operon."}
    assert_close(found.scores, torch.tensor([[0.9, 0.51, 0.7, 0.0]]))
    write_cafa(path, [], SCORES[:0], H, author="team")
    assert path.read_text() == "AUTHOR team\nMODEL 1\nEND\n"


def test_ties_at_the_limit_keep_ancestors(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    chain = Hierarchy.from_edges([("z", "m"), ("m", "k"), ("y", "m")], names=["z", "y", "m", "k"])
    write_cafa(path, ["P"], torch.full((1, 4), 0.5), chain, limit=2)
    assert path.read_text() == "P\tk\t0.500\nP\tm\t0.500\n"


def test_what_a_file_says(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(
        "P2 a 0.5\n\nP2\told\t0.25\nP2  b  0.75\r\nP1 d 1\nP1 d 0.0\nP1 Text 0.9 binds DNA\n"
        "P3 a 0\n"
    )
    found = read_cafa(path, H)
    assert found.subjects == ("P2", "P1", "P3")
    assert found.scores.dtype == torch.float32
    assert found.scores.tolist() == [[0.5, 0.75, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert (found.repeated, found.texts, found.elsewhere, found.unknown) == (2, 1, 0, {})
    assert found.violations == 3  # b above a, d above b and c
    assert found.header == {}
    sparse = read_cafa(path, H, sparse=True)
    assert sparse.scores.layout == torch.sparse_coo
    assert torch.equal(sparse.scores.to_dense(), found.scores)
    assert sparse[2:] == found[2:]


def test_subjects_that_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("P2 a 0.5\nP1 a 0.25\nP9 a 1\nP9 x 1\n")
    found = read_cafa(path, H, subjects=["P1", "P0", "P2"])
    assert found.subjects == ("P1", "P0", "P2")
    assert found.scores[:, 0].tolist() == [0.25, 0, 0.5]
    assert (found.elsewhere, found.unknown) == (2, {})


def test_unknown_terms_are_named_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("P1 x 0.5\nP2 x 0.5\nP2 a 0.5\nP2 y 0.1\n")
    with pytest.raises(UnknownClassError, match=r"predictions .* got 3 of 2 others: x \(2\), y;"):
        read_cafa(path, H)
    found = read_cafa(path, H, on_unknown="drop")
    assert found.unknown == {"x": 2, "y": 1}
    assert found.scores.tolist() == [[0, 0, 0, 0], [0.5, 0, 0, 0]]
    with pytest.raises(ValueError, match="on_unknown 'raise' or 'drop', got 'skip'"):
        read_cafa(path, H, on_unknown="skip")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("P a 0.5\nP b", 2, "expected a subject, a term and a score, got 2 cells"),
        ("P a 0.5 x\n", 1, "got 4 cells"),
        ("P a 1.5", 1, "expected a score from 0 to 1, got '1.5'"),
        ("P a -0.1", 1, "got '-0.1'"),
        ("P a nan", 1, "got 'nan'"),
        ("P a 0_1", 1, "got '0_1'"),
        ("P a \u0660.\u0665", 1, "expected a score from 0 to 1"),
        ("EntryID term score", 1, "got 'score'"),
        ("AUTHOR x\nMODEL 1\nP a 1\nMODEL 2\nP a 1\nEND", 4, "expected one model, got another"),
        ("AUTHOR x\nMODEL 1\nP a 1\nEND\nP b 1", 5, "nothing after END, got 'P b 1'"),
        ("AUTHOR x\nMODEL 1\nP a 1\n", 3, "expected END, as the file has a header"),
    ],
)
def test_malformed_lines(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(text)
    with pytest.raises(HierarchyError, match=f"x.tsv, line {line}: .*{message}"):
        read_cafa(path, H)


@pytest.mark.parametrize(
    ("text", "score"), [("1", 1), ("+0.5", 0.5), (".5", 0.5), ("1.", 1), ("5e-1", 0.5), ("1E0", 1)]
)
def test_decimal_numbers(tmp_path: Path, text: str, score: float) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(f"P a {text}\n")
    assert read_cafa(path, H).scores[0, 0] == score


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("")
    found = read_cafa(path, H)
    assert (found.subjects, tuple(found.scores.shape), found.violations) == ((), (0, 4), 0)
    assert read_cafa(path, H, subjects=["P"]).scores.tolist() == [[0, 0, 0, 0]]


@st.composite
def coherent(draw: st.DrawFn) -> tuple[Hierarchy, Tensor]:
    p = draw(hl.hierarchies())
    values = st.one_of(
        st.floats(0, 1, width=32), st.sampled_from([0.0, 0.0005, 0.0015, 0.4995, 0.9995, 1.0])
    )
    row = st.lists(values, min_size=p.n, max_size=p.n)
    rows = draw(st.lists(row.map(lambda scores: mcm(p, scores)), min_size=1, max_size=4))
    return p.hierarchy, torch.tensor(rows, dtype=torch.float64)


@given(
    data=coherent(),
    decimals=st.integers(1, 5),
    limit=st.one_of(st.none(), st.integers(1, 6)),
    threshold=st.sampled_from([0.0, 0.3, 0.5]),
    suffix=st.sampled_from(["", ".gz", ".bz2", ".xz"]),
)
def test_round_trip(tmp_path_factory, data, decimals: int, limit, threshold, suffix: str) -> None:
    h, scores = data
    path = tmp_path_factory.mktemp("cafa") / f"x.tsv{suffix}"
    names = [f"P{i}" for i in range(len(scores))]
    options = {"decimals": decimals, "limit": limit, "threshold": threshold}
    write_cafa(path, names, scores, h, **options)
    found = read_cafa(path, h, subjects=names)
    assert found.violations == 0
    assert h.is_coherent(found.scores)
    for row, before in zip(found.scores.tolist(), scores.tolist(), strict=True):
        rounded = [float(f"{x:.{decimals}f}") * (x >= threshold) for x in before]
        kept = sum(x > 0 for x in rounded)
        assert sum(x > 0 for x in row) == (kept if limit is None else min(kept, limit))
        cut = [before[i] for i in range(len(h)) if row[i] == 0 < rounded[i]]
        left = [before[i] for i in range(len(h)) if row[i] > 0]
        assert not cut or max(cut) <= min(left)
        for a, b in zip(row, rounded, strict=True):
            assert a == 0 or math.isclose(a, b, rel_tol=1e-6)
    again = path.with_name("again.tsv")
    write_cafa(again, names, found.scores.to_sparse(), h, **(options | {"threshold": 0.0}))
    assert torch.equal(read_cafa(again, h, subjects=names).scores, found.scores)


def test_batches_blocks_and_types_do_not_matter(tmp_path: Path, monkeypatch) -> None:
    names = ["P1", "P2"]
    write_cafa(tmp_path / "a", names, SCORES, H)
    expected = (tmp_path / "a").read_bytes()
    monkeypatch.setattr(_rows, "BLOCK", 1)
    for same in (SCORES, SCORES.double(), SCORES.requires_grad_(), (x[None] for x in SCORES)):
        write_cafa(tmp_path / "b", names, same, H)
        assert (tmp_path / "b").read_bytes() == expected
    assert read_cafa(tmp_path / "b", H).violations == 0


@pytest.mark.parametrize(
    ("suffix", "decompress"),
    [(".gz", gzip.decompress), (".bz2", bz2.decompress), (".xz", lzma.decompress)],
)
def test_files_are_compressed_as_they_are_called(tmp_path: Path, suffix: str, decompress) -> None:
    path = tmp_path / f"x.tsv{suffix}"
    write_cafa(path, ["P"], SCORES[1:], H)
    assert decompress(path.read_bytes()) == b"P\ta\t1.000\n"


def test_wrong_input_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    broken = torch.tensor([[0.5, 0.6, 0.0, 0.0]])
    for scores, message in (
        (broken, r"coherent scores, got a child above its parent; MCM\(hierarchy\)"),
        (SCORES[:1] - 1, "scores from 0 to 1, got others; for logits take sigmoid"),
        (SCORES[:1] * torch.nan, "scores from 0 to 1"),
        (SCORES, "scores of 1 subjects, got 2 rows"),
        (SCORES[:0], "scores of 1 subjects, got 0 rows"),
        (SCORES[:, :3], "the 4 classes of the hierarchy"),
    ):
        with pytest.raises(ValueError, match=message):
            write_cafa(path, ["P1"], scores, H)
        with pytest.raises(ValueError, match=message):
            write_cafa(path, ["P1"], iter([scores]), H)
    write_cafa(path, ["P1"], MCM(H)(broken), H)
    path.unlink()
    for name in ("P 1", "", "P\n", "END", "AUTHOR"):
        with pytest.raises(ValueError, match="expected a subject that is one word"):
            write_cafa(path, [name], SCORES[:1], H)
    blanks = Hierarchy.from_paths(["a b"])
    with pytest.raises(ValueError, match=r"expected a class that is one word, .* got 'a b'"):
        write_cafa(path, ["P1"], torch.ones(1, 1), blanks)
    with pytest.raises(ValueError, match="an author that is one word"):
        write_cafa(path, ["P1"], SCORES[:1], H, author="my team")
    with pytest.raises(ValueError, match="an author with keywords"):
        write_cafa(path, ["P1"], SCORES[:1], H, keywords=["homolog"])
    with pytest.raises(TypeError, match=r"keywords, got a string; write \['homolog'\]"):
        write_cafa(path, ["P1"], SCORES[:1], H, author="me", keywords="homolog")
    with pytest.raises(ValueError, match="decimals and limit of at least 1, got 0 and 1500"):
        write_cafa(path, ["P1"], SCORES[:1], H, decimals=0)
    assert list(tmp_path.iterdir()) == []


@given(data=st.data())
def test_weights_come_back_as_they_were(tmp_path_factory, data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    weights = information_accretion(data.draw(hl.targets(p, 5)), p.hierarchy)
    path = tmp_path_factory.mktemp("cafa") / "IA.txt.gz"
    write_accretion(path, weights, p.hierarchy)
    assert torch.equal(read_accretion(path, p.hierarchy), weights)


def test_weights_of_another_release(tmp_path: Path) -> None:
    path = tmp_path / "IA.txt"
    path.write_text("a\t-0.0\nold\t2.5\nx\t9\n\nd 1e-1\n")
    with pytest.raises(UnknownClassError, match=r"pass default= .* one is 'c'"):
        read_accretion(path, H)
    found = read_accretion(path, H, default=0.5)
    assert found.tolist() == [0.0, 2.5, 0.5, 0.1]
    assert not found.signbit().any()
    path.write_text("a 0\nold 2\nolder 2\nc 0\nd 0\n")
    assert read_accretion(path, H)[1] == 2
    path.write_text("a 0\nold 2\nolder 3\nc 0\nd 0\n")
    with pytest.raises(HierarchyError, match="one number for 'b', got several"):
        read_accretion(path, H)
    path.write_text("a 0\nold 2\nolder 3\nb 1\nc 0\nd 0\n")
    assert read_accretion(path, H)[1] == 1


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("term\tia\n", 1, "a term and a number of at least 0, got 'term.*ia'"),
        ("a 1\nb -1", 2, "got 'b -1'"),
        ("a 1\nb inf", 2, "got 'b inf'"),
        ("a 1\nb nan", 2, "got 'b nan'"),
        ("a 1\nb 1_0", 2, "got 'b 1_0'"),
        ("a 1 2", 1, "got 'a 1 2'"),
        ("a 1\na 1", 2, "each term once, got 'a' again"),
    ],
)
def test_malformed_weights(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "IA.txt"
    path.write_text(text)
    with pytest.raises(HierarchyError, match=f"IA.txt, line {line}: .*{message}"):
        read_accretion(path, H)


def test_weights_that_are_none_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"information accretion of shape \(4,\), got \(3,\)"):
        write_accretion(tmp_path / "x", torch.zeros(3), H)
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="of at least 0, got less, NaN or infinity"):
            write_accretion(tmp_path / "x", torch.tensor([0, 0, 0, wrong]), H)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_gene_ontology(go: Hierarchy, tmp_path: Path) -> None:
    scores = MCM(go)(torch.rand(20, len(go), generator=torch.Generator().manual_seed(5)) ** 8)
    names = [f"P{i}" for i in range(20)]
    write_cafa(tmp_path / "x.tsv.gz", names, scores, go)
    found = read_cafa(tmp_path / "x.tsv.gz", go, sparse=True)
    assert found.subjects == tuple(names)
    assert found.violations == 0
    assert found.scores.to_dense().count_nonzero(1).tolist() == [1500] * 20
