"""The programs for the terms of a loss, beside those of `hierloss.kernels._gpu_sweeps`.

A term is what one class costs, and the class that decides it pays. So the terms of all classes are
counted at their deciders, and costs are computed once a class.
"""

from __future__ import annotations

import triton
import triton.language as tl

from hierloss.kernels import _tables
from hierloss.kernels._gpu_sweeps import (
    COLUMN,
    KINDS,
    NEGATIVE,
    POSITIVE,
    TILES,
    UNKNOWN,
    WRONG,
    _handed,
    _lists,
    _lowest,
    _number,
    _table,
    _tile,
)

TILE = tl.constexpr(_tables.TILE)


@triton.jit(do_not_specialize=["n", "tiles"])
def judge(
    scores, target, tables, weight, pos_weight, state, share, best, closed, known, n, tiles,
    ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """What a target says of each class, the weight of its term, and how many classes are known.

    Also what `lead` begins with: the scores by position, and what is positive.
    """
    _, base, pos, real = _tile(n, tiles, ROWS)
    col = tl.load(_table(tables, COLUMN) + pos, mask=real, other=0)
    y = tl.load(target + base + col, mask=real, other=0)
    y = _number(y) if y.dtype.is_floating() else y
    unknown = y == -1 if y.dtype.is_int_signed() else y != y
    said = tl.where(unknown, UNKNOWN, WRONG)
    said = tl.where(y == 1, POSITIVE, tl.where(y == 0, NEGATIVE, said))
    factor = tl.full((ROWS,), 1, share.dtype.element_ty)
    if weight is not None:
        factor *= tl.load(weight + col, mask=real, other=0).to(factor.dtype)
    if pos_weight is not None:
        more = tl.load(pos_weight + col, mask=real, other=0).to(factor.dtype)
        factor *= tl.where(y == 1, more, 1)
    tl.store(state + base + pos, said, mask=real)
    tl.store(share + base + pos, tl.where((y == 0) | (y == 1), factor, 0), mask=real)
    tl.store(known + tl.program_id(0), tl.sum((real & (said != UNKNOWN)).to(tl.int32), 0))
    own = _number(tl.load(scores + base + col, mask=real, other=0))
    tl.store(best + base + pos, own, mask=real)
    if closed is not None:
        tl.store(closed + base + pos, said == POSITIVE, mask=real)


@triton.jit(do_not_specialize=["n", "tiles"])
def lower(scores, tables, lowest, n, tiles, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """The position of the lowest of each class and its parents, of scores by position."""
    _, base, pos, real = _tile(n, tiles, ROWS)
    leader = _lowest(scores + base, tables, pos, real, None, ROWS, WIDTH)
    tl.store(lowest + base + pos, leader, mask=real)


@triton.jit
def _costs(x):
    """What softplus(x) and softplus(-x) have in common, and the derivatives of both."""
    e = tl.exp(-tl.abs(x))
    s = 1 + e
    # ln(1 + e): the quotient takes back that s was rounded.
    common = tl.where(s > 1, tl.log(s) * (e / tl.where(s > 1, s - 1, 1)), e)
    return common, tl.where(x < 0, e, 1) / s, tl.where(x < 0, 1, e) / s


@triton.jit
def _settle(
    sample, base, first, stop, scores, tables, state, share, lowest, flow, leader, closed, local,
    globl, sample_weight, positive, negative, slopes, COSTS: tl.constexpr, OUTER: tl.constexpr,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, MORE: tl.constexpr,
):  # fmt: skip
    """`settle` for a tile; OUTER says that its classes have no children."""
    pos = first + tl.arange(0, ROWS)
    real = pos < stop
    col = tl.load(_table(tables, COLUMN) + pos, mask=real, other=0)
    said = tl.load(state + base + pos, mask=real, other=0)
    has = tl.load(share + base + pos, mask=real, other=0)
    p = tl.zeros((ROWS,), has.dtype)
    q = tl.zeros((ROWS,), has.dtype)
    if leader is not None:
        if OUTER:  # `pour` has left them out, and they lead themselves
            starts, listed = _lists(tables, False)
            got, _ = _handed(
                starts, listed, pos, real, pos, leader + base, flow + base, None, None, ROWS, WIDTH,
                True,
            )  # fmt: skip
            passed = has + got
            up = said == POSITIVE
        else:
            own = real & (tl.load(leader + base + pos, mask=real, other=-1) == pos)
            passed = tl.load(flow + base + pos, mask=own, other=0)
            up = tl.load(closed + base + pos, mask=own, other=0) != 0
        passed *= tl.full((), globl, p.dtype)
        p += tl.where(up, passed, 0)
        q += tl.where(up, 0, passed)
    if lowest is not None:
        own = real & (tl.load(lowest + base + pos, mask=real, other=-1) == pos)
        kept = tl.where(own, has, 0)
        factor = tl.full((), local, p.dtype)
        above, below = tl.where(said == POSITIVE, kept, 0), tl.where(said == NEGATIVE, kept, 0)
        if not OUTER:
            starts, listed = _lists(tables, True)
            mine, others = _handed(
                starts, listed, pos, real, pos, lowest + base, share + base, state + base, None,
                ROWS, WIDTH, MORE,
            )  # fmt: skip
            above += mine
            below += others
        p += above * factor
        q += below * factor
    if positive is not None:
        tl.store(positive + base + col, p, mask=real)
        tl.store(negative + base + col, q, mask=real)
    if COSTS:
        if sample_weight is not None:
            factor = tl.load(sample_weight + sample).to(p.dtype)
            p = tl.where(p != 0, p * factor, 0)
            q = tl.where(q != 0, q * factor, 0)
        x = _number(tl.load(scores + base + col, mask=real & ((p != 0) | (q != 0)), other=0))
        common, rise, fall = _costs(x)
        cost = p * (common + tl.where((p != 0) & (x < 0), -x, 0))
        cost += q * (common + tl.where((q != 0) & (x > 0), x, 0))
        cost = tl.where(said == WRONG, float("nan"), cost)
        if slopes is not None:
            tl.store(slopes + base + col, q * rise - p * fall, mask=real)
        return tl.sum(cost, 0)
    return tl.full((), 0, p.dtype)


@triton.jit(do_not_specialize=["n", "tiles"])
def settle(
    scores, tables, state, share, lowest, flow, leader, closed, local: tl.float64,
    globl: tl.float64, sample_weight, positive, negative, total, slopes, n, tiles,
    ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The counts of the terms that each class decides; or what they cost, and its slopes."""
    sample = tl.program_id(0) // tiles
    base = sample.to(tl.int64) * n
    tile = _table(tables, TILES)
    count = tl.load(tables + TILES) // 3
    cost = tl.full((), 0, share.dtype.element_ty)
    for i in range(tl.program_id(0) % tiles, count, tiles):
        first, stop = tl.load(tile + 3 * i), tl.load(tile + 3 * i + 1)
        its = tl.load(tile + 3 * i + 2)
        for k in tl.static_range(KINDS):
            if its == k:
                cost += _settle(
                    sample, base, first, stop, scores, tables, state, share, lowest, flow, leader,
                    closed, local, globl, sample_weight, positive, negative, slopes,
                    total is not None, k == 0, TILE >> 2 * k, 1 << 2 * k, k + 1 == KINDS,
                )  # fmt: skip
    if total is not None:
        tl.store(total + tl.program_id(0), cost)
