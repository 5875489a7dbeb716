"""What the systems share: one way to train any of them, and one to predict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from hierloss._placed import Placed
from hierloss._targets import checked, prepare, told_apart
from hierloss.hierarchy import Hierarchy
from hierloss.layers import MCM
from hierloss.topology import check_shape

Reduction = Literal["mean", "batchmean"]


class Output(NamedTuple):
    """What a network makes of its features.

    Attributes:
        global_logits: `(*, n)`, from the head that sees all classes at once.
        local_logits: `(*, n)`, from the heads of the levels; None where a network has none.
    """

    global_logits: Tensor
    local_logits: Tensor | None


class Model(Placed):
    r"""A network with its loss: what one training loop needs to know of any system.

    A system has a `forward` from features to an `Output`, a `criterion` that judges it, and
    `predict`. Most are trained in one stage; one that is trained in several says so in `stages`::

        for stage in range(model.stages):
            model.start(stage)
            optimizer = torch.optim.Adam(p for p in model.parameters() if p.requires_grad)
            for x, y in batches:
                optimizer.zero_grad()
                model.criterion(model(x), y).backward()
                optimizer.step()

    Args:
        hierarchy: The hierarchy of the classes.
        features: The number of features of a sample.
        weight: Share of each class in the loss, `(n,)`: losses are means over samples and classes,
            in proportion to it. 0 leaves a class out, such as an artificial root; it does not hold
            its children back either.

    Attributes:
        hierarchy: The hierarchy of the classes.
        features: The number of features of a sample.
        stages: How many stages the training has.
    """

    weight: Tensor | None
    stages: int = 1

    def __init__(self, hierarchy: Hierarchy, features: int, weight: Tensor | None = None) -> None:
        super().__init__()
        if not isinstance(hierarchy, Hierarchy):
            raise TypeError(f"expected a Hierarchy, got {type(hierarchy).__name__}")
        check_positive("features", features)
        self.hierarchy = hierarchy
        self.features = features
        self.constraint = MCM(hierarchy)
        self.register_buffer("weight", shares(weight, len(hierarchy)), persistent=False)

    def forward(self, x: Tensor) -> Output:
        """The logits of `(*, features)` features."""
        raise NotImplementedError

    def criterion(self, output: Output, target: Tensor) -> Tensor:
        """The training loss, a scalar, of an output and a `(*, n)` target.

        The target is as in `hierloss.functional.hybrid_loss`: closed upward, NaN or -1 for unknown.
        Both are checked on the CPU, and not on an accelerator, which would have to be waited for.
        """
        raise NotImplementedError

    def judged_by(self, target: Tensor, logits: Tensor) -> Tensor:
        """The target of logits, dense and checked; for losses that do not look at the edges."""
        target = checked(target, logits.shape)
        if target.device.type == "cpu" and not torch.compiler.is_compiling():
            told_apart(target, validate=True)
            of, positive = self.constraint.topology.on(target.device), target == 1
            if (positive[..., of.child] > positive[..., of.parent]).any():  # far cheaper
                prepare(target, of, validate=True)
        return target

    def raw(self, output: Output) -> Tensor:
        """The `(*, n)` probabilities of the network itself, before MCM."""
        return output.global_logits.sigmoid()

    def coherent(self, output: Output) -> Tensor:
        """The `(*, n)` coherent probabilities: `raw` behind MCM."""
        # MCM of logits would give equal logits probabilities that differ by a rounding.
        coherent: Tensor = self.constraint(self.raw(output))
        return coherent

    def probabilities(self, output: Output) -> Tensor:
        """The `(*, n)` probabilities that the system's paper evaluates: `coherent`, or `raw`."""
        return self.coherent(output)

    def start(self, stage: int) -> None:
        """Begin a stage of the training: only what is trained in it keeps ``requires_grad``."""
        if stage not in range(self.stages):
            raise ValueError(f"expected a stage from 0 to {self.stages - 1}, got {stage!r}")

    def learned(self) -> Tensor:
        """The classes that the present stage trains, `(n,)` bool."""
        return torch.ones(len(self.hierarchy), dtype=torch.bool)

    def unheld(self, scores: Tensor, top: float) -> Tensor:
        """Scores in which a class of weight 0 has another: the top one, to hold no child back."""
        return scores if self.weight is None else scores.masked_fill(self.weight == 0, top)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """Coherent probabilities, `(*, n)`, of `(*, features)`.

        Dropout is off, whatever mode the model and its parts are in; these stay as they are.
        """
        with evaluating(self):
            return self.coherent(self(x))

    def extra_repr(self) -> str:
        return f"features={self.features}"


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A context in which a model is in evaluation mode; then each part is in its own again."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


class Predictor(nn.Module):
    """A system as a plain module, from features to coherent probabilities, for `torch.export`.

    Args:
        model: The system. It is put into evaluation mode.

    Example:
        >>> from hierloss import Hierarchy
        >>> from hierloss.models import HLSTM, Predictor
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> program = torch.export.export(Predictor(HLSTM(h, 5, hidden=4)), (torch.zeros(2, 5),))
        >>> program.module()(torch.ones(2, 5)).shape
        torch.Size([2, 3])
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model.eval()

    def forward(self, x: Tensor) -> Tensor:
        """What `Model.predict` returns, with gradients."""
        return self.model.coherent(self.model(x))


def check_reduction(reduction: str) -> None:
    """Raise unless a loss of a model can be reduced so."""
    if reduction not in get_args(Reduction):
        raise ValueError(f"expected a reduction of {get_args(Reduction)}, got {reduction!r}")


def check_positive(what: str, value: float) -> None:
    """Raise unless a size is one."""
    if not (isinstance(value, Real) and value > 0):
        raise ValueError(f"expected {what} above 0, got {value!r}")


def check_share(what: str, value: float) -> None:
    """Raise unless a number is from 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"expected a {what} from 0 to 1, got {value!r}")


def shares(weight: Tensor | None, n: int) -> Tensor | None:
    """Weights scaled to a mean of 1, so that a mean over all classes is one in their proportion."""
    if weight is None:
        return None
    check_shape(weight, "a weight for each class", torch.Size([n]))
    weight = weight.detach().to(torch.get_default_dtype())
    if not (weight >= 0).all() or not 0 < weight.sum() < torch.inf:
        raise ValueError(
            f"expected weights of 0 or more, not all of them 0, got {weight.min():g} to "
            f"{weight.max():g}; 0 leaves a class out"
        )
    return weight * (n / weight.sum())
