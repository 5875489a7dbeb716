"""The constraint layers."""

from __future__ import annotations

from torch import Tensor, nn

import hierloss.functional as HF
from hierloss.hierarchy import Hierarchy
from hierloss.topology import Topology

__all__ = ["LMC", "MCM"]


class MCM(nn.Module):
    """Max constraint module: makes scores coherent by raising ancestors.

    See `hierloss.functional.mcm` for the formula, shapes and errors.

    Args:
        hierarchy: The hierarchy of the classes.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b/c"])
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, len(h)), MCM(h))
        >>> h.is_coherent(model(torch.randn(4, 8)))
        True
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        self.topology = Topology(hierarchy)

    def forward(self, scores: Tensor) -> Tensor:
        """The constrained scores, `(*, n)`."""
        return HF.mcm(scores, self.topology)


class LMC(nn.Module):
    """Local min constraint: lowers a class to its parents, or to all its ancestors.

    See `hierloss.functional.lmc` for the formula, shapes and errors.

    Args:
        hierarchy: The hierarchy of the classes.
        closure: Take all ancestors in place of the parents; the result is coherent then.

    Example:
        >>> import torch
        >>> h = Hierarchy.from_paths(["a/b/c"])
        >>> LMC(h)(torch.tensor([0.1, 0.5, 0.5]))
        tensor([0.1000, 0.1000, 0.5000])
    """

    def __init__(self, hierarchy: Hierarchy, *, closure: bool = False) -> None:
        super().__init__()
        self.topology = Topology(hierarchy)
        self.closure = closure

    def forward(self, scores: Tensor) -> Tensor:
        """The constrained scores, `(*, n)`."""
        return HF.lmc(scores, self.topology, closure=self.closure)

    def extra_repr(self) -> str:
        return f"closure={self.closure}"
