r"""The paper's worked gradients, as printed and as autograd has them.

Two classes, `A` a child of `B`, with the probabilities l(A) = 0.3 and l(B) = 0.1: Fig. 3 and
Examples 1 and 2 of Appendix A of Qi and Chelmis, Hybrid Loss for Hierarchical Multi-label
Classification Network. The paper prints no numbers for its eq. 5; those here are half of the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from hierloss.hierarchy import Hierarchy
from hierloss.losses import HybridLoss, LHLoss, MCLoss

__all__ = ["Check", "checks"]

SCORES = {"A": 0.3, "B": 0.1}
LOSSES = {"MCLoss": MCLoss, "LHLoss": LHLoss, "HybridLoss": HybridLoss}

# For each example the targets of A and B, and the derivatives by l(A) and l(B) of both losses:
# as the paper prints them, and what its formulas give.
EXAMPLES = {
    "Fig. 3": (
        (1, 1),
        {"MCLoss": ("-6.67", "0"), "LHLoss": ("0", "-20")},
        {"MCLoss": (-2 / 0.3, 0.0), "LHLoss": (0.0, -2 / 0.1)},
    ),
    "Example 1": (
        (0, 0),
        {"MCLoss": ("2.85", "0"), "LHLoss": ("0", "2.22")},
        {"MCLoss": (-2 / (0.3 - 1), 0.0), "LHLoss": (0.0, -2 / (0.1 - 1))},
    ),
    "Example 2": (
        (0, 1),
        {"MCLoss": ("1.4", "-10"), "LHLoss": ("0", "-8.89")},
        {"MCLoss": (-1 / (0.3 - 1), -1 / 0.1), "LHLoss": (0.0, -1 / (0.1 - 1) - 1 / 0.1)},
    ),
}


@dataclass(frozen=True)
class Check:
    """One derivative of one loss in one example.

    Attributes:
        example: Where the paper has it.
        target: The targets of A and B.
        loss: The name of the loss.
        by: The class whose score is varied.
        printed: The number in the paper; empty where it prints none.
        formula: What the paper's formula gives.
        probabilities: What autograd gives in the probability form.
        logits: What autograd gives in the logit form, by the chain rule as a derivative by l.
    """

    example: str
    target: tuple[int, int]
    loss: str
    by: str
    printed: str
    formula: float
    probabilities: float
    logits: float

    @property
    def agrees(self) -> bool:
        """Whether both forms are the formula to six places, and the paper prints its digits."""
        exact = max(abs(x - self.formula) for x in (self.probabilities, self.logits)) < 1e-6
        return exact and (not self.printed or is_printed(self.printed, self.formula))


def checks() -> Iterator[Check]:
    """All derivatives of all examples, three losses and two classes.

    Example:
        >>> all(check.agrees for check in checks())
        True
    """
    for example, (target, printed, formula) in EXAMPLES.items():
        halves = [(mc + lh) / 2 for mc, lh in zip(*formula.values(), strict=True)]
        expected = {**formula, "HybridLoss": tuple(halves)}
        for loss in LOSSES:
            by_p, by_logits = _gradient(loss, target, False), _gradient(loss, target, True)
            for i, name in enumerate(SCORES):
                shown = printed[loss][i] if loss in printed else ""
                yield Check(
                    example, target, loss, name, shown, expected[loss][i], by_p[i], by_logits[i]
                )


def is_printed(printed: str, value: float) -> bool:
    """Whether a number is what is printed: the paper rounds some numbers and cuts off others."""
    scale = 10 ** len(printed.partition(".")[2])
    return round(float(printed) * scale) in (round(value * scale), math.trunc(value * scale))


def _gradient(loss: str, target: tuple[int, int], from_logits: bool) -> list[float]:
    pair = Hierarchy.from_edges([("A", "B")], names=list(SCORES))
    p = torch.tensor(list(SCORES.values()), dtype=torch.float64)
    scores = (p.logit() if from_logits else p.clone()).requires_grad_()
    criterion = LOSSES[loss](pair, from_logits=from_logits, reduction="sum")
    (gradient,) = torch.autograd.grad(criterion(scores, torch.tensor(target)), scores)
    if from_logits:
        gradient = gradient / (p * (1 - p))
    return [float(g) for g in gradient]
