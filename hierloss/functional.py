r"""The mathematics, as pure functions of tensors.

Every class is decided by one score: that of its best descendant, or the lowest of itself and its
parents. Which one that is does not change under small changes of the scores. So each function
selects the deciding scores, a loss applies an elementwise cost to them, and the gradient goes to
the class that decides. Of equal scores that of the class itself decides, else that of the first
child (for `lmc`: parent) in column order that attains the extremum, and so on from there.

Scores are `(*, n)`: the classes of the hierarchy last, any batch dimensions before them. Wherever
a hierarchy is asked for, a `hierloss.topology.Topology` of it will do; `torch.compile` makes one
graph of it even where the hierarchy is new.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import reduce

import torch
from torch import Tensor

from hierloss._costs import (
    Reduction,
    check_balance,
    check_options,
    check_probabilities,
    costs,
    reduced,
    weights,
)
from hierloss._targets import checked, prepare
from hierloss.hierarchy import Hierarchy
from hierloss.kernels import InvalidTarget, _ops, batched, exporting, reference, serves
from hierloss.topology import (
    Topology,
    check_classes,
    check_shape,
    check_strided,
    flat,
    from_rows,
    to_rows,
)

__all__ = ["hybrid_loss", "lh_loss", "lmc", "mc_loss", "mcm"]


def mcm(scores: Tensor, hierarchy: Hierarchy | Topology) -> Tensor:
    r"""Max constraint module: every class scores as high as its best descendant.

    .. math:: \text{MCM}(A) = \max_{B \in D(A)} l_B

    with :math:`D(A)` the class and all its descendants. The result is coherent, and since the
    maximum commutes with increasing maps, logits and probabilities are treated alike.

    Args:
        scores: Logits or probabilities.
        hierarchy: The hierarchy of the classes.

    Shape:
        Input and output: `(*, n)`.

    Raises:
        ValueError: The last dimension is not that of the classes.
        TypeError: The scores are not of a floating point type.

    Example:
        >>> h = Hierarchy.from_paths(["a/b/c"])
        >>> mcm(torch.tensor([0.1, 0.5, 0.3]), h)
        tensor([0.5000, 0.5000, 0.3000])

    References:
        Giunchiglia and Lukasiewicz, Coherent Hierarchical Multi-Label Classification Networks,
        2020, https://arxiv.org/abs/2010.10151
    """
    topology = _checked(scores, "scores", hierarchy)
    if serves(scores, topology.tables):
        return _ops.select(flat(scores), topology.tables, "max").view(scores.shape)
    rows = to_rows(scores)
    if exporting():
        return from_rows(reference.raised(rows, topology), scores.shape)
    return from_rows(rows.gather(0, reference.max_routes(rows, topology)), scores.shape)


def lmc(scores: Tensor, hierarchy: Hierarchy | Topology, *, closure: bool = False) -> Tensor:
    r"""Local min constraint: no class scores above its parents did.

    .. math:: \text{LMC}(j) = \min_{z \in \{j\} \cup \text{pa}(j)} l_z

    A class without parents keeps its score. One step does not make three levels coherent, because
    a parent may sink as well; with `closure` the minimum is over all ancestors, and it does.

    Args:
        scores: Logits or probabilities.
        hierarchy: The hierarchy of the classes.
        closure: Take all ancestors in place of the parents.

    Shape:
        Input and output: `(*, n)`.

    Raises:
        ValueError: The last dimension is not that of the classes.
        TypeError: The scores are not of a floating point type.

    Example:
        >>> h = Hierarchy.from_paths(["a/b/c"])
        >>> lmc(torch.tensor([0.1, 0.5, 0.5]), h)
        tensor([0.1000, 0.1000, 0.5000])
        >>> lmc(torch.tensor([0.1, 0.5, 0.5]), h, closure=True)
        tensor([0.1000, 0.1000, 0.1000])

    References:
        Qi and Chelmis, Hybrid Loss for Hierarchical Multi-label Classification Network, eq. 1
    """
    topology = _checked(scores, "scores", hierarchy)
    if serves(scores, topology.tables):
        kind = "min_all" if closure else "min"
        return _ops.select(flat(scores), topology.tables, kind).view(scores.shape)
    rows = to_rows(scores)
    if exporting():
        return from_rows(reference.lowered(rows, topology, closure), scores.shape)
    return from_rows(rows.gather(0, reference.min_routes(rows, topology, closure)), scores.shape)


def mc_loss(
    input: Tensor,
    target: Tensor,
    hierarchy: Hierarchy | Topology,
    *,
    from_logits: bool = True,
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    validate_targets: bool | None = None,
) -> Tensor:
    r"""Max constraint loss: a class is judged by its best descendant.

    .. math::
        \text{MCLoss}(A) = y_A\, \phi^+\Bigl(\max_{B \in D(A),\, y_B = 1} l_B\Bigr)
            + (1 - y_A)\, \phi^-\Bigl(\max_{B \in D(A)} l_B\Bigr)

    with the costs :math:`\phi^+(z) = \ln(1 + e^{-z})` of a positive and
    :math:`\phi^-(z) = \ln(1 + e^z)` of a negative class, :math:`l` the logits. A positive class
    is only judged by positive descendants. On coherent scores it equals the binary cross-entropy;
    elsewhere it is above it on negative classes and below it on positive ones.

    Arguments, shapes and errors are those of `hybrid_loss`, which with ``balance=1`` is this.

    Example:
        >>> h = Hierarchy.from_edges([("A", "B")], names=["A", "B"])
        >>> l = torch.tensor([0.3, 0.1])
        >>> mc_loss(l, torch.tensor([1, 1]), h, from_logits=False, reduction="none")
        tensor([1.2040, 1.2040])

    References:
        Giunchiglia and Lukasiewicz, Coherent Hierarchical Multi-Label Classification Networks,
        2020, https://arxiv.org/abs/2010.10151
    """
    return hybrid_loss(
        input,
        target,
        hierarchy,
        balance=1.0,
        from_logits=from_logits,
        reduction=reduction,
        weight=weight,
        pos_weight=pos_weight,
        sample_weight=sample_weight,
        validate_targets=validate_targets,
    )


def lh_loss(
    input: Tensor,
    target: Tensor,
    hierarchy: Hierarchy | Topology,
    *,
    from_logits: bool = True,
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    validate_targets: bool | None = None,
) -> Tensor:
    r"""Local hierarchical loss: a class is judged by the lowest of itself and its parents.

    .. math::
        \text{LHLoss}(j) = y_j\, \phi^+\bigl(\text{LMC}(j)\bigr)
            + (1 - y_j)\, \phi^-\bigl(\text{LMC}(j)\bigr)

    with the costs of `mc_loss` and one step of `lmc`. The parents of a positive class are
    positive, so that the minimum of :math:`y_z\, l(z)` in the paper is that of :math:`l(z)`. On
    coherent scores it equals the binary cross-entropy; elsewhere it is below it on negative
    classes and above it on positive ones.

    Arguments, shapes and errors are those of `hybrid_loss`, which with ``balance=0`` is this.

    Example:
        >>> h = Hierarchy.from_edges([("A", "B")], names=["A", "B"])
        >>> l = torch.tensor([0.3, 0.1])
        >>> lh_loss(l, torch.tensor([1, 1]), h, from_logits=False, reduction="none")
        tensor([2.3026, 2.3026])

    References:
        Qi and Chelmis, Hybrid Loss for Hierarchical Multi-label Classification Network, eqs. 2-4
    """
    return hybrid_loss(
        input,
        target,
        hierarchy,
        balance=0.0,
        from_logits=from_logits,
        reduction=reduction,
        weight=weight,
        pos_weight=pos_weight,
        sample_weight=sample_weight,
        validate_targets=validate_targets,
    )


def hybrid_loss(
    input: Tensor,
    target: Tensor,
    hierarchy: Hierarchy | Topology,
    *,
    balance: float = 0.5,
    local_input: Tensor | None = None,
    from_logits: bool = True,
    reduction: Reduction = "mean",
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    sample_weight: Tensor | None = None,
    validate_targets: bool | None = None,
) -> Tensor:
    r"""Hybrid loss: the global view of `mc_loss` and the local one of `lh_loss`.

    .. math:: \text{HL} = (1 - b_r)\, \text{LHLoss} + b_r\, \text{MCLoss}

    Args:
        input: Logits, or probabilities with ``from_logits=False``.
        target: 0 and 1 of any type, closed upward; dense, or a sparse tensor. NaN (floating) or
            -1 (integer) says that a label is unknown: its term is left out, and its score does
            not speak for a positive ancestor.
        hierarchy: The hierarchy of the classes.
        balance: The share :math:`b_r` of MCLoss.
        local_input: Scores for LHLoss in place of `input`, for models with local heads.
        from_logits: False for the paper's probability form, with logarithms cut at -100 as in
            `torch.nn.BCELoss`. Half precision is computed in float32 there.
        reduction: "mean" over samples and known classes, "sum", "batchmean" (the sum over classes,
            the mean over samples: the paper's eq. 4), or "none". A mean over nothing is 0.
        weight: Factor on the term of each class; 0 leaves out its term, and what decides it cannot
            matter. Its own score still decides for other classes.
        pos_weight: Factor on the terms of positive classes, as in `torch.nn.BCEWithLogitsLoss`.
        sample_weight: Factor on the terms of each sample.
        validate_targets: Check values and closure of the target, and that probabilities are some.
            By default that is done on the CPU, and not on an accelerator, where it would wait for
            it, nor under `torch.compile` or `torch.func.vmap`. Unchecked, a value that is no label
            makes its term NaN, and where a target is not closed, the terms of the classes concerned
            have no meaning.

    Shape:
        `input`, `local_input` and `target` are `(*, n)`, `weight` and `pos_weight` `(n,)`,
        `sample_weight` `(*)`. The result is a scalar, `(*, n)` for "none". Scalars of half
        precision input are float32, since their sum would not fit.

    Raises:
        ValueError: A shape, a target value, a target that is not closed upward, an option.
        TypeError: An input that is not floating point, something that is no tensor.

    Example:
        >>> h = Hierarchy.from_edges([("A", "B")], names=["A", "B"])
        >>> l = torch.tensor([0.3, 0.1], requires_grad=True)
        >>> hybrid_loss(l, torch.tensor([1, 1]), h, from_logits=False, reduction="sum").backward()
        >>> l.grad
        tensor([ -3.3333, -10.0000])

    References:
        Qi and Chelmis, Hybrid Loss for Hierarchical Multi-label Classification Network, eq. 5
    """
    balance = check_balance(balance)
    topology = _checked(input, "input", hierarchy)
    check_options(input.shape[-1], reduction, weight, pos_weight)
    if sample_weight is not None:
        check_shape(sample_weight, "a sample_weight for each sample", input.shape[:-1])
    if local_input is not None:
        if isinstance(local_input, Tensor) and local_input.shape == input.shape[:-1] != ():
            raise ValueError(
                f"expected a local_input of shape {tuple(input.shape)}, got "
                f"{tuple(local_input.shape)}; pass weights of samples as sample_weight="
            )
        _checked(local_input, "local_input", topology)
        check_shape(local_input, "local_input", input.shape)
    target = checked(target, input.shape)
    validate = validate_targets
    if validate is None:
        seen = input.device.type == "cpu" and not torch.compiler.is_compiling()
        validate = seen and not batched(input, target)
    if validate and not from_logits:
        check_probabilities(input, "an input")
        if local_input is not None:
            check_probabilities(local_input, "a local_input")
    scalings = weight, pos_weight, sample_weight
    given = topology.tables, target, local_input, *scalings
    plain = from_logits and reduction != "none" and not _any_learned(*scalings)
    if plain and serves(input, *given):
        parts = [(input, 1 - balance, balance)]
        if local_input is not None:
            parts = [(local_input, 1 - balance, 0.0), (input, 0.0, balance)]
        return _fused(parts, target, topology, scalings, reduction, validate)
    y = prepare(target, topology, validate)
    factor = weights(y, input.dtype, weight, pos_weight, sample_weight)
    rows = to_rows(input)
    loss = input.new_zeros(())
    with _without_autocast(input.device.type):
        if balance > 0:
            routes = reference.mc_routes(rows, y.positive, y.closed, topology)
            cost = costs(rows.gather(0, routes), y, factor, from_logits)
            loss = loss + balance * reduced(cost, y, reduction, input.shape)
        if balance < 1:
            rows = rows if local_input is None else to_rows(local_input)
            routes = reference.min_routes(rows, topology, closure=False)
            cost = costs(rows.gather(0, routes), y, factor, from_logits)
            loss = loss + (1 - balance) * reduced(cost, y, reduction, input.shape)
    return loss


def _fused(
    parts: list[tuple[Tensor, float, float]],
    target: Tensor,
    topology: Topology,
    scalings: tuple[Tensor | None, Tensor | None, Tensor | None],
    reduction: Reduction,
    validate: bool,
) -> Tensor:
    *by_class, by_sample = scalings
    by_sample = None if by_sample is None else by_sample.reshape(-1)
    rows, *factors = (_kept(x) for x in (flat(target), *by_class, by_sample))
    try:
        losses = [
            _ops.loss(flat(x), rows, topology.tables, *factors, reduction, *shares, validate)
            for x, *shares in parts
            if any(shares)
        ]
    except InvalidTarget:
        prepare(target, topology, True)
        raise
    return reduce(torch.add, losses)


def _kept(x: Tensor | None) -> Tensor | None:
    """A tensor that autograd may keep, also where it was made for inference."""
    if x is None or torch.compiler.is_compiling() or torch.is_inference_mode_enabled():
        return x
    return x.clone() if x.is_inference() else x


def _without_autocast(device: str) -> AbstractContextManager[object]:
    # The device "meta" has none. Not every version of torch.compile can trace the question.
    compiled = torch.compiler.is_compiling() and device in ("cpu", "cuda")
    known = compiled or torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if known else nullcontext()


def _any_learned(*scalings: Tensor | None) -> bool:
    return any(x is not None and x.requires_grad for x in scalings)


def _checked(scores: Tensor, what: str, hierarchy: Hierarchy | Topology) -> Topology:
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        got = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"expected {what} that is a floating point Tensor, got {got}")
    check_strided(scores, what)
    if isinstance(hierarchy, Topology):
        topology = hierarchy.on(scores.device)
    else:
        topology = Topology.of(hierarchy, scores.device)
    check_classes(scores, what, topology.hierarchy)
    return topology
