"""Laws of MCM and LMC."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import LMC, MCM, Hierarchy, HybridLoss
from oracles import Problem, decider, lmc, mcm

LAYERS = {
    "mcm": (HF.mcm, mcm),
    "lmc": (HF.lmc, lmc),
    "lmc closure": (
        lambda x, h: HF.lmc(x, h, closure=True),
        lambda p, row: lmc(p, row, closure=True),
    ),
}
layers = pytest.mark.parametrize(("layer", "oracle"), LAYERS.values(), ids=LAYERS)


@layers
@given(data=st.data())
def test_equals_the_oracle(layer, oracle, data) -> None:
    p = data.draw(st.one_of(hl.hierarchies(), hl.extremes()))
    scores = data.draw(hl.tied_scores(p.n)) if p.n < 20 else torch.randn(2, p.n).double()
    expected = torch.tensor([oracle(p, row) for row in scores.tolist()], dtype=torch.float64)
    assert torch.equal(layer(scores, p.hierarchy), expected)


@layers
@given(data=st.data())
def test_nan_propagates(layer, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n))
    scores[0, data.draw(st.integers(0, p.n - 1))] = torch.nan
    expected = torch.tensor([oracle(p, row) for row in scores.tolist()], dtype=torch.float64)
    assert_close(layer(scores, p.hierarchy), expected, equal_nan=True, rtol=0, atol=0)


@given(p=st.one_of(hl.hierarchies(), hl.extremes()))
def test_mcm_and_lmc_closure_are_coherent(p) -> None:
    scores = torch.randn(3, p.n)
    assert p.hierarchy.is_coherent(HF.mcm(scores, p.hierarchy))
    assert p.hierarchy.is_coherent(HF.lmc(scores, p.hierarchy, closure=True))


@given(p=hl.hierarchies())
def test_mcm_is_idempotent_and_never_below_the_scores(p) -> None:
    scores = torch.randn(3, p.n)
    raised = HF.mcm(scores, p.hierarchy)
    assert (raised >= scores).all()
    assert torch.equal(HF.mcm(raised, p.hierarchy), raised)


@given(p=hl.hierarchies())
def test_lmc_closure_is_idempotent_and_never_above_one_step(p) -> None:
    scores = torch.randn(3, p.n)
    lowered = HF.lmc(scores, p.hierarchy, closure=True)
    assert (lowered <= HF.lmc(scores, p.hierarchy)).all()
    assert torch.equal(HF.lmc(lowered, p.hierarchy), lowered)


@layers
@given(p=hl.hierarchies())
def test_is_monotone(layer, oracle, p) -> None:
    scores = torch.randn(3, p.n)
    higher = scores + torch.rand(3, p.n)
    assert (layer(higher, p.hierarchy) >= layer(scores, p.hierarchy)).all()


@layers
@given(p=hl.hierarchies())
def test_commutes_with_the_sigmoid(layer, oracle, p) -> None:
    scores = torch.randn(3, p.n)
    h = p.hierarchy
    assert_close(layer(scores, h).sigmoid(), layer(scores.sigmoid(), h))


@layers
@given(data=st.data())
def test_permuting_the_columns_permutes_the_result(layer, oracle, data) -> None:
    p = data.draw(hl.hierarchies())
    order = torch.tensor(data.draw(st.permutations(range(p.n))))
    h = p.hierarchy
    permuted = Hierarchy.from_edges(h.edges, names=[h.names[i] for i in order])
    scores = data.draw(hl.distinct_scores(p.n))
    assert torch.equal(layer(scores[:, order], permuted), layer(scores, h)[:, order])


@layers
@given(p=hl.hierarchies())
def test_samples_do_not_touch_each_other(layer, oracle, p) -> None:
    scores = torch.randn(3, p.n)
    rows = [layer(row, p.hierarchy) for row in scores]
    assert torch.equal(layer(scores, p.hierarchy), torch.stack(rows))


@layers
@given(p=hl.hierarchies())
def test_low_precision_is_computed_on_its_own_values(layer, oracle, p) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        scores = torch.randn(2, p.n).to(dtype)
        result = layer(scores, p.hierarchy)
        assert result.dtype == dtype
        assert torch.equal(result.double(), layer(scores.double(), p.hierarchy))


@layers
@given(data=st.data())
def test_gradcheck(layer, oracle, data) -> None:
    p = data.draw(hl.hierarchies(8))
    scores = data.draw(hl.distinct_scores(p.n)).requires_grad_()
    assert gradcheck(lambda x: layer(x, p.hierarchy), [scores])
    assert gradgradcheck(lambda x: layer(x, p.hierarchy).pow(2), [scores])


@given(data=st.data())
def test_ties_go_to_the_class_itself_then_to_the_first_child(data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.tied_scores(p.n, 1)).requires_grad_()
    HF.mcm(scores, p.hierarchy).sum().backward()
    expected = torch.zeros_like(scores)
    for a in range(p.n):
        expected[0, decider(p, scores[0].tolist(), a)] += 1
    assert torch.equal(scores.grad, expected)


@given(data=st.data())
def test_ties_of_lmc_closure_go_to_the_class_itself_then_to_the_first_parent(data) -> None:
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.tied_scores(p.n, 1)).requires_grad_()
    HF.lmc(scores, p.hierarchy, closure=True).sum().backward()
    upside_down = Problem(p.n, frozenset((parent, child) for child, parent in p.edges))
    expected = torch.zeros_like(scores)
    for a in range(p.n):
        expected[0, decider(upside_down, (-scores[0]).tolist(), a)] += 1
    assert torch.equal(scores.grad, expected)


def test_ties_of_lmc_go_to_the_class_itself_then_to_the_first_parent() -> None:
    h = Hierarchy.from_parents([None, None, (0, 1), None, (1, 3)])
    scores = torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0], requires_grad=True)
    HF.lmc(scores, h)[[2, 4]].sum().backward()
    assert scores.grad.tolist() == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3), (2, 0, 3)])
@layers
def test_any_leading_dimensions(layer, oracle, shape: tuple[int, ...]) -> None:
    h = Hierarchy.from_parents([None, 0, 0, (1, 2)])
    scores = torch.randn(*shape, 4)
    result = layer(scores, h)
    assert result.shape == scores.shape
    assert result.is_contiguous()
    assert torch.equal(result.reshape(-1, 4), layer(scores.reshape(-1, 4), h))


@layers
def test_non_contiguous_scores(layer, oracle) -> None:
    h = Hierarchy.from_parents([None, 0, 0, (1, 2)])
    scores = torch.randn(4, 6).t()
    strided = torch.randn(5, 8)[:, ::2]
    assert torch.equal(layer(scores, h), layer(scores.contiguous(), h))
    assert torch.equal(layer(strided, h), layer(strided.contiguous(), h))


@layers
def test_wrong_input_says_what_was_expected(layer, oracle) -> None:
    h = Hierarchy.from_parents([None, 0])
    with pytest.raises(ValueError, match=r"2 classes .* last dimension, got shape \(2, 3\)"):
        layer(torch.randn(2, 3), h)
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        layer(torch.tensor(1.0), h)
    with pytest.raises(TypeError, match=r"floating point Tensor, got torch\.int64"):
        layer(torch.tensor([1, 2]), h)
    with pytest.raises(TypeError, match="got list"):
        layer([0.5, 0.5], h)
    with pytest.raises(TypeError, match="expected a Hierarchy, got list"):
        layer(torch.randn(2), [("b", "a")])


@pytest.mark.parametrize("layer", [MCM, LMC])
def test_layers_keep_checkpoints_clean_and_survive_copies(layer) -> None:
    h = Hierarchy.from_parents([None, 0, 0, (1, 2)])
    module = layer(h)
    scores = torch.randn(3, 4)
    assert module.state_dict() == {}
    assert torch.equal(copy.deepcopy(module)(scores), module(scores))
    assert module.half()(scores.half()).dtype == torch.float16
    assert "Hierarchy(4 classes" in repr(module)


def _averaged(module: torch.nn.Module) -> torch.nn.Module:
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), module)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9999), use_buffers=True)
    for _ in range(10):
        average.update_parameters(model)
    return average.module[1]


def test_layers_move_with_the_module() -> None:
    module = MCM(Hierarchy.from_parents([None, 0])).to("meta")
    assert module(torch.empty(3, 2, device="meta")).shape == (3, 2)
    scores = torch.tensor([[0.0, 1.0]])
    assert module.to_empty(device="cpu")(scores).tolist() == [[1, 1]]


@pytest.mark.parametrize("make", [MCM, LMC, HybridLoss])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda module: module.to_empty(device="cpu"),
        lambda module: module.type(torch.float64),
        lambda module: module.half().float(),
        lambda module: module.share_memory(),
        _averaged,
    ],
    ids=["to_empty", "type", "half", "share_memory", "average"],
)
def test_nothing_that_is_done_to_buffers_changes_the_hierarchy(make, spoil) -> None:
    h = Hierarchy.from_parents([None, *[i // 3 for i in range(299)]])
    given = (torch.randn(2, len(h)), h.encode([h.leaves[:1], h.leaves[5:7]]))
    given = given if make is HybridLoss else given[:1]
    assert torch.equal(spoil(make(h))(*given), make(h)(*given))


def test_modules_call_the_functions() -> None:
    h = Hierarchy.from_parents([None, 0, 1])
    scores = torch.randn(3, 3)
    assert torch.equal(MCM(h)(scores), HF.mcm(scores, h))
    assert torch.equal(LMC(h)(scores), HF.lmc(scores, h))
    assert torch.equal(LMC(h, closure=True)(scores), HF.lmc(scores, h, closure=True))
