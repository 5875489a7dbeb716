"""Numbers worked out by hand: the paper's figures and examples."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import hierloss.functional as HF
from hierloss import LMC, MCM, Hierarchy, HybridLoss, LHLoss, MCLoss

PAIR = Hierarchy.from_edges([("A", "B")], names=["A", "B"])
LOSSES = {"mc": MCLoss, "lh": LHLoss, "hybrid": HybridLoss}

# l(A), l(B), y_A, y_B; then the loss and its derivatives by l(A) and l(B).
EXAMPLES = {
    "figure 3, mc": (0.3, 0.1, 1, 1, 2.4079456, -6.6666667, 0.0),
    "figure 3, lh": (0.3, 0.1, 1, 1, 4.6051702, 0.0, -20.0),
    "figure 3, hybrid": (0.3, 0.1, 1, 1, 3.5065579, -3.3333333, -10.0),
    "example 1, mc": (0.3, 0.1, 0, 0, 0.7133499, 2.8571429, 0.0),
    "example 1, lh": (0.3, 0.1, 0, 0, 0.2107210, 0.0, 2.2222222),
    "example 1, hybrid": (0.3, 0.1, 0, 0, 0.4620355, 1.4285714, 1.1111111),
    "example 2, mc": (0.3, 0.1, 0, 1, 2.6592600, 1.4285714, -10.0),
    "example 2, lh": (0.3, 0.1, 0, 1, 2.4079456, 0.0, -8.8888889),
    "example 2, hybrid": (0.3, 0.1, 0, 1, 2.5336028, 0.7142857, -9.4444444),
    "no violation (1, 1), mc": (0.1, 0.3, 1, 1, 3.5065579, -10.0, -3.3333333),
    "no violation (1, 1), lh": (0.1, 0.3, 1, 1, 3.5065579, -10.0, -3.3333333),
    "no violation (0, 0), hybrid": (0.1, 0.3, 0, 0, 0.4620355, 1.1111111, 1.4285714),
    "no violation (0, 1), mc": (0.1, 0.3, 0, 1, 1.3093333, 1.1111111, -3.3333333),
    "no violation (0, 1), lh": (0.1, 0.3, 0, 1, 1.3093333, 1.1111111, -3.3333333),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples_with_probabilities(name: str) -> None:
    a, b, y_a, y_b, value, by_a, by_b = EXAMPLES[name]
    p = torch.tensor([a, b], dtype=torch.float64, requires_grad=True)
    criterion = LOSSES[name.split()[-1]](PAIR, from_logits=False, reduction="sum")
    loss = criterion(p, torch.tensor([y_a, y_b]))
    loss.backward()
    _close_to_six_places(loss, torch.tensor(value, dtype=torch.float64))
    _close_to_six_places(p.grad, torch.tensor([by_a, by_b], dtype=torch.float64))


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples_with_logits(name: str) -> None:
    a, b, y_a, y_b, value, by_a, by_b = EXAMPLES[name]
    p = torch.tensor([a, b], dtype=torch.float64)
    logits = p.logit().requires_grad_()
    loss = LOSSES[name.split()[-1]](PAIR, reduction="sum")(logits, torch.tensor([y_a, y_b]))
    loss.backward()
    _close_to_six_places(loss, torch.tensor(value, dtype=torch.float64))
    by_p = torch.tensor([by_a, by_b], dtype=torch.float64)
    _close_to_six_places(logits.grad, by_p * p * (1 - p))


def _close_to_six_places(actual: Tensor | None, expected: Tensor) -> None:
    assert actual is not None
    assert_close(actual, expected, rtol=0, atol=1e-6)  # the numbers are printed to seven digits


@pytest.mark.parametrize(
    ("loss", "value", "gradient"),
    [
        (
            HF.mc_loss,
            2.7337971476,
            [[-1.639344, 0, -3.846154, 1.204819], [0, 0, 0, -4.819277]],
        ),
        (
            HF.lh_loss,
            7.1687312646,
            [[-1.639344, -6.060606, 0, 1.204819], [-9.523810, -1.388889, -2.272727, 0]],
        ),
    ],
)
@pytest.mark.parametrize("from_logits", [False, True])
def test_dag_of_four(loss, value: float, gradient: list[list[float]], from_logits: bool) -> None:
    h = Hierarchy.from_parents([None, None, (0, 1), 2])
    p = torch.tensor([[0.61, 0.33, 0.52, 0.17], [0.21, 0.72, 0.44, 0.83]], dtype=torch.float64)
    scores = (p.logit() if from_logits else p.clone()).requires_grad_()
    target = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    total = loss(scores, target, h, from_logits=from_logits, reduction="sum")
    total.backward()
    expected = torch.tensor(gradient, dtype=torch.float64)
    _close_to_six_places(total, torch.tensor(value, dtype=torch.float64))
    _close_to_six_places(scores.grad, expected * p * (1 - p) if from_logits else expected)


# The tree of Fig. 1: 8 -> 3 -> 1 -> 0 is the true path, 9 -> 5 -> 2 -> 0 the one with the error.
TREE = Hierarchy.from_parents([None, 0, 0, 1, 1, 2, 2, 3, 3, 5])
TRUE = torch.tensor([1, 1, 0, 1, 0, 0, 0, 0, 1, 0]).bool()


def test_figure_1_one_wrong_leaf_spoils_its_path_under_mcm_and_lmc_mends_it() -> None:
    scores = torch.tensor([0.9, 0.8, 0.4, 0.7, 0.2, 0.3, 0.1, 0.2, 0.6, 0.7])
    assert ((scores >= 0.5) != TRUE).nonzero().flatten().tolist() == [9]
    raised = MCM(TREE)(scores)
    assert_close(raised[[5, 2]], torch.tensor([0.7, 0.7]))
    assert ((raised >= 0.5) != TRUE).nonzero().flatten().tolist() == [2, 5, 9]
    lowered = LMC(TREE)(scores)
    assert_close(lowered[9], torch.tensor(0.3))
    assert torch.equal(lowered >= 0.5, TRUE)


def test_figure_2_missed_inner_classes_are_mended_by_mcm() -> None:
    scores = torch.tensor([0.9, 0.4, 0.3, 0.3, 0.2, 0.2, 0.1, 0.2, 0.8, 0.1])
    assert ((scores >= 0.5) != TRUE).nonzero().flatten().tolist() == [1, 3]
    assert torch.equal(MCM(TREE)(scores) >= 0.5, TRUE)


def test_one_lmc_step_leaves_three_levels_incoherent() -> None:
    chain = Hierarchy.from_paths(["a/b/c"])
    scores = torch.tensor([0.1, 0.5, 0.5])
    assert_close(LMC(chain)(scores), torch.tensor([0.1, 0.1, 0.5]))
    assert_close(LMC(chain, closure=True)(scores), torch.tensor([0.1, 0.1, 0.1]))
