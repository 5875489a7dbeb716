"""HMCN: local and global outputs side by side, feed-forward (F) or recurrent (R)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

import hierloss.functional as HF
from hierloss.hierarchy import Hierarchy
from hierloss.models._levels import Feedforward, LocalHeads, level_shares
from hierloss.models._recurrence import Recurrence
from hierloss.models.base import Model, Output, check_positive, check_share
from hierloss.topology import Topology

GlobalLoss = Literal["bce", "mc"]


class HMCN(Model):
    r"""What HMCN-F and HMCN-R share: everything but the way from one level's state to the next.

    From the state :math:`A_G^h` of each level the local head scores the classes of the level, and
    from the last one the global head scores all. Trained is

    .. math::
        L = \sum_h \text{BCE}(P_L^h, y^h) + \text{BCE}(P_G, y)
            + \lambda \sum_{n \to p} \max(0, P_{L,n} - P_{L,p})^2

    with the last sum over all edges from a class n to a parent p. The prediction is
    :math:`P_F = \beta\, P_L + (1 - \beta)\, P_G`, which may be incoherent.

    With ``global_loss="mc"`` the global loss is MCLoss, and the prediction
    :math:`\text{MCM}(P_F)`: that is HMCN-CHMC, which has no use for a `penalty`.

    Readings: BCE is a mean over samples and the classes concerned, the violation a sum over edges
    and a mean over samples, of the local probabilities; edges of a class of weight 0 do not count.
    Levels are longest paths. The residual connections of the paper are the features joined to each
    state. Batch norm is off by default, since with the paper's batches of 4 samples its statistics
    are mostly noise. Sizes, dropout, the factor of the violation and :math:`\beta` are those that
    others report of the paper.

    Args:
        hierarchy: As in `Model`.
        features: As in `Model`.
        hidden: Units of each state.
        local_hidden: Units of each transition to a local output.
        beta: The share :math:`\beta` of the local probabilities in the prediction.
        penalty: The factor :math:`\lambda` of the violation.
        dropout: Share of the units of layers with ReLU dropped in training.
        batch_norm: Normalise these layers over the batch. A batch of one sample in training is
            normalised by the running statistics.
        concat_input: Let the global head see the features beside the last state; sources differ.
        global_loss: "bce", or "mc" for MCLoss.
        weight: As in `Model`.

    References:
        Wehrmann, Cerri and Barros, Hierarchical Multi-Label Classification Networks, 2018,
        https://proceedings.mlr.press/v80/wehrmann18a.html
    """

    level_weight: Tensor
    child: Tensor
    parent: Tensor

    def __init__(
        self,
        hierarchy: Hierarchy,
        features: int,
        *,
        hidden: int = 384,
        local_hidden: int = 384,
        beta: float = 0.5,
        penalty: float = 0.1,
        dropout: float = 0.6,
        batch_norm: bool = False,
        concat_input: bool = False,
        global_loss: GlobalLoss = "bce",
        weight: Tensor | None = None,
    ) -> None:
        super().__init__(hierarchy, features, weight)
        check_positive("hidden", hidden)
        check_positive("local_hidden", local_hidden)
        check_share("beta", beta)
        if not penalty >= 0:
            raise ValueError(f"expected a penalty of 0 or more, got {penalty!r}")
        if global_loss not in get_args(GlobalLoss):
            raise ValueError(
                f"expected a global_loss of {get_args(GlobalLoss)}, got {global_loss!r}"
            )
        self.beta = beta
        self.penalty = penalty
        self.concat_input = concat_input
        self.global_loss = global_loss
        self.flow = self._flow(hidden, dropout, batch_norm)
        self.local = LocalHeads(
            hierarchy, hidden, local_hidden, dropout=dropout, batch_norm=batch_norm
        )
        self.head = nn.Linear(hidden + features * concat_input, len(hierarchy))
        # MCLoss of a hierarchy without edges is the binary cross-entropy.
        self.flat = Topology(Hierarchy.from_edges([], names=hierarchy.names))
        self.hold("level_weight", level_shares(hierarchy, self.weight))
        edges = hierarchy.edge_index
        if self.weight is not None:
            counted = (self.weight.cpu() > 0).numpy()
            edges = edges[:, counted[edges].all(0)]
        self.hold("child", torch.from_numpy(edges[0].copy()))
        self.hold("parent", torch.from_numpy(edges[1].copy()))

    def _flow(self, hidden: int, dropout: float, batch_norm: bool) -> nn.Module:
        """The global flow: from `(*, features)` to one state `(*, hidden)` for each level."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Output:
        states: list[Tensor] = self.flow(x)
        last = torch.cat([states[-1], x], -1) if self.concat_input else states[-1]
        return Output(self.head(last), self.local(states))

    def criterion(self, output: Output, target: Tensor) -> Tensor:
        local = _local(output)
        target = self.judged_by(target, local)
        judged = self.flat if self.global_loss == "bce" else self.constraint.topology
        level_weight = self.held("level_weight", local.device)
        loss = HF.mc_loss(local, target, self.flat, weight=level_weight)
        loss = loss + HF.mc_loss(output.global_logits, target, judged, weight=self.weight)
        return loss + self.penalty * self.violation(local.sigmoid()) if self.penalty else loss

    def violation(self, probabilities: Tensor) -> Tensor:
        """The violation term of `(*, n)` probabilities, the mean over samples."""
        child, parent = (self.held(x, probabilities.device) for x in ("child", "parent"))
        above = probabilities[..., child] - probabilities[..., parent]
        terms = above.relu().square().sum(-1)
        return terms.sum() / max(terms.numel(), 1)

    def raw(self, output: Output) -> Tensor:
        overall, local = output.global_logits.sigmoid(), _local(output).sigmoid()
        if self.weight is not None:  # what was not trained must not raise what is above it
            local = torch.where(self.weight == 0, overall, local)
        mixed = torch.lerp(overall, local, self.beta)
        if self.global_loss == "bce":
            return self.unheld(mixed, 0.0)  # here the global output was not trained either
        return mixed

    def probabilities(self, output: Output) -> Tensor:
        return self.raw(output) if self.global_loss == "bce" else self.coherent(output)

    def extra_repr(self) -> str:
        return (
            f"{super().extra_repr()}, beta={self.beta}, penalty={self.penalty}, "
            f"global_loss={self.global_loss!r}"
        )


class HMCNF(HMCN):
    r"""HMCN-F: the feed-forward network, with a layer of its own for each level.

    .. math:: A_G^1 = \phi(W_G^1 x + b_G^1), \quad A_G^h = \phi(W_G^h [A_G^{h-1}; x] + b_G^h)

    with :math:`\phi` ReLU, then batch norm and dropout where asked for. All the rest is that of
    `HMCN`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> HMCNF(h, 5, hidden=8, local_hidden=8).predict(torch.randn(4, 5)).shape
        torch.Size([4, 3])
    """

    def _flow(self, hidden: int, dropout: float, batch_norm: bool) -> nn.Module:
        levels = self.hierarchy.depth + 1
        return Feedforward(self.features, hidden, levels, dropout=dropout, batch_norm=batch_norm)


class HMCNR(HMCN):
    r"""HMCN-R: the recurrent network, with one cell for all levels.

    The cell is that of `HLSTM`, so that the global flow has :math:`4 (k (k + |x|) + k)` parameters
    for k hidden units, whatever the depth. All the rest is that of `HMCN`.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> HMCNR(h, 5, hidden=8, local_hidden=8).predict(torch.randn(4, 5)).shape
        torch.Size([4, 3])
    """

    def _flow(self, hidden: int, dropout: float, batch_norm: bool) -> nn.Module:
        return Recurrence(self.features, hidden, self.hierarchy.depth + 1)


def _local(output: Output) -> Tensor:
    """The local logits, which these networks have."""
    if output.local_logits is None:
        raise TypeError("expected an output with local logits, got one without")
    return output.local_logits
