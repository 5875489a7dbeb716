"""Places for boxes in levels, and ways for edges between the boxes, as plain numbers."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from itertools import accumulate, count, pairwise
from math import ceil
from statistics import fmean
from typing import NamedTuple

Near = dict[int, list[int]]
Rows = list[list[int]]
Sizes = Mapping[int, float]
Edges = Mapping[int, tuple[int, int]]
Point = tuple[float, float]
Outline = dict[int, tuple[float, float]]

# Lengths are points.
GAP, LANE, RISE, WIDEST = 7.0, 5.0, 20.0, 1150.0
HIGHEST, SWEEPS = 24, 24
STEPS = [i / 24 for i in range(25)]


class Layout(NamedTuple):
    """The middle and the top of each box, and the points of each edge, parent first."""

    x: dict[int, float]
    top: dict[int, float]
    ways: dict[int, list[Point]]


class Grid(NamedTuple):
    """Slots in rows: piles of boxes, named by their first, and passages of edges, below 0."""

    piles: Near
    paths: Near
    rows: Rows
    above: Near
    below: Near


def lay_out(width: Sizes, height: Sizes, edges: Edges) -> Layout:
    """Lay out boxes of given sizes, parents above children, for edges (child, parent).

    Each edge owns a passage through every level that it crosses. Where a level is too wide, leaves
    of one parent are piled up, with lanes for their edges beside them. In a forest, boxes keep
    their order and parents are above the middle of their first and last child.
    """
    grid = _grid(width, edges)
    room = {s: _room(grid.piles.get(s, []), width) for row in grid.rows for s in row}
    tree = all(len(slots) < 2 for slots in grid.above.values())
    middle = _tidy(grid, room) if tree else _relaxed(_untangled(grid), room)
    spans = _spans(grid, middle, height)
    x = {c: middle[s] + _side(pile) / 2 for s, pile in grid.piles.items() for c in pile}
    top = {c: y for s, pile in grid.piles.items() for c, y in _stack(pile, spans[s][0], height)}
    tails = {
        c: tail for pile in grid.piles.values() for c, tail in _tails(pile, x, top, width, height)
    }
    ways = {}
    for e, (c, p) in edges.items():
        passed = [[(middle[s], y) for y in spans[s]] for s in grid.paths[e][1:-1]]
        ways[e] = _way([[(x[p], top[p] + height[p]), (x[p], spans[p][1])], *passed, tails[c]])
    return Layout(x, top, ways)


def _grid(width: Sizes, edges: Edges) -> Grid:
    """The slots for boxes and edges, each row in the order in which it is reached from above."""
    parents: Near = {c: [] for c in width}
    for c, p in sorted(edges.values()):
        parents[c].append(p)
    level = _levels(parents)
    piles = _piles(level, parents, width)
    paths = _paths(level, {c: s for s, pile in piles.items() for c in pile}, edges)
    links = dict.fromkeys(link for path in paths.values() for link in pairwise(path))
    above, below = _near((b, a) for a, b in links), _near(links)
    return Grid(piles, paths, _rows([s for s in piles if level[s] == 0], below), above, below)


def _levels(parents: Near) -> dict[int, int]:
    """The longest path to each box from above."""
    level: dict[int, int] = {}
    for c in TopologicalSorter(parents).static_order():
        level[c] = max((level[p] + 1 for p in parents[c]), default=0)
    return level


def _piles(level: Mapping[int, int], parents: Near, width: Sizes) -> Near:
    """The boxes of each slot: one, unless it helps a wide level to pile leaves of one parent."""
    inner = {p for above in parents.values() for p in above}
    home = {c: above[0] for c, above in parents.items() if len(above) == 1 and c not in inner}
    rows: Rows = [[] for _ in range(max(level.values()) + 1)]
    for c in width:
        rows[level[c]].append(c)
    return {pile[0]: pile for row in rows for pile in _narrow(row, home, width)}


def _narrow(row: list[int], home: Mapping[int, int], width: Sizes) -> Rows:
    """A row in piles that are as low as its width allows."""
    families: Near = {}
    for c in row:
        families.setdefault(home.get(c, -1 - c), []).append(c)
    piles: Rows = []
    for high in range(1, HIGHEST + 1):
        piles = [pile for family in families.values() for pile in _split(family, high)]
        if sum(_room(pile, width) for pile in piles) <= WIDEST:
            break
    return piles


def _split(family: list[int], high: int) -> Rows:
    """A family in as few piles as their height allows, about equally high."""
    n = ceil(len(family) / ceil(len(family) / high))
    return [family[i : i + n] for i in range(0, len(family), n)]


def _room(pile: list[int], width: Sizes) -> float:
    """The width of a slot: of a pile of boxes with its lanes, or of a passage."""
    if not pile:
        return LANE
    return max(width[c] for c in pile) + _side(pile) + GAP


def _side(pile: list[int]) -> float:
    """The width of the lanes beside a pile."""
    return (len(pile) - 1) * LANE


def _paths(level: Mapping[int, int], slot: Mapping[int, int], edges: Edges) -> Near:
    """The slots of each edge from the parent to the child, in the order of the children."""
    free, paths = count(-1, -1), {}
    for e, (c, p) in sorted(edges.items(), key=lambda edge: edge[1]):
        paths[e] = [p, *(next(free) for _ in range(level[p] + 1, level[c])), slot[c]]
    return paths


def _near(links: Iterable[tuple[int, int]]) -> Near:
    """The second slots that each first slot is linked with."""
    near: Near = {}
    for a, b in links:
        near.setdefault(a, []).append(b)
    return near


def _rows(roots: list[int], below: Near) -> Rows:
    """The slots of each level, as they are met from the roots down, depth first."""
    rows: Rows = []
    met: set[int] = set()
    ahead = [(0, s) for s in reversed(roots)]
    while ahead:
        k, s = ahead.pop()
        if s not in met:
            met.add(s)
            rows += [[]] * (k == len(rows))
            rows[k].append(s)
            ahead += [(k + 1, t) for t in reversed(below.get(s, []))]
    return rows


def _untangled(grid: Grid) -> Grid:
    """The grid with its rows in the order with the fewest crossings that barycentres find."""
    rows, best, fewest = grid.rows, grid.rows, _crossings(grid.rows, grid.below)
    for i in range(SWEEPS):
        rows = _swept(rows[::-1], grid.below)[::-1] if i % 2 else _swept(rows, grid.above)
        if (crossings := _crossings(rows, grid.below)) < fewest:
            best, fewest = rows, crossings
    return grid._replace(rows=best)


def _swept(rows: Rows, near: Near) -> Rows:
    """Rows of which each is sorted by the mean position of its neighbours in the row before."""
    place: dict[int, float] = {}
    swept = []
    for row in rows:
        place.update((s, (i + 0.5) / len(row)) for i, s in enumerate(row))
        wanted = {s: fmean(place[t] for t in near.get(s, [s])) for s in row}
        swept.append(sorted(row, key=wanted.__getitem__))
        place.update((s, (i + 0.5) / len(row)) for i, s in enumerate(swept[-1]))
    return swept


def _crossings(rows: Rows, below: Near) -> int:
    """How often edges cross each other."""
    place = {s: i for row in rows for i, s in enumerate(row)}
    crossings = 0
    for row in rows:
        met: list[int] = []
        for end in (i for s in row for i in sorted(place[t] for t in below.get(s, []))):
            crossings += len(met) - bisect_right(met, end)
            insort(met, end)
    return crossings


def _relaxed(grid: Grid, room: Sizes) -> dict[int, float]:
    """The middle of each slot, close to its neighbours above and below."""
    x = dict.fromkeys(room, 0.0)
    both = {s: grid.above.get(s, []) + grid.below.get(s, []) for s in room}
    for near in [grid.above, grid.below] * SWEEPS + [both] * SWEEPS + [grid.below]:
        for row in grid.rows if near is grid.above else grid.rows[::-1]:
            x.update(_settled(row, x, near, room))
    return x


def _settled(row: list[int], x: Sizes, near: Near, room: Sizes) -> dict[int, float]:
    """A row as close to its neighbours as its room allows, by least squares (pool violators)."""
    ends = accumulate(room[s] for s in row)
    shift = {s: end - room[s] / 2 for s, end in zip(row, ends, strict=True)}
    pools: list[tuple[float, float, list[int]]] = []
    for s in row:
        place, weight = _pull(s, x, near.get(s) or [s])
        pools.append((place - shift[s], weight, [s]))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (b, w, right), (a, v, left) = pools.pop(), pools.pop()
            pools.append(((a * v + b * w) / (v + w), v + w, left + right))
    return {s: place + shift[s] for place, _, pool in pools for s in pool}


def _pull(s: int, x: Sizes, near: list[int]) -> tuple[float, float]:
    """The mean place of neighbours and its weight, with passages eager to be straight."""
    weights = [1.0 if s >= 0 else 4.0 if t >= 0 else 16.0 for t in near]
    total = sum(weights)
    return sum(w * x[t] for w, t in zip(weights, near, strict=True)) / total, total


def _tidy(grid: Grid, room: Sizes) -> dict[int, float]:
    """The middle of each slot of a forest, parents above the middle of the children."""
    outlines: dict[int, Outline] = {}
    shifts: dict[int, float] = {}
    for k, row in reversed(list(enumerate(grid.rows))):
        for p in row:
            children = grid.below.get(p, [])
            outline = _side_by_side(children, [outlines.pop(c) for c in children], shifts)
            outlines[p] = {**outline, k: (-room[p] / 2, room[p] / 2)}
    _side_by_side(grid.rows[0], [outlines[s] for s in grid.rows[0]], shifts)
    x = {s: shifts[s] for s in grid.rows[0]}
    for p in (p for row in grid.rows for p in row):
        x.update({c: x[p] + shifts[c] for c in grid.below.get(p, [])})
    return x


def _side_by_side(slots: list[int], outlines: list[Outline], shifts: dict[int, float]) -> Outline:
    """Move outlines as close as they go, centre them, and note how far each was moved."""
    whole: Outline = {}
    for c, outline in zip(slots, outlines, strict=True):
        shifts[c] = max((whole[k][1] - outline[k][0] for k in whole.keys() & outline), default=0.0)
        for k, (left, right) in outline.items():
            whole[k] = whole.get(k, (left + shifts[c], 0.0))[0], right + shifts[c]
    middle = (shifts[slots[0]] + shifts[slots[-1]]) / 2 if slots else 0.0
    shifts.update({c: shifts[c] - middle for c in slots})
    return {k: (left - middle, right - middle) for k, (left, right) in whole.items()}


def _spans(grid: Grid, middle: Sizes, height: Sizes) -> dict[int, tuple[float, float]]:
    """Where the row of each slot begins and ends; wide bends between rows get more height."""
    spans, y = {}, 0.0
    for row in grid.rows:
        piles = [grid.piles[s] for s in row if s in grid.piles]
        tall = max(sum(height[c] + GAP for c in pile) - GAP for pile in piles)
        spans.update(dict.fromkeys(row, (y, y + tall)))
        bends = [abs(middle[s] - middle[t]) for s in row for t in grid.below.get(s, [])]
        y += tall + RISE + min(max(bends, default=0.0) / 12, 2 * RISE)
    return spans


def _stack(pile: list[int], top: float, height: Sizes) -> Iterator[tuple[int, float]]:
    """Each box of a pile with its upper end."""
    for c in pile:
        yield c, top
        top += height[c] + GAP


def _tails(
    pile: list[int], x: Sizes, top: Sizes, width: Sizes, height: Sizes
) -> Iterator[tuple[int, list[Point]]]:
    """Each box of a pile with the end of its edges: from above, or for lower boxes from a lane."""
    first, left = pile[0], x[pile[0]] - max(width[c] for c in pile) / 2
    yield first, [(x[first], top[first])]
    for i, c in enumerate(pile[1:]):
        lane, y = left - (i + 0.5) * LANE, top[c] + height[c] / 2
        yield c, [(lane, top[first]), (lane, y), (x[c] - width[c] / 2, y)]


def _way(pieces: list[list[Point]]) -> list[Point]:
    """Pieces within rows, joined by smooth bends between the rows."""
    way = pieces[0]
    for piece in pieces[1:]:
        (x, y), (u, v) = way[-1], piece[0]
        way = way + [(x + (u - x) * t * t * (3 - 2 * t), y + (v - y) * t) for t in STEPS] + piece
    return way
