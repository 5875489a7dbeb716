"""HLSTM: an LSTM that steps down the levels, trained with the hybrid loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hierloss.hierarchy import Hierarchy
from hierloss.losses import HybridLoss
from hierloss.models._levels import LocalHeads
from hierloss.models._recurrence import Recurrence
from hierloss.models.base import Model, Output, Reduction, check_positive, check_reduction

Initializer = Literal["zeros", "ones", "constant", "normal", "xavier", "he"]
Transition = Literal["relu", "linear"]


class HLSTM(Model):
    r"""Hybrid LSTM: the network of the hybrid loss.

    A recurrent cell, shared by the levels, takes one step for each level and sees the features at
    each of them. From its state :math:`A^h` the local head of the level scores its classes; from
    the last one :math:`A^d` the global head scores all. With :math:`[\cdot;\cdot]` for joined
    vectors:

    .. math:: F^h = \sigma(W_F [A^{h-1}; x] + b_F), \quad I^h = \sigma(W_I [A^{h-1}; x] + b_I)

    .. math:: \hat C^h = \tanh(W_C [A^{h-1}; x] + b_C), \quad O^h = \sigma(W_O [A^{h-1}; x] + b_O)

    .. math:: C^h = F^h C^{h-1} + I^h \hat C^h, \quad A^h = O^h \tanh(C^h)

    .. math:: A_L^h = \text{ReLU}(W_T^h A^h + b_T^h), \quad l^h = W_L^h A_L^h + b_L^h

    .. math:: P = \text{MCM}(\sigma(W^{d+1} A^d + b^{d+1}))

    Trained is :math:`(1 - b_r)` LHLoss of the local and :math:`b_r` MCLoss of the global logits.
    The local heads are not used in predictions. With ``balance=1`` the network is CHMC-LSTM, and
    has none.

    Readings, where the paper leaves a choice or slips: :math:`\odot` in eqs. 6 to 8 and
    :math:`\cdot` in eq. 10 join vectors, as their sizes differ; the bias of P is outside the
    product; A and :math:`A_G` are the same state. The transition, of which the paper has no
    equation, has a bias and ReLU, as in HMCN, and the local output a bias, which starts at 0. Steps
    and levels are the longest paths, so that also in a DAG the parents of a class are on earlier
    levels; LHLoss is taken of all local logits together, because parents have other heads. Both
    losses have one `reduction`; the sum of eq. 4 beside the mean in the code of C-HMCNN would
    multiply the local share by the number of classes. The root that Definition 1 excludes has no
    score: a class of weight 0 is no parent in LMC. "Uniformly initialized" is that of
    `torch.nn.LSTM`. The paper names no hidden size: 384 is that of HMCN.

    Args:
        hierarchy: As in `Model`.
        features: As in `Model`.
        hidden: Units of the cell, and of each transition.
        balance: The share :math:`b_r` of MCLoss, above 0.
        initializer: How the local weights :math:`W_L` start, by the names of Appendix B:
            "zeros", "ones", "constant", "normal" (of deviation 1), "xavier" (uniform), "he"
            (normal, of deviation :math:`\sqrt{2 / n_{in}}` as He et al. have it; the paper prints
            :math:`\sqrt{1 / n_{in}}`).
        constant: The value of a "constant" start.
        transition: "relu", or "linear" for a transition without ReLU.
        reduction: Of both losses: "mean", or "batchmean" for the sum over classes of eq. 4. For
            Adam the scale of a loss matters beside a weight decay only, which a mean over n classes
            makes n times as strong.
        weight: As in `Model`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> model = HLSTM(h, 5, hidden=8)
        >>> model.criterion(model(torch.randn(4, 5)), h.encode([["a/b"], ["a"], [], ["a/c"]])).shape
        torch.Size([])
        >>> h.is_coherent(model.predict(torch.randn(4, 5)))
        True

    References:
        Qi and Chelmis, Hybrid Loss for Hierarchical Multi-label Classification Network, Section IV
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        features: int,
        *,
        hidden: int = 384,
        balance: float = 0.5,
        initializer: Initializer = "constant",
        constant: float = 0.1,
        transition: Transition = "relu",
        reduction: Reduction = "mean",
        weight: Tensor | None = None,
    ) -> None:
        super().__init__(hierarchy, features, weight)
        check_positive("hidden", hidden)
        if balance == 0:
            raise ValueError(
                "expected a balance above 0, got 0, with which the global head, the one that "
                "predicts, would not learn; LHLoss(hierarchy) serves a network with one head"
            )
        if initializer not in get_args(Initializer):
            raise ValueError(
                f"expected an initializer of {get_args(Initializer)}, got {initializer!r}"
            )
        if transition not in get_args(Transition):
            raise ValueError(f"expected a transition of {get_args(Transition)}, got {transition!r}")
        check_reduction(reduction)
        self.loss = HybridLoss(hierarchy, balance=balance, weight=self.weight, reduction=reduction)
        self.cell = Recurrence(features, hidden, hierarchy.depth + 1)
        self.head = nn.Linear(hidden, len(hierarchy))
        self.local = None
        if balance < 1:
            self.local = LocalHeads(hierarchy, hidden, hidden, relu=transition == "relu")
            for output in self.local.outputs:
                _initialize(output, initializer, constant)

    def forward(self, x: Tensor) -> Output:
        states: list[Tensor] = self.cell(x)
        return Output(self.head(states[-1]), None if self.local is None else self.local(states))

    def criterion(self, output: Output, target: Tensor) -> Tensor:
        local = output.local_logits
        if local is not None:
            local = self.unheld(local, torch.inf)
        loss: Tensor = self.loss(output.global_logits, target, local_input=local)
        return loss


def _initialize(output: nn.Module, initializer: Initializer, constant: float) -> None:
    """Start the weights and biases of a local output."""
    fill: dict[Initializer, Callable[[Tensor], object]] = {
        "zeros": nn.init.zeros_,
        "ones": nn.init.ones_,
        "constant": lambda w: nn.init.constant_(w, constant),
        "normal": nn.init.normal_,
        "xavier": nn.init.xavier_uniform_,
        "he": nn.init.kaiming_normal_,
    }
    fill[initializer](output.get_parameter("weight"))
    nn.init.zeros_(output.get_parameter("bias"))
