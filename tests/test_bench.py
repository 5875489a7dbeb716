"""What the benchmark suite measures is what it says. No test is about speed."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import DATA
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

import hierloss.functional as HF
from hierloss import Hierarchy
from hierloss.bench import cases, growth, rivals, rows, suite, timing
from hierloss.bench.timing import Timing
from strategies import distinct_scores, hierarchies, targets

CPU = torch.device("cpu")


@pytest.mark.parametrize(("n", "edges", "depth"), [(499, 481, 5), (1000, 2000, 15), (60, 300, 3)])
def test_synthetic_hierarchies_have_the_size_asked_for(n: int, edges: int, depth: int) -> None:
    h = cases.synthetic(n, edges, depth)
    assert (len(h), h.edge_index.shape[1], h.depth) == (n, edges, depth)
    assert len(h.roots) == max(1, n - edges)
    assert np.all(np.diff(h.levels) >= 0)
    assert h == cases.synthetic(n, edges, depth)
    assert h != cases.synthetic(n, edges, depth, seed=1)


@pytest.mark.parametrize(("n", "edges"), [(10, 9), (100, 10_000)])
def test_impossible_hierarchies_are_refused(n: int, edges: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        cases.synthetic(n, edges)


@pytest.mark.parametrize("name", cases.CASES)
def test_synthetic_cases_have_the_size_of_the_real_ones(name: str, request) -> None:
    case = cases.CASES[name]
    if not cases.has_file(case, DATA):
        pytest.skip(f"{case.file} is not in {DATA}; set HIERLOSS_DATA to where it is")
    real = request.getfixturevalue("go") if name == "go" else cases.load(case, DATA)
    for h in (real, cases.load(case, Path("nowhere"))):
        assert (len(h), h.edge_index.shape[1], h.depth) == (case.classes, case.edges, case.depth)


@pytest.mark.parametrize(
    ("read", "values", "edges"),
    [
        (cases.read_tree, "01,01/02,01/02/03", (("01/02", "01"), ("01/02/03", "01/02"))),
        (cases.read_dag, "root/a,root/b,a/c,b/c", None),
    ],
)
def test_class_lines_are_read(read, values, edges, tmp_path: Path) -> None:
    path = tmp_path / "x.arff.gz"
    path.write_bytes(
        gzip.compress(f"@RELATION x\n@ATTRIBUTE class  hierarchical {values}\n".encode())
    )
    h = read(path)
    assert h.edges == (edges or (("a", "root"), ("b", "root"), ("c", "a"), ("c", "b")))
    path.write_bytes(gzip.compress(b"@ATTRIBUTE class numeric\n"))
    with pytest.raises(ValueError, match=r"got none in x\.arff\.gz"):
        read(path)


@given(p=hierarchies(), data=st.data())
def test_rivals_compute_what_we_do(p, data) -> None:
    h = p.hierarchy
    pairs = {(a, b) for a in range(p.n) for b in p.below[a]}
    assert rivals.closure(h).T.tolist() == sorted(map(list, pairs))
    scores = data.draw(distinct_scores(p.n)).float()
    y = data.draw(targets(p)).float()
    assert torch.equal(rivals.sparse_mcm(rivals.sparse_matrix(h), scores), HF.mcm(scores, h))
    matrix, probabilities = rivals.dense_matrix(h), scores.sigmoid()
    assert torch.equal(rivals.dense_mcm(matrix, probabilities), HF.mcm(probabilities, h))
    ours = HF.mc_loss(probabilities, y, h, from_logits=False)
    assert_close(rivals.dense_loss(matrix, probabilities, y), ours)


def test_every_row_that_can_be_measured_agrees_with_the_reference() -> None:
    h = cases.synthetic(60, 120, 4)
    logits, target = cases.batch(h, 8, CPU)
    assert h.is_coherent(target)
    for row in rows.rows(CPU, None):
        if not row.missing:
            assert not rows.wrong(row, h, logits, target)
            rows.step(row.make(h, CPU), logits, target)
            assert logits.grad is not None
            assert logits.grad.any()


def test_wrong_numbers_are_found() -> None:
    h = Hierarchy.from_paths(["a/b", "a/c"])
    row = rows.Row("half of it", lambda h, d: lambda x, y: x, rows.of_mcm)
    logits, target = torch.tensor([[1.0, 2.0, 0.0], [3.0, 2.0, 0.0]]), torch.zeros(2, 3)
    assert rows.wrong(row, h, logits, target) == pytest.approx(1 / 6)


def test_torch_sparse_is_asked_for_the_maximum(monkeypatch) -> None:
    class Fake:
        def __init__(self, row, col, sparse_sizes, is_sorted) -> None:
            self.matrix = torch.zeros(sparse_sizes)
            self.matrix[row, col] = 1

        def to(self, device: torch.device) -> Fake:
            return self

    def matmul(src: Fake, other: torch.Tensor, reduce: str) -> torch.Tensor:
        assert reduce == "max"
        return torch.where(src.matrix.bool()[:, :, None], other, -torch.inf).amax(1)

    monkeypatch.setitem(
        sys.modules, "torch_sparse", SimpleNamespace(SparseTensor=Fake, matmul=matmul)
    )
    h = cases.synthetic(20, 30, 3)
    scores = torch.randn(4, 20)
    assert torch.equal(rivals.torch_sparse_mcm(h, CPU)(scores), HF.mcm(scores, h))


def test_hmc_torch_is_loaded_from_its_folder_alone(tmp_path: Path) -> None:
    assert rivals.hmc_torch_version(None) == rivals.hmc_torch_version(tmp_path) == ""
    module = tmp_path / rivals.RECONCILER
    module.parent.mkdir(parents=True)
    (tmp_path / "hmc" / "__init__.py").write_text("raise ImportError('lightning')")
    module.write_text(
        "class BlockDiagonalR:\n"
        "    def __init__(self, graph, device, columns):\n"
        "        self.edges = [(columns[c], columns[p]) for c, p in graph.edges]\n"
        "    def reconcile(self, scores):\n"
        "        scores = scores.clone()\n"
        "        for c, p in self.edges:\n"
        "            scores[:, p] = scores[:, [c, p]].amax(1)\n"
        "        return scores\n"
    )
    assert rivals.hmc_torch_version(tmp_path) == "unknown"
    info = tmp_path / "hmc_torch-0.0.11.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hmc-torch\nVersion: 0.0.11\n")
    assert rivals.hmc_torch_version(tmp_path) == "0.0.11"
    h = Hierarchy.from_paths(["a/b", "a/c"])
    scores = torch.tensor([[0.1, 0.2, 0.3]])
    assert rivals.hmc_torch_mcm(h, CPU, tmp_path)(scores).tolist() == HF.mcm(scores, h).tolist()


def test_times_are_medians_of_rounds(monkeypatch) -> None:
    times = iter([9.0, 9.0, 1.0, 2.0, 6.0, 2.0, 2.0, 4.0])  # the first round does not count
    monkeypatch.setattr(timing, "seconds", lambda run, device: next(times))
    found = timing.paired(lambda: None, lambda: None, timing.Effort(0.0, 3, 3), CPU)
    assert found == Timing(seconds=2.0, bce=2.0, ratio=0.5, low=0.5, high=1.75, rounds=3)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7])
def test_the_exponent_of_a_power_law_is_its_power(power: float) -> None:
    work = [10, 1000, 50_000]
    assert growth.exponent(work, [3 * x**power for x in work]) == pytest.approx(power)
    points = [growth.Point("classes", 10, x, 1, 3 * x**power, 1.0) for x in work]
    single = growth.Point("batch", 10, 10, 1, 3 * 10**power, 1.0)
    found = growth.exponents([*points, single])
    assert found == {"classes": pytest.approx(power), "all": pytest.approx(power)}


def test_plans_go_where_they_are_sent(tmp_path: Path) -> None:
    cuda = torch.device("cuda")
    plan = suite.Plan(cuda, tmp_path, cases=("go",), parts=("losses",), rows=("BCE",))
    labels = [job.label for job in suite.jobs(plan, suite.Shelf(tmp_path, tmp_path))]
    assert labels == [f"Gene Ontology, batch {b}: BCE" for b in (1, 64, 512, 1024)]
    missing = {row.name: row.missing for row in rows.rows(cuda, None)}
    assert missing[rows.CLOSURE] == "reduce is for the CPU only"
    assert missing["HybridLoss, numba"] == "works on cpu"
