"""What all compiled functions share: tables, scratch memory, and blocks of samples as rows.

A block is held as rows of `LANES` samples, one row a class, in the order of
`hierloss.kernels._tables`, where parents come before children.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic

from hierloss.kernels._simd import LANES, equal, fill, gather, lowest, peek, scatter
from hierloss.kernels._tables import Tables

COUNT = len(Tables._fields)


# numba's cache goes by the file of a function alone, and by the constants that it closes over.
VERSION = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()


def compiled(function: Any) -> Any:
    """Compile at the first call, and keep the result on disk where there is a place for it."""
    try:
        return njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        return njit(nogil=True, error_model="numpy")(function)


inner = njit(nogil=True, error_model="numpy", forceinline=True)


@intrinsic
def _pointer(typing: Any, address: Any, like: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like)(types.intp, like), codegen


@inner
def array(address, size, like):
    """The array of numbers like another at an address.

    Arrays made so have no owner. With one, numba would count references in the innermost loops.
    """
    return carray(_pointer(address, like), (size,))


@inner
def table(tables, i):
    """The i-th of the packed tables."""
    start = np.int64(COUNT)
    for k in range(i):
        start += tables[k]
    return tables[start : start + np.int64(tables[i])]


@inner
def after(size):
    """How far after an array of the scratch memory the next begins."""
    return (size + 63) // 64 * 64


@inner
def read(source, first, valid, n, rank, rows):
    """Rows of the block of samples from `first` on; lanes without a sample repeat the last."""
    for column in range(0, n - LANES + 1, LANES):
        gather(source, first * n + column, n, valid - 1, rank, column, rows)
    if n % LANES and n > LANES:
        gather(source, first * n + n - LANES, n, valid - 1, rank, n - LANES, rows)
    if n < LANES:
        for column in range(n):
            for lane in range(LANES):
                sample = first + min(lane, valid - 1)
                rows[np.uint64(rank[column]) * np.uint64(LANES) + np.uint64(lane)] = source[
                    sample * n + column
                ]


@inner
def write(rows, rank, target, first, valid, n):
    """The way back from `read`."""
    for column in range(0, n - LANES + 1, LANES):
        scatter(rows, rank, column, target, first * n + column, n, valid - 1)
    if n % LANES and n > LANES:
        scatter(rows, rank, n - LANES, target, first * n + n - LANES, n, valid - 1)
    if n < LANES:
        for column in range(n):
            for lane in range(valid):
                target[(first + lane) * n + column] = rows[
                    np.uint64(rank[column]) * np.uint64(LANES) + np.uint64(lane)
                ]


@inner
def read_labels(target, marked, first, valid, n, rank, positive, other):
    """Masks of what is positive, and of what is neither positive nor negative.

    Returns how many labels are unknown, NaN or with `marked` -1, and how many are no labels.
    """
    positive[:] = 0
    other[:] = 0
    unknown = 0
    strange = 0
    for lane in range(valid):
        row = (first + lane) * n
        bit = np.uint16(1 << lane)
        for column in range(0, n, LANES):
            ones, rest = _told_apart(target, row + column, min(LANES, n - column))
            while ones:
                positive[rank[np.uint64(column) + lowest(ones)]] |= bit
                ones = np.uint16(ones & (ones - np.uint16(1)))
            while rest:
                k = np.uint64(column) + lowest(rest)
                other[rank[k]] |= bit
                value = target[np.uint64(row) + k]
                if value != value or (marked and value == -1):
                    unknown += 1
                else:
                    strange += 1
                rest = np.uint16(rest & (rest - np.uint16(1)))
    return unknown, strange


@inner
def _told_apart(target, start, count):
    """Masks of the ones, and of what is neither 1 nor 0, in up to `LANES` labels."""
    if count == LANES:
        labels = peek(target, start)
        ones = equal(labels, fill(labels, 1))
        return ones, np.uint16(~(ones | equal(labels, fill(labels, 0))))
    ones = np.uint16(0)
    rest = np.uint16(0)
    for k in range(count):
        label = target[start + k]
        ones = np.uint16(ones | (np.uint16(label == 1) << k))
        rest = np.uint16(rest | (np.uint16(label != 1 and label != 0) << k))
    return ones, rest
