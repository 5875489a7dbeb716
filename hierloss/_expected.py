"""The classes that maximise hierarchical F in expectation."""

from __future__ import annotations

import torch
from torch import Tensor

from hierloss._counts import Average, check_average, check_beta
from hierloss._search import check_scores, counted
from hierloss.hierarchy import Hierarchy


def expected_f(
    probabilities: Tensor,
    hierarchy: Hierarchy,
    classes: Tensor | None = None,
    *,
    beta: float = 1.0,
    average: Average = "macro",
) -> Tensor:
    r"""The classes that maximise hierarchical F in expectation, with no threshold to choose.

    Exactly: the set P, closed upward, that maximises the ratio of the expectations

    .. math::
        F(P) = \frac{(1 + \beta^2)\, \mathbb{E} |P \cap T|}{\mathbb{E} (|P| + \beta^2 |T|)}
             = \frac{(1 + \beta^2) \sum_{A \in P} p_A}{|P| + \beta^2 \sum_A p_A}

    for true classes T of the given probabilities, which need not be independent; 0 / 0 counts as 0.
    The maximum over all sets is that over the k most probable classes, for some k; since the
    probabilities are coherent, it is closed upward: those with :math:`p_A > F / (1 + \beta^2)`, F
    the maximum. Of several maxima the smallest is taken, with all classes as probable as its last.

    It is not the expectation of the ratio, which depends on how labels occur together.

    **Guarantee.** Closed upward, since the probabilities have to be coherent. `classes` changes
    nothing in that: what does not count is taken where it is as probable as what is taken.

    Args:
        probabilities: Coherent probabilities, such as ``MCM(h)(logits.sigmoid())``. In the other
            order the sigmoid of equal logits may differ by a rounding, which is not coherent.
        hierarchy: The hierarchy of the classes.
        classes: The columns that count; all by default.
        beta: How much more recall counts than precision: a finite number of 0 or more.
        average: "macro" maximises F for each sample, "micro" one F of all samples together, so that
            a decision then depends on the other samples.

    Shape:
        `probabilities` is `(*, n)`, `classes` is `(n,)`. The result is `(*, n)`, bool.

    Raises:
        ValueError: Values that are no probabilities, or not coherent; a shape, or an option.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> p = torch.tensor([[0.9, 0.6, 0.2], [0.3, 0.2, 0.1]])
        >>> expected_f(p, h)
        tensor([[ True,  True, False],
                [ True,  True, False]])
        >>> expected_f(p, h, average="micro")
        tensor([[ True,  True, False],
                [False, False, False]])

    References:
        Lewis, Evaluating and optimizing autonomous text classification systems, 1995,
        https://doi.org/10.1145/215206.215366;
        Ye, Chai, Lee and Chieu, Optimizing F-measures: a tale of two approaches, 2012,
        https://arxiv.org/abs/1206.4625;
        Lipton, Elkan and Narayanaswamy, Thresholding classifiers to maximize F1 score, 2014,
        https://arxiv.org/abs/1402.1892
    """
    check_average(average)
    check_beta(beta)
    check_scores(probabilities, hierarchy)
    _check_coherent_probabilities(probabilities, hierarchy)
    p = probabilities[..., counted(classes, hierarchy).to(probabilities.device)]
    together = p.reshape(-1) if average == "micro" else p
    return probabilities >= _least_probable(together.sort(descending=True)[0], beta)


def _check_coherent_probabilities(p: Tensor, hierarchy: Hierarchy) -> None:
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        raise ValueError(
            f"expected probabilities from 0 to 1, got {p[outside][0].item()!r}; "
            "those of logits are logits.sigmoid()"
        )
    if not hierarchy.is_coherent(p):
        raise ValueError(
            "expected coherent probabilities, got a class above one of its parents; "
            "MCM(hierarchy)(probabilities) makes them coherent"
        )


def _least_probable(descending: Tensor, beta: float) -> Tensor:
    """The last of ordered probabilities to take, `(*, 1)`, infinity for none."""
    true = descending.double().cumsum(-1)
    k = torch.arange(1, descending.shape[-1] + 1, device=true.device)
    f = true / (k + beta**2 * true[..., -1:])
    none = descending.new_full(descending.shape[:-1] + (1,), torch.inf)
    best = torch.cat([torch.zeros_like(none, dtype=f.dtype), f], -1).argmax(-1, keepdim=True)
    return torch.cat([none, descending], -1).gather(-1, best)
