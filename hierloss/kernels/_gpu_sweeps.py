"""The programs that `hierloss.kernels._gpu` runs on a GPU, in Triton.

A class stands at the position that the tables give it; what comes in and goes out is in columns.
A tile is a rectangle of classes by neighbours. Where classes depend on neighbours that depend on
theirs, one program takes a whole sample, level by level, with a barrier after each; everything
else is one program a tile. A class looks up itself what its neighbours hand to it, in a fixed
order, so that no two threads ever add to one number.

Where a tile has fewer classes than its program has threads, several threads do the same work, each
at its own time. So no tile writes what it reads.
"""

from __future__ import annotations

import triton
import triton.language as tl

from hierloss.kernels import _tables
from hierloss.kernels._tables import NUMBER

FIELDS = tl.constexpr(len(NUMBER))
LEVEL = tl.constexpr(NUMBER.level)
COLUMN = tl.constexpr(NUMBER.column)
RANK = tl.constexpr(NUMBER.rank)
CHILD_START = tl.constexpr(NUMBER.child_start)
CHILD = tl.constexpr(NUMBER.child)
PARENT_START = tl.constexpr(NUMBER.parent_start)
PARENT = tl.constexpr(NUMBER.parent)
KIND = tl.constexpr(NUMBER.kind)
TILES = tl.constexpr(NUMBER.tile)
KINDS = tl.constexpr(_tables.KINDS)

# What a target says of a class.
UNKNOWN = tl.constexpr(0)
POSITIVE = tl.constexpr(1)
NEGATIVE = tl.constexpr(2)
WRONG = tl.constexpr(3)


@triton.jit
def _table(tables, FIELD: tl.constexpr):
    """Where a table starts."""
    start = tables + FIELDS
    for i in tl.static_range(FIELD):
        start += tl.load(tables + i)
    return start


@triton.jit
def _lists(tables, CHILDREN: tl.constexpr):
    """Where the numbers of children, or parents, stand, and where these are listed."""
    starts = _table(tables, CHILD_START if CHILDREN else PARENT_START)
    return starts, _table(tables, CHILD if CHILDREN else PARENT)


@triton.jit
def _tile(n, tiles, ROWS: tl.constexpr):
    """The sample of a program, the offset of its scores, the positions, and which there are."""
    sample = tl.program_id(0) // tiles
    pos = tl.program_id(0) % tiles * ROWS + tl.arange(0, ROWS)
    return sample, sample.to(tl.int64) * n, pos, pos < n


@triton.jit
def _number(x):
    """Numbers in the type that they are computed in."""
    return x if x.dtype == tl.float64 else x.to(tl.float32)


@triton.jit
def _beats(new, old):
    """Whether a score decides against one before it. NaN does, and nothing against NaN."""
    return (new > old) | ((new != new) & (old == old))


@triton.jit
def _neighbours(starts, listed, pos, real, WIDTH: tl.constexpr, MORE: tl.constexpr):
    """Where the neighbours of each class are listed, how many, and a bound, MORE than WIDTH or not.

    The bound takes long to find, so that it pays to know one.
    """
    first = tl.load(starts + pos, mask=real, other=0)
    count = tl.load(starts + pos + 1, mask=real, other=0) - first
    return listed + first, count, tl.max(count, 0) if MORE else WIDTH


@triton.jit
def _leader(
    starts, listed, pos, real, own, label, value, closed, column,
    SIGN: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, MORE: tl.constexpr,
):  # fmt: skip
    """The best of each class and its neighbours: by label if there are labels, then by value.

    Of equals the class itself leads, else the neighbour that is listed first. The values of
    neighbours count SIGN times, and stand in columns if those are given.

    Returns:
        The value, the position and the label of the leader.
    """
    near, count, most = _neighbours(starts, listed, pos, real, WIDTH, MORE)
    lane = tl.arange(0, WIDTH)[None, :]
    best = tl.broadcast_to(own[:, None], (ROWS, WIDTH))
    rank = tl.broadcast_to(label[:, None], (ROWS, WIDTH))
    slot = tl.full((ROWS, WIDTH), -1, tl.int32)
    for k in range(0, most, WIDTH):
        there = k + lane < count[:, None]
        at = tl.load(near[:, None] + k + lane, mask=there, other=0)
        where = at if column is None else tl.load(column + at, mask=there, other=0)
        new = tl.load(value + where, mask=there, other=0).to(best.dtype) * SIGN
        wins = _beats(new, best)
        if closed is not None:
            its = tl.load(closed + at, mask=there, other=0).to(tl.int32)
            wins = (its > rank) | ((its == rank) & wins)
            rank = tl.where(wins & there, its, rank)
        best = tl.where(wins & there, new, best)
        slot = tl.where(wins & there, k + lane, slot)
    label = tl.max(rank, 1)
    among = rank == label[:, None]
    missing = among & (best != best)
    lost = tl.max(missing.to(tl.int32), 1) > 0
    top = tl.max(tl.where(among & (best == best), best, float("-inf")), 1)
    leads = tl.where(lost[:, None], missing, among & (best == top[:, None]))
    slot = tl.min(tl.where(leads, slot, most), 1)
    leader = tl.load(near + slot, mask=slot >= 0, other=0)
    return tl.where(lost, float("nan"), top), tl.where(slot >= 0, leader, pos), label


@triton.jit
def _handed(
    starts, listed, pos, real, me, leader, share, state, column,
    ROWS: tl.constexpr, WIDTH: tl.constexpr, MORE: tl.constexpr,
):  # fmt: skip
    """The shares of the neighbours that a class leads; they know it as `me`.

    Returns:
        Of positive neighbours and of negative ones; without states, all as if positive.
    """
    near, count, most = _neighbours(starts, listed, pos, real, WIDTH, MORE)
    lane = tl.arange(0, WIDTH)[None, :]
    above = tl.zeros((ROWS, WIDTH), _number(tl.load(share)).dtype)
    below = tl.zeros((ROWS, WIDTH), _number(tl.load(share)).dtype)
    for k in range(0, most, WIDTH):
        there = k + lane < count[:, None]
        at = tl.load(near[:, None] + k + lane, mask=there, other=0)
        where = at if column is None else tl.load(column + at, mask=there, other=0)
        mine = there & (tl.load(leader + where, mask=there, other=-1) == me[:, None])
        its = _number(tl.load(share + where, mask=mine, other=0))
        if state is None:
            above += its
        else:
            label = tl.load(state + at, mask=mine, other=0)
            above += tl.where(label == POSITIVE, its, 0)
            below += tl.where(label == NEGATIVE, its, 0)
    return tl.sum(above, 1), tl.sum(below, 1)


@triton.jit
def _lowest(scores, tables, pos, real, column, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """The position of the lowest of each class and its parents; scores stand as `column` says."""
    starts, listed = _lists(tables, False)
    at = pos if column is None else tl.load(column + pos, mask=real, other=0)
    own = -_number(tl.load(scores + at, mask=real, other=0))
    label = tl.zeros((ROWS,), tl.int32)
    _, leader, _ = _leader(
        starts, listed, pos, real, own, label, scores, None, column, -1, ROWS, WIDTH, True
    )
    return leader


@triton.jit(do_not_specialize=["n", "tiles"])
def step(scores, tables, values, routes, n, tiles, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """The score and the column of the lowest of each class and its parents."""
    _, base, pos, real = _tile(n, tiles, ROWS)
    column = _table(tables, COLUMN)
    leader = _lowest(scores + base, tables, pos, real, column, ROWS, WIDTH)
    col = tl.load(column + pos, mask=real, other=0)
    route = tl.load(column + leader, mask=real, other=0)
    tl.store(routes + base + col, route, mask=real)
    tl.store(values + base + col, tl.load(scores + base + route, mask=real, other=0), mask=real)


@triton.jit(do_not_specialize=["n", "tiles"])
def arrange(
    scores, tables, best, values, routes, n, tiles,
    SIGN: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """What `lead` begins with: each class is the best of itself."""
    _, base, col, real = _tile(n, tiles, ROWS)
    own = tl.load(scores + base + col, mask=real, other=0)
    pos = tl.load(_table(tables, RANK) + col, mask=real, other=0)
    tl.store(best + base + pos, _number(own) * SIGN, mask=real)
    tl.store(values + base + col, own, mask=real)
    tl.store(routes + base + col, col, mask=real)


@triton.jit
def _lead(
    first, stop, base, scores, tables, state, best, leader, closed, values, routes,
    SIGN: tl.constexpr, CHILDREN: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
    MORE: tl.constexpr,
):  # fmt: skip
    """`lead` for classes of one level, at positions from first to stop."""
    starts, listed = _lists(tables, CHILDREN)
    column = _table(tables, COLUMN)
    below = None if state is None else closed + base
    for start in range(first, stop, ROWS):
        pos = start + tl.arange(0, ROWS)
        real = pos < stop
        col = tl.load(column + pos, mask=real, other=0)
        own = _number(tl.load(scores + base + col, mask=real, other=0)) * SIGN
        label = tl.zeros((ROWS,), tl.int32)
        if state is not None:
            label = (tl.load(state + base + pos, mask=real, other=0) == POSITIVE).to(tl.int32)
        top, to, label = _leader(
            starts, listed, pos, real, own, label, best + base, below, None, 1, ROWS, WIDTH, MORE
        )
        tl.store(best + base + pos, top, mask=real)
        if state is not None:
            tl.store(leader + base + pos, to, mask=real)
            tl.store(closed + base + pos, label, mask=real)
        else:
            on = real & (to != pos)
            route = tl.load(column + to, mask=on, other=0)
            route = tl.where(on, tl.load(routes + base + route, mask=on, other=0), col)
            tl.store(routes + base + col, route, mask=real)
            tl.store(values + base + col, top * SIGN, mask=real)


@triton.jit(do_not_specialize=["n"])
def lead(
    scores, tables, state, best, leader, closed, values, routes, n,
    SIGN: tl.constexpr, CHILDREN: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The best of each class and its neighbours, theirs, and so on.

    Of a class without neighbours all is there already. Without states, the score and the column at
    the end of the way are stored. With states, a positive class is led by positive ones; the
    position of the neighbour on the way is stored, and whether a class is positive or has a
    positive descendant.
    """
    base = tl.program_id(0).to(tl.int64) * n
    level = _table(tables, LEVEL)
    kind = _table(tables, KIND)
    levels = tl.load(tables + LEVEL) - 1
    for i in range(1, levels):
        depth = levels - 1 - i if CHILDREN else i
        stop = tl.load(level + depth + 1)
        if CHILDREN:
            for k in tl.static_range(1, KINDS):
                first = tl.load(kind + depth * KINDS + k)
                last = stop
                if k + 1 < KINDS:
                    last = tl.load(kind + depth * KINDS + k + 1)
                _lead(
                    first, last, base, scores, tables, state, best, leader, closed, values, routes,
                    SIGN, True, ROWS * WIDTH >> 2 * k, 1 << 2 * k, k + 1 == KINDS,
                )  # fmt: skip
        else:
            _lead(
                tl.load(level + depth), stop, base, scores, tables, state, best, leader, closed,
                values, routes, SIGN, False, ROWS, WIDTH, True,
            )  # fmt: skip
        tl.debug_barrier()


@triton.jit(do_not_specialize=["n", "tiles"])
def trace(
    routes, tables, leader, n, tiles,
    CHILDREN: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """The neighbours on the way of routes: the first that has the same route."""
    _, base, pos, real = _tile(n, tiles, ROWS)
    starts, listed = _lists(tables, CHILDREN)
    column = _table(tables, COLUMN)
    col = tl.load(column + pos, mask=real, other=0)
    route = tl.load(routes + base + col, mask=real, other=0)
    near, count, most = _neighbours(starts, listed, pos, real, WIDTH, True)
    lane = tl.arange(0, WIDTH)[None, :]
    slot = tl.broadcast_to(most, (ROWS, WIDTH))
    for k in range(0, most, WIDTH):
        there = (k + lane < count[:, None]) & (route != col)[:, None]
        at = tl.load(near[:, None] + k + lane, mask=there, other=0)
        at = tl.load(column + at, mask=there, other=0)
        same = there & (tl.load(routes + base + at, mask=there, other=0) == route[:, None])
        slot = tl.minimum(slot, tl.where(same, k + lane, most))
    slot = tl.min(slot, 1)
    on = real & (slot < most)
    to = tl.load(near + slot, mask=on, other=0)
    tl.store(leader + base + pos, tl.where(on, to, pos), mask=real)


@triton.jit(do_not_specialize=["n", "tiles"])
def hand(grad, routes, tables, out, n, tiles, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """What each class gets from itself and its children, by routes of one step."""
    _, base, pos, real = _tile(n, tiles, ROWS)
    starts, listed = _lists(tables, True)
    column = _table(tables, COLUMN)
    col = tl.load(column + pos, mask=real, other=0)
    kept = real & (tl.load(routes + base + col, mask=real, other=-1) == col)
    own = _number(tl.load(grad + base + col, mask=kept, other=0))
    got, _ = _handed(
        starts, listed, pos, real, col, routes + base, grad + base, None, column, ROWS, WIDTH, True
    )
    tl.store(out + base + col, own + got, mask=real)


@triton.jit(do_not_specialize=["n"])
def pour(
    share, tables, leader, flow, out, n,
    CHILDREN: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """What passes through each class, if each hands all that it has to the class that leads it.

    With `out`, the shares are in columns, and what stays is put out there. Without it, classes
    without children are left out: nothing depends on what passes through them.
    """
    base = tl.program_id(0).to(tl.int64) * n
    starts, listed = _lists(tables, CHILDREN)
    column = _table(tables, COLUMN)
    level = _table(tables, LEVEL)
    kind = _table(tables, KIND)
    levels = tl.load(tables + LEVEL) - 1
    for i in range(levels):
        depth = levels - 1 - i if CHILDREN else i
        stop = tl.load(level + depth + 1)
        first = tl.load(kind + depth * KINDS + 1 if out is None else level + depth)
        for start in range(first, stop, ROWS):
            pos = start + tl.arange(0, ROWS)
            real = pos < stop
            at = pos
            if out is not None:
                at = tl.load(column + pos, mask=real, other=0)
            own = _number(tl.load(share + base + at, mask=real, other=0))
            got, _ = _handed(
                starts, listed, pos, real, pos, leader + base, flow + base, None, None, ROWS, WIDTH,
                True,
            )  # fmt: skip
            tl.store(flow + base + pos, own + got, mask=real)
            if out is not None:
                kept = tl.load(leader + base + pos, mask=real, other=-1) == pos
                tl.store(out + base + at, tl.where(kept, own + got, 0), mask=real)
        tl.debug_barrier()
