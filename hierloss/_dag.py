"""Directed graphs as two integer arrays, `child` and `parent`, of the same length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Links = dict[int, list[int]]


class Neighbours:
    """The sorted neighbours `target[source == i]` of every node `i`, in linear memory."""

    def __init__(self, source: Ints, target: Ints, n: int) -> None:
        self.flat = target[np.lexsort((target, source))]
        self.count = np.bincount(source, minlength=n).astype(np.int64)
        self.start = np.cumsum(self.count) - self.count

    def __getitem__(self, i: int) -> Ints:
        start = self.start[i]
        return self.flat[start : start + self.count[i]]

    def of(self, nodes: Ints) -> Ints:
        """The neighbours of all `nodes`, one after the other."""
        count = self.count[nodes]
        shift = np.repeat(self.start[nodes] - (np.cumsum(count) - count), count)
        return self.flat[shift + np.arange(len(shift))]

    def reachable(self, i: int) -> list[int]:
        """Every node that can be reached from `i`, without `i`, in ascending order."""
        seen, stack = {i}, [i]
        while stack:
            fresh = set(self[stack.pop()].tolist()) - seen
            seen |= fresh
            stack.extend(fresh)
        return sorted(seen - {i})


def longest_paths(child: Ints, parent: Ints, n: int) -> Ints:
    """Length of the longest path from a root to each node, -1 on and below a cycle."""
    children = Neighbours(parent, child, n)
    waiting = np.bincount(child, minlength=n)
    level = np.full(n, -1, dtype=np.int64)
    front, length = np.flatnonzero(waiting == 0), 0
    while front.size:
        level[front] = length
        reached = children.of(front)
        np.subtract.at(waiting, reached, 1)
        front, length = np.unique(reached[waiting[reached] == 0]), length + 1
    return level


def _suspects(child: Ints, parent: Ints, n: int) -> Bools:
    """The edges that are on a cycle, or on a path between two cycles."""
    inside = (longest_paths(child, parent, n) < 0) & (longest_paths(parent, child, n) < 0)
    return np.asarray(inside[child] & inside[parent])


def find_cycle(child: Ints, parent: Ints, n: int) -> list[int]:
    """The nodes of one cycle, each followed by its parent; there has to be one."""
    suspect = _suspects(child, parent, n)
    up = dict(zip(child[suspect][::-1].tolist(), parent[suspect][::-1].tolist(), strict=True))
    step: dict[int, int] = {}
    node = min(up)
    while node not in step:
        step[node] = len(step)
        node = up[node]
    return list(step)[step[node] :]


def without_cycles(child: Ints, parent: Ints, n: int) -> Bools:
    """Which edges to keep so that no cycle is left.

    Edges are taken in their order, and one is left out if, with those kept before it, it closes a
    cycle. So the set left out is minimal: no edge of it could be put back. An order of the nodes,
    parents first, is kept up as edges come (Pearce and Kelly, A Dynamic Topological Sort Algorithm
    for Directed Acyclic Graphs, 2007); only an edge against it needs a search.
    """
    keep = np.ones(len(child), dtype=bool)
    suspect = np.flatnonzero(_suspects(child, parent, n))
    edges = list(zip(child[suspect].tolist(), parent[suspect].tolist(), strict=True))
    place = _parents_first(edges)
    up: Links = {node: [] for node in place}
    down: Links = {node: [] for node in place}
    keep[suspect] = [_insert(low, high, up, down, place) for low, high in edges]
    return keep


def _parents_first(edges: list[tuple[int, int]]) -> dict[int, int]:
    """Places of the nodes in the order in which a depth-first walk upward leaves them."""
    parents: Links = {}
    for low, high in edges:
        parents.setdefault(low, []).append(high)
    place: dict[int, int] = {}
    seen: set[int] = set()
    for start in parents:
        path = [(start, iter(parents[start]))] if start not in seen else []
        seen.add(start)
        while path:
            node, rest = path[-1]
            fresh = next((i for i in rest if i not in seen), None)
            if fresh is None:
                place[node] = len(place)
                path.pop()
            else:
                seen.add(fresh)
                path.append((fresh, iter(parents[fresh])))
    return place


def _insert(low: int, high: int, up: Links, down: Links, place: dict[int, int]) -> bool:
    """Add the edge and mend the order, or tell that it closes a cycle."""
    if place[low] < place[high]:
        first, last = place[low], place[high]
        above = _between(high, up, place, first, last)
        if low in above:
            return False
        below = _between(low, down, place, first, last)
        moved = sorted(above, key=place.__getitem__) + sorted(below, key=place.__getitem__)
        spots = sorted(place[node] for node in moved)
        place.update(zip(moved, spots, strict=True))
    up[low].append(high)
    down[high].append(low)
    return True


def _between(start: int, links: Links, place: dict[int, int], first: int, last: int) -> set[int]:
    """What can be reached from a node without leaving a range of places."""
    seen, stack = {start}, [start]
    while stack:
        near = {i for i in links[stack.pop()] if first <= place[i] <= last}
        stack.extend(near - seen)
        seen |= near
    return seen
