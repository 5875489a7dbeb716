"""The losses on the CPU: sweeps over the classes of a block of samples.

One sweep goes up. It leaves for every edge the mask of the samples in which the child decides for
the parent, or the parent for the child. Then one goes down and has each class draw, along these
masks, the number of classes that it decides, from which its cost and slope follow at once: no
argmax is stored, and nothing is searched.

`load` and `store` take rows, so that the position of a class is also the place of its row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hierloss.kernels._blocks import (
    VERSION,
    after,
    array,
    compiled,
    inner,
    read,
    read_labels,
    table,
    write,
)
from hierloss.kernels._simd import (
    ALL,
    LANES,
    above,
    below,
    exp,
    fill,
    load,
    log1p,
    magnitude,
    store,
    unlike,
    where,
    widen,
)
from hierloss.kernels._tables import NUMBER

LOSS, GRADIENT, COUNTS = 0, 1, 2
UNCLOSED, NO_LABEL = 1, 2


@inner
def _settle(masks, start, stop):
    """Leave in each mask the lanes that no later one has; return those that none has.

    The last neighbour to improve on those before it is the one that decides.
    """
    free = ALL
    for k in range(stop - start):
        edge = stop - np.uint64(1) - np.uint64(k)
        taken = masks[edge]
        masks[edge] = np.uint16(taken & free)
        free = np.uint16(free & ~taken)
    return free


@inner
def _climb_max(score, best, masks, start, stop, child):
    """The best score among a class and its children; leaves where a child improves on it."""
    for edge in range(start, stop):
        value = load(best, child[edge])
        taken = above(value, score)
        score = where(taken, value, score)
        masks[edge] = taken
    return score


@inner
def _climb_closed(score, best, closed, own, masks, start, stop, child):
    """The same where in the lanes of `own` only closed children count."""
    for edge in range(start, stop):
        value = load(best, child[edge])
        taken = np.uint16(above(value, score) & (closed[child[edge]] | ~own))
        score = where(taken, value, score)
        masks[edge] = taken
    return score


@inner
def _climb_min(score, scores, masks, start, stop, parent):
    """Settle which parent decides for a class in LHLoss."""
    for edge in range(start, stop):
        value = load(scores, parent[edge])
        taken = below(value, score)
        score = where(taken, value, score)
        masks[edge] = taken
    return _settle(masks, start, stop)


@inner
def _up(links, n, scores, best, masks, shares):
    """The sweep from the leaves to the roots; returns whether a target is not closed upward."""
    positive, other, closed, mc, lh, mc_own, lh_own = masks
    local, globl = shares
    child_start, child, _, parent_start, parent, _ = links
    nothing = fill(scores, -np.inf)
    unclosed = np.uint16(0)
    for k in range(n):
        i = np.uint64(n - 1 - k)
        start, stop = np.uint64(child_start[i]), np.uint64(child_start[i + np.uint64(1)])
        mask = positive[i]
        for edge in range(start, stop):
            mask = np.uint16(mask | closed[child[edge]])
        closed[i] = mask
        hidden = np.uint16(mask & ~positive[i])
        unclosed = np.uint16(unclosed | (hidden & ~other[i]))
        score = load(scores, i)
        if local != 0:
            a, b = np.uint64(parent_start[i]), np.uint64(parent_start[i + np.uint64(1)])
            lh_own[i] = _climb_min(score, scores, lh, a, b, parent)
        if globl != 0:
            if hidden:
                score = where(hidden, nothing, score)
            if mask:
                score = _climb_closed(score, best, closed, mask, mc, start, stop, child)
            else:
                score = _climb_max(score, best, mc, start, stop, child)
            store(best, i, score)
            mc_own[i] = _settle(mc, start, stop)
    return unclosed != 0


@inner
def _count_lh(start, stop, child, number, lh, live, positive, other, one, weights, weighted, plain):
    """How many of its positive and of its negative children a class decides for in LHLoss."""
    positives = negatives = fill(one, 0)
    nothing = fill(one, 0)
    for edge in range(start, stop):
        mask = np.uint16(lh[number[edge]] & live)
        if plain:
            negatives = negatives + where(mask, one, nothing)
        else:
            j = child[edge]
            mask = np.uint16(mask & ~other[j])
            yes = np.uint16(mask & positive[j])
            no = np.uint16(mask & ~positive[j])
            if weighted:
                positives = positives + where(yes, fill(one, weights[1][j]), nothing)
                negatives = negatives + where(no, fill(one, weights[0][j]), nothing)
            else:
                positives = positives + where(yes, one, nothing)
                negatives = negatives + where(no, one, nothing)
    return positives, negatives


@inner
def _costs(score, positives, negatives, any_positive):
    """``p softplus(-l) + n softplus(l)`` and its derivative, 0 where nothing is counted."""
    zero, one = fill(score, 0), fill(score, 1)
    small = exp(zero - magnitude(score))
    rest = log1p(small)
    towards = one / (one + small)
    away = small * towards
    up = above(score, zero)
    counted = unlike(negatives, zero)
    cost = where(counted, negatives * (rest + where(up, score, zero)), zero)
    slope = where(counted, negatives * where(up, towards, away), zero)
    if any_positive:
        counted = unlike(positives, zero)
        below_zero = where(up, zero, zero - score)
        cost = cost + where(counted, positives * (rest + below_zero), zero)
        slope = slope - where(counted, positives * where(up, away, towards), zero)
    return cost, slope


@inner
def _down(
    links, n, scores, flow, extra, masks, live, weights, weighted, known, shares, lanes, mode, costs
):
    """The sweep from the roots to the leaves: counts, costs and the gradient.

    It overwrites the scores, by the gradient or by the counts of negatives; those of positives
    go to `extra`. The cost of each lane goes to `costs`.
    """
    positive, other, closed, mc, lh, mc_own, lh_own = masks
    local, globl = shares
    child_start, child, upward, parent_start, parent, downward = links
    zero, one = fill(scores, 0), fill(scores, 1)
    scale = load(lanes, np.uint64(0))
    local_share, global_share = fill(scores, local), fill(scores, globl)
    total = widen(zero)
    for k in range(n):
        i = np.uint64(k)
        start, stop = np.uint64(child_start[i]), np.uint64(child_start[i + np.uint64(1)])
        yes = positive[i]
        origin = one
        if weighted:
            origin = where(yes, fill(one, weights[1][i]), fill(one, weights[0][i]))
        origin = where(np.uint16(live & ~other[i]), origin, zero)
        positives = negatives = zero
        any_positive = closed[i] != 0
        if local != 0:
            plain = known and not weighted and not any_positive
            positives, negatives = _count_lh(
                start, stop, child, upward, lh, live, positive, other, one, weights, weighted, plain
            )
            mine = where(lh_own[i], origin, zero)
            if any_positive:
                positives = local_share * (positives + where(yes, mine, zero))
                negatives = local_share * (negatives + where(yes, zero, mine))
            else:
                negatives = local_share * (negatives + mine)
        if globl != 0:
            drawn = origin
            for edge in range(
                np.uint64(parent_start[i]), np.uint64(parent_start[i + np.uint64(1)])
            ):
                drawn = drawn + where(mc[downward[edge]], load(flow, parent[edge]), zero)
            if start < stop:
                store(flow, i, drawn)
            mine = global_share * where(mc_own[i], drawn, zero)
            if any_positive:
                positives = positives + where(closed[i], mine, zero)
                negatives = negatives + where(closed[i], zero, mine)
            else:
                negatives = negatives + mine
        if mode == COUNTS:
            store(scores, i, negatives)
            store(extra, i, positives)
        else:
            cost, slope = _costs(load(scores, i), positives, negatives, any_positive)
            total = total + widen(cost)
            if mode == GRADIENT:
                store(scores, i, slope * scale)
    store(costs, np.uint64(0), total)


@inner
def _live(lanes, factors, weighted, first, valid, scale):
    """Write the factor on the gradient of each lane, and return which lanes count."""
    live = np.uint16((1 << valid) - 1)
    for lane in range(LANES):
        lanes[lane] = scale
    if weighted:
        for lane in range(valid):
            lanes[lane] *= factors[first + lane]
            if factors[first + lane] == 0:
                live = np.uint16(live & ~(1 << lane))
    return live


@inner
def _add_up(costs, factors, weighted, first, valid, totals):
    """Write the losses of a block."""
    for lane in range(valid):
        cost = costs[lane]
        if weighted:
            factor = factors[first + lane]
            cost = cost * factor if factor != 0 else 0.0
        totals[first + lane] = cost


def _make(version: str) -> Any:
    def losses(kinds, marked, span, sizes, addresses, weighted, shares, scale, mode):
        """The losses of samples, block by block, and with them gradients or counts.

        Args:
            kinds: A number of the type of the scores, and one of that of the target.
            marked: Whether -1 stands for unknown.
            span: The first sample, and where to stop.
            sizes: How many classes there are, and the length of the packed tables.
            addresses: Those of the scores `(samples * n,)`, the target, the packed tables, the
                weights of negatives and of positives `(n,)` by position, the weights of samples
                and the losses `(samples,)` in float64, the gradient or counts of negatives, the
                counts of positives, and `scratch_size` bytes to work in.
            weighted: Whether classes have weights, and whether samples have.
            shares: Those of LHLoss and MCLoss.
            scale: A factor on the gradient.
            mode: `LOSS`, `GRADIENT` or `COUNTS`.

        Returns:
            Flags for what is wrong with the target, and the number of its unknown labels.
        """
        version  # noqa: B018  # part of what the cache goes by
        number, label = kinds
        n, length = sizes
        size = span[1] * n
        scores, target = array(addresses[0], size, number), array(addresses[1], size, label)
        tables = array(addresses[2], length, np.uint32(0))
        edges = np.int64(tables[NUMBER.child])
        rank = table(tables, NUMBER.rank)
        links = (
            table(tables, NUMBER.child_start),
            table(tables, NUMBER.child),
            table(tables, NUMBER.child_edge),
            table(tables, NUMBER.parent_start),
            table(tables, NUMBER.parent),
            table(tables, NUMBER.parent_edge),
        )
        weights = array(addresses[3], n, number), array(addresses[4], n, number)
        factors, totals = array(addresses[5], span[1], 0.0), array(addresses[6], span[1], 0.0)
        out, positives_out = array(addresses[7], size, number), array(addresses[8], size, number)
        at = addresses[9]
        lanes = array(at, LANES, number)
        at += 128
        costs = array(at, LANES, 0.0)
        at += 128
        step = after(n * LANES * scores.itemsize)
        rows, flow = array(at, n * LANES, number), array(at + step, n * LANES, number)
        at += 2 * step
        step = after(2 * n)
        positive, other = array(at, n, np.uint16(0)), array(at + step, n, np.uint16(0))
        closed, mc_own = (
            array(at + 2 * step, n, np.uint16(0)),
            array(at + 3 * step, n, np.uint16(0)),
        )
        lh_own = array(at + 4 * step, n, np.uint16(0))
        at += 5 * step
        step = after(2 * edges)
        mc, lh = array(at, edges, np.uint16(0)), array(at + step, edges, np.uint16(0))
        extra = array(at + 2 * step, n * LANES, number)
        masks = positive, other, closed, mc, lh, mc_own, lh_own
        flags, unknown = 0, 0
        for first in range(span[0], span[1], LANES):
            valid = min(LANES, span[1] - first)
            read(scores, first, valid, n, rank, rows)
            missing, strange = read_labels(target, marked, first, valid, n, rank, positive, other)
            unclosed = _up(links, n, rows, flow, masks, shares)
            live = _live(lanes, factors, weighted[1], first, valid, scale)
            known = missing + strange == 0
            _down(
                links, n, rows, flow, extra, masks, live, weights, weighted[0], known, shares,
                lanes, mode, costs,
            )  # fmt: skip
            _add_up(costs, factors, weighted[1], first, valid, totals)
            if mode != LOSS:
                write(rows, rank, out, first, valid, n)
            if mode == COUNTS:
                write(extra, rank, positives_out, first, valid, n)
            flags |= (UNCLOSED if unclosed else 0) | (NO_LABEL if strange else 0)
            unknown += missing
        return flags, unknown

    return losses


losses = compiled(_make(VERSION))


def scratch_size(n: int, edges: int, itemsize: int, counts: bool) -> int:
    """How many bytes `losses` works in."""
    rows = (3 if counts else 2) * (n * LANES * itemsize + 64)
    return 256 + rows + 5 * (2 * n + 64) + 2 * (2 * edges + 64)
