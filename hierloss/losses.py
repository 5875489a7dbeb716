"""The losses, as modules."""

from __future__ import annotations

from typing import TypedDict

from torch import Tensor, nn

import hierloss.functional as HF
from hierloss._costs import Reduction, check_balance, check_options, check_weights
from hierloss.hierarchy import Hierarchy
from hierloss.topology import Topology

__all__ = ["HybridLoss", "LHLoss", "MCLoss"]


class _Options(TypedDict):
    from_logits: bool
    reduction: Reduction
    weight: Tensor | None
    pos_weight: Tensor | None
    validate_targets: bool | None


class _Loss(nn.Module):
    """What the losses share: a hierarchy and the options of all of them."""

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        from_logits: bool = True,
        reduction: Reduction = "mean",
        weight: Tensor | None = None,
        pos_weight: Tensor | None = None,
        validate_targets: bool | None = None,
    ) -> None:
        super().__init__()
        check_options(len(hierarchy), reduction, weight, pos_weight)
        self.topology = Topology(hierarchy)
        check_weights(hierarchy.names, weight, pos_weight)
        self.from_logits = from_logits
        self.reduction: Reduction = reduction
        self.validate_targets = validate_targets
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("pos_weight", pos_weight, persistent=False)

    @property
    def _options(self) -> _Options:
        return {
            "from_logits": self.from_logits,
            "reduction": self.reduction,
            "weight": self.weight,
            "pos_weight": self.pos_weight,
            "validate_targets": self.validate_targets,
        }

    def extra_repr(self) -> str:
        return f"from_logits={self.from_logits}, reduction={self.reduction!r}"


class MCLoss(_Loss):
    """Max constraint loss: a class is judged by its best descendant.

    See `hierloss.functional.mc_loss` for the formula, shapes and errors, and `HybridLoss` for the
    options.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> MCLoss(h)(torch.zeros(2, 3), h.encode([["a/b"], ["a"]]))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """The loss of `(*, n)` scores and targets."""
        return HF.mc_loss(
            input, target, self.topology, sample_weight=sample_weight, **self._options
        )


class LHLoss(_Loss):
    """Local hierarchical loss: a class is judged by the lowest of itself and its parents.

    See `hierloss.functional.lh_loss` for the formula, shapes and errors, and `HybridLoss` for the
    options.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> LHLoss(h)(torch.zeros(2, 3), h.encode([["a/b"], ["a"]]))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """The loss of `(*, n)` scores and targets."""
        return HF.lh_loss(
            input, target, self.topology, sample_weight=sample_weight, **self._options
        )


class HybridLoss(_Loss):
    """Hybrid loss: the global view of MCLoss and the local one of LHLoss.

    See `hierloss.functional.hybrid_loss` for the formula, arguments, shapes and errors.

    Args:
        hierarchy: The hierarchy of the classes.
        balance: The share of MCLoss, the paper's :math:`b_r`.
        from_logits: Whether inputs are logits; False for probabilities.
        reduction: "mean", "sum", "batchmean" or "none".
        weight: Factor on each class, `(n,)`, finite and 0 or more.
        pos_weight: Factor on each positive class, likewise.
        validate_targets: Check targets; by default on the CPU only, and not under `torch.compile`.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> logits = torch.zeros(2, 3, requires_grad=True)
        >>> HybridLoss(h)(logits, h.encode([["a/b"], ["a"]])).item()
        0.6931...
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        balance: float = 0.5,
        from_logits: bool = True,
        reduction: Reduction = "mean",
        weight: Tensor | None = None,
        pos_weight: Tensor | None = None,
        validate_targets: bool | None = None,
    ) -> None:
        super().__init__(
            hierarchy,
            from_logits=from_logits,
            reduction=reduction,
            weight=weight,
            pos_weight=pos_weight,
            validate_targets=validate_targets,
        )
        self.balance = check_balance(balance)

    def forward(
        self,
        input: Tensor,
        target: Tensor,
        local_input: Tensor | None = None,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """The loss of `(*, n)` scores and targets, and of local scores where a model has them."""
        return HF.hybrid_loss(
            input,
            target,
            self.topology,
            balance=self.balance,
            local_input=local_input,
            sample_weight=sample_weight,
            **self._options,
        )

    def extra_repr(self) -> str:
        return f"balance={self.balance}, {super().extra_repr()}"
