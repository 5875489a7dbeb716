"""Each system against its equations, worked out with Python floats, and what is its own."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, tanh

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

import hierloss.functional as HF
import strategies as hl
from hierloss import Hierarchy
from hierloss.models import CHMCNN, HLSTM, HMCLMLP, HMCNF, HMCNR, SYSTEMS, Output, widest_path
from hierloss.topology import Topology
from hierloss.training import Settings, Training
from table import DAG

CHAIN = Hierarchy.from_parents([None, 0])
DEEP = Hierarchy.from_parents([None, 0, 1, 2, 3, 4])
X = 0.8
Y = torch.tensor([[1, 0]])


def s(z: float) -> float:
    return 1 / (1 + exp(-z))


def relu(z: float) -> float:
    return max(z, 0.0)


def bce(p: float, y: int) -> float:
    return -log(p if y else 1 - p)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def fill(module: nn.Module) -> None:
    """Weights 0.5, 0.6, ... and biases 0.1, 0.2, ..., one value for each tensor."""
    for i, (name, parameter) in enumerate(module.named_parameters()):
        nn.init.constant_(parameter, (0.1 if name.endswith("bias") else 0.5) + i / 10)


def steps(cell: nn.Module, levels: int) -> list[float]:
    """The states of a cell of one unit and one feature, equations 6 to 11."""
    w = cell.given.weight[:, 0].tolist()
    b = cell.given.bias.tolist()
    u = cell.recurrent.weight[:, 0].tolist()
    a = c = 0.0
    states = []
    for _ in range(levels):
        f, i, new, o = (w[k] * X + u[k] * a + b[k] for k in range(4))
        c = s(f) * c + s(i) * tanh(new)
        a = s(o) * tanh(c)
        states.append(a)
    return states


def heads(
    local: nn.Module, states: list[float], phi: Callable[[float], float] = relu
) -> list[float]:
    """The local logits of one unit and one class for each level."""
    logits = []
    for transition, output, a in zip(local.transitions, local.outputs, states, strict=True):
        unit = phi(transition[0].weight.item() * a + transition[0].bias.item())
        logits.append(output.weight.item() * unit + output.bias.item())
    return logits


def test_chmcnn_by_hand() -> None:
    model = CHMCNN(CHAIN, 1, hidden=1).eval()
    fill(model)
    unit = relu(0.5 * X + 0.2)
    unit = relu(0.7 * unit + 0.4)
    with torch.no_grad():
        model.network[-1].bias.copy_(torch.tensor([-1.0, 1.0]))
    top, sub = 0.9 * unit - 1, 0.9 * unit + 1
    output = model(torch.tensor([[X]]))
    assert_close(output.global_logits, torch.tensor([[top, sub]]))
    assert_close(model.predict(torch.tensor([[X]])), torch.tensor([[s(sub), s(sub)]]))
    loss = (bce(s(top), 1) + bce(s(sub), 0)) / 2  # the negative child may not speak for its parent
    assert_close(model.criterion(output, Y).item(), loss)


@pytest.mark.parametrize("transition", ["relu", "linear"])
def test_hlstm_by_hand(transition: str) -> None:
    model = HLSTM(CHAIN, 1, hidden=1, balance=0.3, transition=transition)
    fill(model)
    with torch.no_grad():
        model.local.transitions[1][0].bias.fill_(-3)
    states = steps(model.cell, 2)
    local = heads(model.local, states, relu if transition == "relu" else float)
    globl = [
        w * states[-1] + b
        for w, b in zip(model.head.weight[:, 0].tolist(), model.head.bias.tolist(), strict=True)
    ]
    output = model(torch.tensor([[X]]))
    assert_close(output.local_logits, torch.tensor([local]))
    assert_close(output.global_logits, torch.tensor([globl]))
    mc = bce(s(globl[0]), 1) + bce(s(globl[1]), 0)
    lh = bce(s(local[0]), 1) + bce(s(min(local)), 0)
    assert_close(model.criterion(output, Y).item(), 0.3 * mc / 2 + 0.7 * lh / 2)
    summed = HLSTM(CHAIN, 1, hidden=1, balance=0.3, reduction="batchmean")
    twice = Output(*(x.repeat(2, 1) for x in output))
    assert_close(summed.criterion(twice, Y.repeat(2, 1)).item(), 0.3 * mc + 0.7 * lh)
    with pytest.raises(ValueError, match=r"a reduction of \('mean', 'batchmean'\), got 'sum'"):
        HLSTM(CHAIN, 1, reduction="sum")
    assert_close(model.predict(torch.tensor([[X]]))[0, 0].item(), s(max(globl)))


@pytest.mark.parametrize("recurrent", [False, True])
def test_hmcn_by_hand(recurrent: bool) -> None:
    model = (HMCNR if recurrent else HMCNF)(CHAIN, 1, hidden=1, local_hidden=1, beta=0.3).eval()
    fill(model)
    if recurrent:
        states = steps(model.flow, 2)
    else:
        one, two = (layer[0] for layer in model.flow.layers)
        first = relu(one.weight.item() * X + one.bias.item())
        joined = two.weight[0, 0].item() * first + two.weight[0, 1].item() * X
        states = [first, relu(joined + two.bias.item())]
    local = heads(model.local, states)
    globl = [
        w * states[-1] + b
        for w, b in zip(model.head.weight[:, 0].tolist(), model.head.bias.tolist(), strict=True)
    ]
    output = model(torch.tensor([[X]]))
    assert_close(output, Output(torch.tensor([globl]), torch.tensor([local])))
    p_l, p_g = [s(z) for z in local], [s(z) for z in globl]
    loss = bce(p_l[0], 1) + bce(p_l[1], 0) + (bce(p_g[0], 1) + bce(p_g[1], 0)) / 2
    assert_close(model.criterion(output, Y).item(), loss + 0.1 * relu(p_l[1] - p_l[0]) ** 2)
    mixed = [0.3 * a + 0.7 * b for a, b in zip(p_l, p_g, strict=True)]
    assert_close(model.probabilities(output), torch.tensor([mixed]))


def test_the_violation_term_by_hand() -> None:
    model = HMCNF(DAG, 1, hidden=1, local_hidden=1)
    p = torch.tensor([[0.5, 0.2, 0.6, 0.9, 0.1], [0.9, 0.9, 0.5, 0.4, 0.9]])
    first = (0.6 - 0.5) ** 2 + (0.6 - 0.2) ** 2 + (0.9 - 0.6) ** 2
    assert_close(model.violation(p).item(), first / 2)
    partial = HMCNF(DAG, 1, hidden=1, local_hidden=1, weight=torch.tensor([1.0, 0, 1, 1, 1]))
    assert_close(partial.violation(p).item(), (first - (0.6 - 0.2) ** 2) / 2)


def test_hmcn_judges_each_level_alike() -> None:
    """Two roots and one class below: its level counts as much as theirs together."""
    h = Hierarchy.from_parents([None, None, 0])
    model = HMCNF(h, 1, hidden=1, local_hidden=1, penalty=0)
    logits = torch.tensor([[1.0, -1.0, 2.0]])
    target = torch.tensor([[1, 0, 0]])
    terms = [bce(s(1.0), 1), bce(s(-1.0), 0), bce(s(2.0), 0)]
    expected = (terms[0] + terms[1]) / 2 + terms[2] + sum(terms) / 3
    assert_close(model.criterion(Output(logits, logits), target).item(), expected)


def test_hmcn_chmc_is_hmcn_r_with_mcloss_and_mcm() -> None:
    model = SYSTEMS["HMCN-CHMC"](DAG, 2, hidden=3, local_hidden=3).eval()
    assert type(model) is HMCNR
    output = model(torch.randn(2, 2))
    target = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    flat = HMCNR(DAG, 2, hidden=3, local_hidden=3, penalty=0)
    bce_part = flat.criterion(output, target) - nn.functional.binary_cross_entropy_with_logits(
        output.global_logits, target.float()
    )
    expected = bce_part + HF.mc_loss(output.global_logits, target, DAG)
    assert_close(model.criterion(output, target), expected)
    mixed = (output.global_logits.sigmoid() + output.local_logits.sigmoid()) / 2
    assert_close(model.probabilities(output), HF.mcm(mixed, DAG))


def test_chmc_lstm_is_hlstm_without_local_heads() -> None:
    model = SYSTEMS["CHMC-LSTM"](DAG, 2, hidden=3)
    assert type(model) is HLSTM
    output = model(torch.randn(2, 2))
    assert output.local_logits is None
    target = torch.zeros(2, 5)
    assert_close(model.criterion(output, target), HF.mc_loss(output.global_logits, target, DAG))


@pytest.mark.parametrize("model", [HMCNF, HMCNR])
def test_batch_norm_is_over_all_leading_dimensions(model) -> None:
    model = model(DAG, 3, hidden=4, local_hidden=4, dropout=0.0, batch_norm=True)
    x = torch.randn(2, 5, 3)
    flat = model(x.flatten(0, 1))
    for logits, expected in zip(model(x), flat, strict=True):
        assert_close(logits, expected.view(2, 5, 5))
    assert model.eval()(x[0, 0]).global_logits.shape == (5,)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (0, 3)])
def test_batch_norm_of_fewer_than_two_samples_has_the_running_statistics(shape) -> None:
    model = HMCNF(DAG, 3, hidden=4, local_hidden=4, dropout=0.0, batch_norm=True)
    model(torch.randn(9, 3))
    before = {name: x.clone() for name, x in model.state_dict().items()}
    x = torch.randn(shape)
    alone = model(x)
    assert_close(alone, model.eval()(x))
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())


def test_batch_norm_trains_where_the_last_batch_is_one_sample() -> None:
    model = HMCNF(DAG, 3, hidden=4, local_hidden=4, batch_norm=True)
    target = torch.tensor([[1, 1, 1, 0, 0]] * 9)
    (epoch,) = Training(model, (torch.randn(9, 3), target), Settings(epochs=1)).epochs()
    assert 0 < epoch.loss < 10


@pytest.mark.parametrize("h", [CHAIN, DEEP, DAG])
def test_parameter_counts(h: Hierarchy) -> None:
    d, k, m, n, levels = 7, 5, 4, len(h), h.depth + 1
    cell = 4 * (k * (k + d) + k)
    dense = d * k + k + (levels - 1) * ((d + k) * k + k)
    local = levels * (k * m + m) + n * (m + 1)
    head = n * (k + 1)
    assert count(CHMCNN(h, d, hidden=k)) == d * k + k + k * k + k + head
    recurrent = HMCNR(h, d, hidden=k, local_hidden=m)
    assert count(recurrent.flow) == cell
    assert count(recurrent) == cell + local + head
    assert count(HMCNF(h, d, hidden=k, local_hidden=m)) == dense + local + head
    assert count(HMCNF(h, d, hidden=k, local_hidden=m, concat_input=True)) == (
        dense + local + head + n * d
    )
    hybrid = HLSTM(h, d, hidden=k)
    assert count(hybrid.cell) == cell
    assert count(hybrid) == cell + levels * (k * k + k) + n * (k + 1) + head
    assert count(HLSTM(h, d, hidden=k, balance=1.0)) == cell + head


def test_local_outputs_come_in_column_order() -> None:
    """Columns 3, 0, 1, 2 of the levels 0, 0, 1, 2."""
    h = Hierarchy.from_edges([("b", "a"), ("c", "b")], names=["a", "b", "c", "z"])
    model = HLSTM(h, 1, hidden=1)
    for output, values in zip(model.local.outputs, ([1.0, 4.0], [2.0], [3.0]), strict=True):
        nn.init.zeros_(output.weight)
        with torch.no_grad():
            output.bias.copy_(torch.tensor(values))
    assert_close(model(torch.zeros(1, 1)).local_logits, torch.tensor([[1.0, 2.0, 3.0, 4.0]]))


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation"),
    [
        ("zeros", 0.0, 0.0),
        ("ones", 1.0, 0.0),
        ("constant", 0.1, 0.0),
        ("normal", 0.0, 1.0),
        ("xavier", 0.0, (2 / (64 + 500)) ** 0.5),
        ("he", 0.0, (2 / 64) ** 0.5),
    ],
)
def test_initializers(initializer: str, mean: float, deviation: float) -> None:
    h = Hierarchy.from_parents([None] * 500)
    output = HLSTM(h, 2, hidden=64, initializer=initializer).local.outputs[0]
    assert not output.bias.any()
    assert_close(output.weight.mean().item(), mean, atol=0.02, rtol=0)
    assert_close(output.weight.std().item(), deviation, atol=1e-6, rtol=0.02)
    bound = (6 / (64 + 500)) ** 0.5
    assert initializer != "xavier" or output.weight.abs().max() <= bound


def test_a_constant_of_ones_own() -> None:
    output = HLSTM(CHAIN, 2, hidden=3, constant=0.4).local.outputs[1]
    assert_close(output.weight, torch.full((1, 3), 0.4))


def test_the_cell_starts_uniform() -> None:
    cell = HLSTM(CHAIN, 10, hidden=100).cell
    weights = torch.cat([p.flatten() for p in cell.parameters()])
    assert weights.abs().max() <= 0.1
    assert_close(weights.std().item(), 0.1 / 3**0.5, atol=0, rtol=0.02)


def test_a_class_left_out_holds_no_child_back() -> None:
    """An artificial root, whose score is low, in LMC and where predictions are taken back."""
    h, weight = Hierarchy.from_parents([None, 0, 1]), torch.tensor([0.0, 1, 1])
    local = torch.tensor([[-9.0, 1.0, 2.0]], requires_grad=True)
    globl, target = torch.zeros(1, 3), torch.tensor([[1, 1, 0]])
    HLSTM(h, 1, balance=0.5, weight=weight).criterion(Output(globl, local), target).backward()
    assert_close(local.grad, torch.tensor([[0.0, (s(1) - 1 + s(1)) / 4, 0.0]]))
    model = HMCLMLP(h, 1, weight=weight)
    assert (model.stages, model.learner) == (2, 1)
    taken = model.probabilities(Output(local, local))
    assert_close(taken, torch.tensor([[1.0, s(1), s(1)]]))


def lmlp() -> HMCLMLP:
    """Over a chain of three classes."""
    return HMCLMLP(Hierarchy.from_parents([None, 0, 1]), 4, hidden=(0.5, 0.6))


def test_lmlp_by_hand() -> None:
    model = HMCLMLP(CHAIN, 1, hidden=(1.0, 0.5), enforce=False)
    fill(model)
    top = 0.7 * s(0.5 * X + 0.2) + 0.4
    sub = 1.1 * s(0.9 * X + 0.9 * s(top) + 0.6) + 0.8
    output = model(torch.tensor([[X]]))
    assert_close(output.global_logits, torch.tensor([[top, sub]]))
    assert_close(model.criterion(output, Y).item(), (1 - s(top)) ** 2)
    model.start(1)
    assert_close(model.criterion(output, Y).item(), s(sub) ** 2)
    wide = Hierarchy.from_parents([None, None])
    found = [HMCLMLP(wide, 1, reduction=x) for x in ("batchmean", "mean")]
    halves = Output(torch.zeros(3, 2), torch.zeros(3, 2))
    costs = [one.criterion(halves, torch.ones(3, 2)).item() for one in found]
    assert costs == [2 * 0.25, 0.25]
    with pytest.raises(ValueError, match=r"a reduction of .* got 'none'"):
        HMCLMLP(CHAIN, 1, reduction="none")
    entropy = HMCLMLP(CHAIN, 1, error="bce")
    assert_close(entropy.criterion(output, Y).item(), bce(s(top), 1))


def test_lmlp_sizes_follow_what_a_level_sees() -> None:
    shapes = [p[0].weight.shape for p in lmlp().perceptrons]
    assert shapes == [(2, 4), (3, 5), (3, 5)]
    assert max(p.abs().max() for p in lmlp().parameters()) <= 0.1


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_lmlp_trains_one_level_at_a_time(stage: int) -> None:
    model = lmlp()
    before = {name: p.clone() for name, p in model.named_parameters()}
    model.start(stage)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
    model.criterion(model(torch.randn(3, 4)), torch.tensor([[1, 1, 0]] * 3)).backward()
    optimizer.step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name in before if name.startswith(f"perceptrons.{stage}.")}


def test_lmlp_sees_the_level_above_without_teaching_it() -> None:
    model = lmlp()
    model.start(1)
    model.perceptrons[0].requires_grad_()
    model.criterion(model(torch.randn(3, 4)), torch.tensor([[1, 1, 0]] * 3)).backward()
    assert not any(p.grad.any() for p in model.perceptrons[0].parameters())
    assert all(p.grad.any() for p in model.perceptrons[1].parameters())


@given(data=st.data())
def test_taking_back_gives_the_sets_of_the_paper_at_every_threshold(data: st.DataObject) -> None:
    """A class stays if one path to a root is predicted; its superclasses are set then."""
    p = data.draw(hl.hierarchies())
    scores = data.draw(hl.distinct_scores(p.n))
    prediction = HF.mcm(widest_path(scores, Topology(p.hierarchy)), p.hierarchy)
    for row, result in zip(scores.tolist(), prediction, strict=True):
        for threshold in [-5.0, *row]:
            kept: set[int] = set()
            for c in sorted(range(p.n), key=lambda c: int(p.hierarchy.levels[c])):
                if row[c] >= threshold and (not p.parents[c] or p.parents[c] & kept):
                    kept.add(c)
            wanted = p.closed(kept)
            assert (result >= threshold).int().tolist() == wanted


def test_in_a_tree_that_is_lmc_with_closure() -> None:
    scores = torch.randn(5, 6)
    assert torch.equal(widest_path(scores, Topology(DEEP)), HF.lmc(scores, DEEP, closure=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CHMCNN(CHAIN, 2, hidden=0), "hidden above 0, got 0"),
        (lambda: CHMCNN(CHAIN, 2, layers=0), "layers above 0, got 0"),
        (lambda: HLSTM(CHAIN, 2, balance=1.5), "balance from 0 to 1, got 1.5"),
        (lambda: HLSTM(CHAIN, 2, balance=0), "balance above 0, got 0, .* would not learn"),
        (lambda: HLSTM(CHAIN, 2, initializer="he_normal"), "initializer of .* got 'he_normal'"),
        (lambda: HLSTM(CHAIN, 2, balance=1.0, initializer="x"), "initializer of .* got 'x'"),
        (lambda: HLSTM(CHAIN, 2, transition="tanh"), "transition of .* got 'tanh'"),
        (lambda: HMCNF(CHAIN, 2, beta=2), "beta from 0 to 1, got 2"),
        (lambda: HMCNF(CHAIN, 2, penalty=-1), "penalty of 0 or more, got -1"),
        (lambda: HMCNR(CHAIN, 2, global_loss="lh"), "global_loss of .* got 'lh'"),
        (lambda: HMCLMLP(CHAIN, 2, error="l1"), "error of .* got 'l1'"),
        (lambda: HMCLMLP(CHAIN, 2, hidden=()), r"hidden sizes above 0, got \(\)"),
    ],
)
def test_wrong_options_say_what_was_expected(make, message: str) -> None:
    with pytest.raises(ValueError, match=f"expected (a |an )?{message}"):
        make()
