"""Models with a constraint layer, exported by torch.export: plain operators, the same result."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

import oracles
import strategies as hl
from hierloss import LMC, MCM, Hierarchy
from hierloss.topology import Topology

DAG = Hierarchy.from_parents([None, 0, 0, (1, 2), 3, None])
BATCH = ({0: torch.export.Dim("batch")},)
LAYERS = {
    "MCM": MCM,
    "LMC": LMC,
    "LMC of all ancestors": lambda h: LMC(h, closure=True),
}
layers = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def exported(layer: nn.Module, scores: Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(layer, (scores,), dynamic_shapes=BATCH)


def counts(program: torch.export.ExportedProgram) -> Counter[str]:
    return Counter(str(node.target) for node in program.graph.nodes)


def test_known_values() -> None:
    h = Hierarchy.from_paths(["a/b/c"])
    scores = torch.tensor([[0.1, 0.5, 0.3], [-1.0, -3.0, -2.0]])
    results = {name: exported(make(h), scores).module()(scores) for name, make in LAYERS.items()}
    assert_close(results["MCM"], torch.tensor([[0.5, 0.5, 0.3], [-1.0, -2.0, -2.0]]))
    assert_close(results["LMC"], torch.tensor([[0.1, 0.1, 0.3], [-1.0, -3.0, -3.0]]))
    closed = torch.tensor([[0.1, 0.1, 0.1], [-1.0, -3.0, -3.0]])
    assert_close(results["LMC of all ancestors"], closed)


@settings(max_examples=10)
@given(st.data())
def test_agrees_with_the_oracle(data) -> None:
    p = data.draw(st.one_of(hl.hierarchies(), hl.extremes()))
    scores = data.draw(hl.tied_scores(p.n) if p.n < 20 else hl.distinct_scores(p.n))
    kinds = {
        "MCM": lambda row: oracles.mcm(p, row),
        "LMC": lambda row: oracles.lmc(p, row),
        "LMC of all ancestors": lambda row: oracles.lmc(p, row, closure=True),
    }
    kind = data.draw(st.sampled_from(sorted(kinds)))
    program = exported(LAYERS[kind](p.hierarchy), scores)
    expected = torch.tensor([kinds[kind](row) for row in scores.tolist()], dtype=scores.dtype)
    assert torch.equal(program.module()(scores), expected)


@layers
def test_the_gradient_is_the_same_also_at_ties(make) -> None:
    layer = make(DAG)
    program = exported(layer, torch.zeros(2, 6)).module()
    scores = torch.randint(0, 2, (64, 6)).float().requires_grad_()
    weight = torch.rand(64, 6)
    expected, got = (
        torch.autograd.grad((weight * f(scores)).sum(), scores)[0] for f in (layer, program)
    )
    assert_close(got, expected)


@layers
@pytest.mark.parametrize("shape", [(0, 6), (1, 6), (7, 6), (3, 2, 6), (0, 2, 6)])
def test_the_size_of_the_batch_is_free(make, shape) -> None:
    layer = make(DAG)
    program = exported(layer, torch.zeros(2, *shape[1:])).module()
    scores = torch.randn(shape)
    assert torch.equal(program(scores), layer(scores))


@layers
def test_nan_is_handed_on(make) -> None:
    layer, scores = make(DAG), torch.randn(64, 6)
    scores[torch.rand(64, 6) < 0.2] = torch.nan
    program = exported(layer, scores).module()
    torch.testing.assert_close(program(scores), layer(scores), rtol=0, atol=0, equal_nan=True)


@layers
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_every_type_of_scores(make, dtype) -> None:
    layer, scores = make(DAG), torch.randn(5, 6).to(dtype)
    result = exported(layer, scores).module()(scores)
    assert result.dtype == dtype
    assert torch.equal(result, layer(scores))


@layers
def test_one_write_for_each_level_and_nothing_of_ours(make) -> None:
    h = Hierarchy.from_parents([None, *[0] * 40, *range(1, 41), *[(1, 2, 3)] * 20, 45])
    found = counts(exported(make(h), torch.zeros(2, len(h))))
    assert not [name for name in found if "hierloss" in name or "grad" in name]
    assert found["aten.index_copy.default"] == (1 if make is LMC else h.depth)
    assert found["aten.gather.default"] == 0


def test_tables_grow_with_the_edges() -> None:
    h = Hierarchy.from_parents([None] + [(i - 1) // 3 for i in range(1, 5000)])
    program = exported(MCM(h), torch.zeros(2, 5000))
    sizes = [x.numel() for x in (*program.buffers(), *program.constants.values())]
    assert sum(sizes) < 40 * 5000


@pytest.mark.slow
@pytest.mark.parametrize("shapes", [None, BATCH], ids=["static", "dynamic"])
def test_the_whole_gene_ontology(go: Hierarchy, shapes) -> None:
    scores = torch.randn(3, len(go))
    program = torch.export.export(MCM(go), (scores,), dynamic_shapes=shapes)
    for size in (3,) if shapes is None else (0, 1, 3):
        assert torch.equal(program.module()(scores[:size]), MCM(go)(scores[:size]))
    sizes = [x.numel() for x in (*program.buffers(), *program.constants.values())]
    assert sum(sizes) < 20 * (len(go) + len(go.edges))


def test_levels_are_the_rounds_that_do_not_depend_on_each_other() -> None:
    topology = Topology(Hierarchy.from_parents([None, *[0] * 4, *[1] * 9, 2, (3, 4)]))
    levels = list(topology.levels("descendants"))
    assert [[tuple(table.shape) for table in level] for level in levels] == [
        [(3, 2), (1, 16)],
        [(1, 8)],
    ]
    assert sorted(t.tolist() for t in topology.rounds("descendants")) == sorted(
        t.tolist() for level in levels for t in level
    )


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # of the checks of shapes
def test_a_trace_takes_the_same_way() -> None:
    traced = torch.jit.trace(MCM(DAG), torch.randn(2, 6))
    scores = torch.randn(5, 6)
    assert torch.equal(traced(scores), MCM(DAG)(scores))
    assert not any("hierloss" in node.kind() for node in traced.inlined_graph.nodes())
