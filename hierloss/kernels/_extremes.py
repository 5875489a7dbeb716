"""The constraints on the CPU: the deciding score of every class, and which class has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hierloss.kernels._blocks import VERSION, after, array, compiled, inner, read, table, write
from hierloss.kernels._simd import LANES, above, below, fill, load, store, where
from hierloss.kernels._tables import NUMBER

MAX, MIN, MIN_ALL = 0, 1, 2


@inner
def _highest(n, start, child, column, scores, routes):
    """From the leaves up: the best score of each class and its children so far."""
    for k in range(n):
        i = np.uint64(n - 1 - k)
        score = load(scores, i)
        route = fill(routes, column[i])
        for edge in range(np.uint64(start[i]), np.uint64(start[i + np.uint64(1)])):
            value = load(scores, child[edge])
            taken = above(value, score)
            score = where(taken, value, score)
            route = where(taken, load(routes, child[edge]), route)
        store(scores, i, score)
        store(routes, i, route)


@inner
def _lowest(n, start, parent, column, scores, routes):
    """From the leaves up too, so that the parents still have their own scores."""
    for k in range(n):
        i = np.uint64(n - 1 - k)
        score = load(scores, i)
        route = fill(routes, column[i])
        for edge in range(np.uint64(start[i]), np.uint64(start[i + np.uint64(1)])):
            value = load(scores, parent[edge])
            taken = below(value, score)
            score = where(taken, value, score)
            route = where(taken, fill(routes, column[parent[edge]]), route)
        store(scores, i, score)
        store(routes, i, route)


@inner
def _lowest_of_all(n, start, parent, column, scores, routes):
    """From the roots down: the lowest score of each class and its ancestors."""
    for k in range(n):
        i = np.uint64(k)
        score = load(scores, i)
        route = fill(routes, column[i])
        for edge in range(np.uint64(start[i]), np.uint64(start[i + np.uint64(1)])):
            value = load(scores, parent[edge])
            taken = below(value, score)
            score = where(taken, value, score)
            route = where(taken, load(routes, parent[edge]), route)
        store(scores, i, score)
        store(routes, i, route)


def _make_extremes(version: str) -> Any:
    def extremes(number, span, sizes, addresses, kind, routed):
        """The deciding scores of samples, block by block.

        Args:
            number: A number of the type of the scores.
            span: The first sample, and where to stop.
            sizes: How many classes there are, and the length of the packed tables.
            addresses: Those of the scores `(samples * n,)`, the packed tables, the values and
                routes `(samples * n,)`, and `extremes_size` bytes to work in.
            kind: `MAX`, `MIN` or `MIN_ALL`.
            routed: Whether to write the routes.
        """
        version  # noqa: B018  # part of what the cache goes by
        n, length = sizes
        size = span[1] * n
        scores, values = array(addresses[0], size, number), array(addresses[2], size, number)
        tables = array(addresses[1], length, np.uint32(0))
        routes_out = array(addresses[3], size, np.int32(0))
        column, rank = table(tables, NUMBER.column), table(tables, NUMBER.rank)
        child_start, child = table(tables, NUMBER.child_start), table(tables, NUMBER.child)
        parent_start, parent = table(tables, NUMBER.parent_start), table(tables, NUMBER.parent)
        rows = array(addresses[4], n * LANES, number)
        at = addresses[4] + after(n * LANES * scores.itemsize)
        routes = array(at, n * LANES, np.int32(0))
        for first in range(span[0], span[1], LANES):
            valid = min(LANES, span[1] - first)
            read(scores, first, valid, n, rank, rows)
            if kind == MAX:
                _highest(n, child_start, child, column, rows, routes)
            elif kind == MIN:
                _lowest(n, parent_start, parent, column, rows, routes)
            else:
                _lowest_of_all(n, parent_start, parent, column, rows, routes)
            write(rows, rank, values, first, valid, n)
            if routed:
                write(routes, rank, routes_out, first, valid, n)

    return extremes


def _make_collect(version: str) -> Any:
    def collect(number, span, n, addresses):
        """Add up the numbers of each sample by route.

        Args:
            number: A number of the type of those to add.
            span: The first sample, and where to stop.
            n: The number of classes.
            addresses: Those of the numbers, the routes and the sums, all `(samples * n,)`.
        """
        version  # noqa: B018  # part of what the cache goes by
        size = span[1] * n
        given, sums = array(addresses[0], size, number), array(addresses[2], size, number)
        routes = array(addresses[1], size, np.uint32(0))
        for sample in range(span[0], span[1]):
            start = np.uint64(sample * n)
            for j in range(np.uint64(n)):
                sums[start + j] = 0
            for j in range(np.uint64(n)):
                sums[start + np.uint64(routes[start + j])] += given[start + j]

    return collect


extremes = compiled(_make_extremes(VERSION))
collect = compiled(_make_collect(VERSION))


def extremes_size(n: int, itemsize: int) -> int:
    """How many bytes `extremes` works in."""
    return n * LANES * (itemsize + 4) + 128
