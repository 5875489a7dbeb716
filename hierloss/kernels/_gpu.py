"""The kernels for GPUs, in Triton: what `hierloss.kernels.reference` defines, in a few launches.

Scores are `(samples, n)` and contiguous. `tables` is what `hierloss.kernels._tables.pack` made, on
the same device. Nothing waits for the device, so that all of it can become part of a CUDA graph,
and results are the same whenever they are computed again.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from hierloss._costs import Reduction
from hierloss.kernels import InvalidTarget, slope_type, sum_type
from hierloss.kernels import _gpu_sweeps as sweeps
from hierloss.kernels import _gpu_terms as terms

__all__ = ["counts", "loss", "scatter", "select"]

Kind = Literal["max", "min", "min_all"]


class Tile(NamedTuple):
    """What a program looks at at once, powers of two.

    Attributes:
        rows: So many classes, at most.
        width: So many neighbours of each.
        warps: What looks at them.
        registers: Of a thread, at most: more threads fit then.
    """

    rows: int
    width: int
    warps: int
    registers: int | None = None


# Lists of children are of very different length, in the Gene Ontology of up to 426, those of
# parents are not, of up to 11.
ARRANGE = Tile(1024, 1, 8)
JUDGE = Tile(2048, 1, 16)
LOWER = Tile(512, 1, 4)
LEAD = Tile(512, 4, 8)
LEAD_OF_MANY = Tile(256, 4, 4)
LEAD_BY_PARENTS = Tile(1024, 2, 16)
POUR = Tile(1024, 1, 16)
POUR_BY_CHILDREN = Tile(256, 8, 16)
# It has the tiles of the tables, and a program for so many classes.
SETTLE = Tile(256, 4, 4, registers=64)
TRACE = Tile(256, 8, 16)
TRACE_BY_PARENTS = Tile(1024, 2, 16)
HAND = Tile(256, 8, 16)
STEP = Tile(1024, 2, 16)

#: So many samples keep a GPU busy by themselves.
MANY = 256


class _Judged(NamedTuple):
    """What `settle` asks for, by position.

    Attributes:
        state: What the target says of a class.
        share: The weight of its term.
        lowest: The lowest of it and its parents, where LHLoss has a share.
        flow: The weights that pass through it, where MCLoss has a share.
        leader: The neighbour on the way to the class that decides it.
        closed: Whether it is positive or has a positive descendant.
    """

    state: Tensor
    share: Tensor
    lowest: Tensor | None = None
    flow: Tensor | None = None
    leader: Tensor | None = None
    closed: Tensor | None = None


def select(scores: Tensor, tables: Tensor, kind: Kind, routed: bool) -> tuple[Tensor, Tensor]:
    """The deciding score of each class, and the column of the class that has it.

    Args:
        scores: `(samples, n)`.
        tables: The hierarchy.
        kind: "max" for the best of a class and its descendants, "min" for the lowest of a class
            and its parents, "min_all" for the lowest of a class and its ancestors.
        routed: Whether the columns are wanted; without them they are `(0, n)`.

    Returns:
        Values like the scores, and int32 columns.
    """
    values, routes = torch.empty_like(scores), torch.empty_like(scores, dtype=torch.int32)
    if kind == "min":
        _by_tile(sweeps.step, STEP, scores, tables, values, routes)
    else:
        best, up = _accumulator(scores), kind == "max"
        tile, sign = (_lead(scores), 1) if up else (LEAD_BY_PARENTS, -1)
        _by_tile(sweeps.arrange, ARRANGE, scores, tables, best, values, routes, SIGN=sign)
        out = None, best, None, None, values, routes
        _by_sample(sweeps.lead, tile, scores, tables, *out, SIGN=sign, CHILDREN=up)
    return values, routes if routed else routes.new_empty(0, scores.shape[1])


def scatter(grad: Tensor, routes: Tensor, tables: Tensor, kind: Kind) -> Tensor:
    """The gradient of `select`: each class gets the sum of what it decided.

    Args:
        grad: The gradient with respect to the values, `(samples, n)`.
        routes: What `select` gave for the same tables and kind.
        tables: The hierarchy.
        kind: As for `select`.
    """
    out = torch.empty_like(grad)
    if kind == "min":
        _by_tile(sweeps.hand, HAND, grad, routes, tables, out)
        return out
    leader, flow = torch.empty_like(routes), _accumulator(grad)
    up = kind == "max"
    tracing, pouring = (TRACE, POUR) if up else (TRACE_BY_PARENTS, POUR_BY_CHILDREN)
    _by_tile(sweeps.trace, tracing, routes, tables, leader, CHILDREN=up)
    _by_sample(sweeps.pour, pouring, grad, tables, leader, flow, out, CHILDREN=not up)
    return out


def counts(
    scores: Tensor,
    target: Tensor,
    tables: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    local: float,
    globl: float,
) -> tuple[Tensor, Tensor]:
    """The weighted numbers of positive and of negative classes that each class decides.

    Args:
        scores: `(samples, n)`.
        target: `(samples, n)`, of any real type.
        tables: The hierarchy.
        weight: Factor on the term of each class, `(n,)`.
        pos_weight: Factor on the terms of positive classes, `(n,)`.
        local: Factor on the terms of LHLoss.
        globl: Factor on the terms of MCLoss.

    Returns:
        Two tensors like the scores, in float32, of float64 scores in float64.
    """
    judged, _ = _judged(scores, target, tables, weight, pos_weight, local, globl)
    p, n = _accumulator(scores), _accumulator(scores)
    out = None, p, n, None, None
    _by_tile(terms.settle, SETTLE, scores, tables, *judged, local, globl, *out)
    return p, n


def loss(
    scores: Tensor,
    target: Tensor,
    tables: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    sample_weight: Tensor | None,
    reduction: Reduction,
    local: float,
    globl: float,
    validate: bool,
    gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The reduced loss, and its gradient with respect to the scores.

    Args:
        scores: `(samples, n)`.
        target: `(samples, n)`, of any real type.
        tables: The hierarchy.
        weight: Factor on the term of each class, `(n,)`.
        pos_weight: Factor on the terms of positive classes, `(n,)`.
        sample_weight: Factor on the terms of each sample, `(samples,)`.
        reduction: "sum", "mean" or "batchmean".
        local: Factor on the terms of LHLoss.
        globl: Factor on the terms of MCLoss.
        validate: Whether to raise for a target that is not right, which waits for the device.
        gradient: Whether the gradient is wanted; without it, it is `(0, n)`.

    Returns:
        The loss, slopes `(samples, n)` of `hierloss.kernels.slope_type`, and the factor that makes
        them the gradient. Loss and factor are scalars in float32, or in float64 for float64 scores.

    Raises:
        InvalidTarget: A value that is no label, or a target that is not closed upward.
    """
    if validate:
        _validate(scores, target, tables)
    judged, known = _judged(scores, target, tables, weight, pos_weight, local, globl)
    samples = scores.shape[0]
    expected = samples if reduction == "batchmean" else 1
    divisor = known.sum() if reduction == "mean" else known.new_full((), expected)
    divisor = divisor.clamp_(min=1).to(sum_type(scores))
    slopes = torch.empty_like(scores if gradient else scores[:0], dtype=slope_type(scores))
    total = divisor.new_empty(_tiles(scores, SETTLE))
    if sample_weight is not None:
        sample_weight = sample_weight.contiguous()
    out = sample_weight, None, None, total, slopes if gradient else None
    _by_tile(terms.settle, SETTLE, scores, tables, *judged, local, globl, *out)
    return total.sum() / divisor, slopes, 1 / divisor


def _judged(
    scores: Tensor,
    target: Tensor,
    tables: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    local: float,
    globl: float,
) -> tuple[_Judged, Tensor]:
    """All that comes before costs, and the number of known classes in each tile."""
    state, share = torch.empty_like(scores, dtype=torch.int8), _accumulator(scores)
    known = scores.new_empty(_tiles(scores, JUDGE), dtype=torch.int32)
    target = target.view(torch.uint8) if target.dtype == torch.bool else target
    weight, pos_weight = (w if w is None else w.contiguous() for w in (weight, pos_weight))
    best, leader, closed = _accumulator(scores), None, None
    if globl:
        leader, closed = torch.empty_like(scores, dtype=torch.int32), torch.empty_like(state)
    out = state, share, best, closed, known
    _by_tile(terms.judge, JUDGE, scores, target, tables, weight, pos_weight, *out)
    lowest = None
    if local:
        lowest = torch.empty_like(scores, dtype=torch.int32)
        _by_tile(terms.lower, LOWER, best, tables, lowest)
    if not globl:
        return _Judged(state, share, lowest), known
    way = state, best, leader, closed, None, None
    _by_sample(sweeps.lead, _lead(scores), scores, tables, *way, SIGN=1, CHILDREN=True)
    # The best scores are no longer needed when what passes through takes their place.
    _by_sample(sweeps.pour, POUR, share, tables, leader, best, None, CHILDREN=False)
    return _Judged(state, share, lowest, best, leader, closed), known


def _validate(scores: Tensor, target: Tensor, tables: Tensor) -> None:
    judged, _ = _judged(scores, target, tables, None, None, local=0, globl=1)
    is_open = (judged.state == sweeps.NEGATIVE.value) & (judged.closed == 1)
    if (is_open | (judged.state == sweeps.WRONG.value)).any():
        raise InvalidTarget


def _accumulator(scores: Tensor) -> Tensor:
    return torch.empty_like(scores, dtype=sum_type(scores))


def _lead(scores: Tensor) -> Tile:
    return LEAD if len(scores) < MANY else LEAD_OF_MANY


def _rows(n: int, tile: Tile) -> int:
    """The classes of a tile, a power of two."""
    return min(tile.rows, max(64, 1 << (n - 1).bit_length()))


def _tiles(scores: Tensor, tile: Tile) -> int:
    """The number of tiles of a batch."""
    samples, n = scores.shape
    return samples * -(-n // _rows(n, tile)) if n else 0


def _by_tile(kernel: Any, tile: Tile, scores: Tensor, *args: object, **options: object) -> None:
    tiles = _tiles(scores, tile)
    if tiles:
        options["tiles"] = tiles // scores.shape[0]
        _launch(kernel, tile, tiles, scores, *args, **options)


def _by_sample(kernel: Any, tile: Tile, scores: Tensor, *args: object, **options: object) -> None:
    if scores.numel():
        _launch(kernel, tile, scores.shape[0], scores, *args, **options)


def _launch(
    kernel: Any, tile: Tile, programs: int, scores: Tensor, *args: object, **options: object
) -> None:
    n = scores.shape[1]
    rows = _rows(n, tile)
    warps = max(1, tile.warps * rows // tile.rows)
    options |= {"ROWS": rows, "WIDTH": tile.width, "num_warps": warps, "enable_fp_fusion": False}
    if tile.registers is not None and torch.version.hip is None:  # AMD's compiler takes no bound
        options["maxnreg"] = tile.registers
    with torch.cuda.device(scores.get_device()):  # Triton knows the current one only
        kernel[(programs,)](scores, *args, n=n, **options)
