"""The kernels for the CPU, compiled by numba at their first use.

They split a batch over as many threads as `torch.get_num_threads` says.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hierloss.kernels import InvalidTarget, slope_type, sum_type
from hierloss.kernels._extremes import MAX, MIN, MIN_ALL, collect, extremes, extremes_size
from hierloss.kernels._losses import (
    COUNTS,
    GRADIENT,
    LOSS,
    NO_LABEL,
    losses,
    scratch_size,
)
from hierloss.kernels._simd import LANES
from hierloss.kernels._tables import unpack

__all__ = ["counts", "loss", "scatter", "select"]

KINDS = {"max": MAX, "min": MIN, "min_all": MIN_ALL}
HALVES = (torch.float16, torch.bfloat16)
Span = tuple[int, int]

# Below this many classes times samples, waking up a thread costs more than it saves.
TASK = 1 << 16


class _Threads:
    """Threads and their scratch memory, both kept for the next call."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(max_workers=256, thread_name_prefix="hierloss")
        self.local = threading.local()

    def scratch(self, size: int) -> int:
        """The address of memory of this thread's own, at the start of a cache line."""
        if getattr(self.local, "size", -1) < size:
            self.local.memory = np.empty(size + 64, dtype=np.uint8)
            self.local.size = size
        address: int = self.local.memory.ctypes.data
        return -(-address // 64) * 64

    def run(self, work: Callable[[Span], Any], scores: Tensor) -> list[Any]:
        """Call `work` on spans that make up all samples, in threads where that pays."""
        spans = _spans(len(scores), scores.shape[1], scores.dtype in HALVES)
        if len(spans) < 2:
            return [work(span) for span in spans]
        queue = iter(spans)
        threads = min(torch.get_num_threads(), len(spans))
        mode = torch.is_inference_mode_enabled()  # each thread has its own
        waiting = []
        # Once the interpreter ends, a pool takes no more; this thread does it all.
        with contextlib.suppress(RuntimeError):
            for _ in range(threads - 1):
                waiting.append(self.pool.submit(_drain, work, queue, mode))
        done = _drain(work, queue, mode)
        return done + list(itertools.chain.from_iterable(job.result() for job in waiting))


THREADS = _Threads()


def _renew() -> None:
    global THREADS
    THREADS = _Threads()


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
    os.register_at_fork(after_in_child=_renew)


def _drain(work: Callable[[Span], Any], queue: Any, inference: bool) -> list[Any]:
    with torch.inference_mode(inference), torch.no_grad():
        return [work(span) for span in queue]


def _spans(samples: int, n: int, half: bool) -> list[Span]:
    step = samples
    if torch.get_num_threads() > 1 or half:  # those of half precision are copied to float32
        step = LANES * max(1, TASK // (LANES * n))
    return [(start, min(start + step, samples)) for start in range(0, samples, max(step, 1))]


def select(scores: Tensor, tables: Tensor, kind: str, routed: bool) -> tuple[Tensor, Tensor]:
    """The deciding score of every class, and the column that it is from.

    Args:
        scores: `(samples, n)`, contiguous.
        tables: What `hierloss.kernels._tables.pack` made.
        kind: "max" over a class and its descendants, "min" over it and its parents, or "min_all"
            over it and all its ancestors.
        routed: Whether routes are wanted; without them they are `(0, n)`.

    Returns:
        Values and int32 routes, both `(samples, n)`.
    """
    samples, n = scores.shape
    half = scores.dtype in HALVES
    number = _number(scores)
    values = _empty((samples, n), scores.dtype)
    routes = _empty((samples if routed else 0, n), torch.int32)
    size = extremes_size(n, number.itemsize)

    def work(span: Span) -> None:
        start, stop = span
        rows = scores[start:stop].float() if half else scores[start:stop]
        out = torch.empty_like(rows) if half else values[start:stop]
        addresses = (
            rows.data_ptr(),
            tables.data_ptr(),
            out.data_ptr(),
            routes[start:stop].data_ptr(),
            THREADS.scratch(size),
        )
        sizes = n, tables.numel()
        extremes(number, (0, stop - start), sizes, addresses, KINDS[kind], routed)
        if half:
            values[start:stop] = out

    if n:
        THREADS.run(work, scores)
    return values, routes


def scatter(grad: Tensor, routes: Tensor, tables: Tensor, kind: str) -> Tensor:
    """The gradient of `select`: what belongs to a class goes to the one that decides for it.

    Args:
        grad: `(samples, n)`, contiguous.
        routes: As `select` returned them.
        tables: The same as there.
        kind: The same as there.
    """
    samples, n = grad.shape
    half = grad.dtype in HALVES
    number = _number(grad)
    sums = _empty((samples, n), grad.dtype)

    def work(span: Span) -> None:
        start, stop = span
        rows = grad[start:stop].float() if half else grad[start:stop]
        out = torch.empty_like(rows) if half else sums[start:stop]
        addresses = rows.data_ptr(), routes[start:stop].data_ptr(), out.data_ptr()
        collect(number, (0, stop - start), n, addresses)
        if half:
            sums[start:stop] = out

    if n:
        THREADS.run(work, grad)
    return sums


def loss(
    scores: Tensor,
    target: Tensor,
    tables: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    sample_weight: Tensor | None,
    reduction: str,
    local: float,
    globl: float,
    validate: bool,
    gradient: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The reduced loss of logits, and its gradient.

    Args:
        scores: `(samples, n)`, contiguous.
        target: `(samples, n)`, contiguous.
        tables: What `hierloss.kernels._tables.pack` made.
        weight: Factor on each class, `(n,)`.
        pos_weight: Factor on each positive class, `(n,)`.
        sample_weight: Factor on each sample, `(samples,)`.
        reduction: "mean", "sum" or "batchmean".
        local: The share of LHLoss.
        globl: The share of MCLoss.
        validate: Whether to raise for a target that is not right.
        gradient: Whether it is wanted; without it, it is `(0, n)`.

    Returns:
        The loss, slopes `(samples, n)` of `hierloss.kernels.slope_type`, and the factor that makes
        them the gradient. Loss and factor are scalars in float32, or in float64 for float64 scores.

    Raises:
        InvalidTarget: A value that is no label, or a target that is not closed upward.
    """
    samples, n = scores.shape
    expected = {"sum": 1, "batchmean": max(samples, 1), "mean": max(samples * n, 1)}[reduction]
    dtype = sum_type(scores)
    slopes = _empty((samples if gradient else 0, n), slope_type(scores))
    call = _Call(scores, target, tables, weight, pos_weight, sample_weight, (local, globl))
    flags, unknown = call(1 / expected, GRADIENT if gradient else LOSS, slopes, slopes)
    if validate and flags:
        raise InvalidTarget
    total = call.totals.sum()
    if flags & NO_LABEL:
        total.fill_(torch.nan)
    divisor = max(samples * n - unknown, 1) if reduction == "mean" else expected
    scale = torch.tensor(expected / divisor, dtype=dtype)
    return (total / divisor).to(dtype), slopes, scale


def counts(
    scores: Tensor,
    target: Tensor,
    tables: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    local: float,
    globl: float,
) -> tuple[Tensor, Tensor]:
    """The weighted numbers of positive and of negative classes that each class decides for.

    The loss is ``(p * softplus(-l) + n * softplus(l)).sum()``. See `loss` for the arguments.

    Returns:
        p and n, `(samples, n)`, in float32, or in float64 for float64 scores.
    """
    positives, negatives = (_empty(scores.shape, sum_type(scores)) for _ in range(2))
    call = _Call(scores, target, tables, weight, pos_weight, None, (local, globl))
    call(1.0, COUNTS, negatives, positives)
    return positives, negatives


class _Call:
    """Everything that `losses` needs to work on a span of samples."""

    def __init__(
        self,
        scores: Tensor,
        target: Tensor,
        tables: Tensor,
        weight: Tensor | None,
        pos_weight: Tensor | None,
        sample_weight: Tensor | None,
        shares: tuple[float, float],
    ) -> None:
        self.scores, self.tables, self.shares = scores, tables, shares
        self.half = scores.dtype in HALVES
        self.target, self.label, self.marked = _labels(target)
        self.number = _number(scores)
        self.weights = _weights(weight, pos_weight, tables, self.number)
        self.factors = None if sample_weight is None else sample_weight.double().contiguous()
        self.totals = torch.empty(len(scores), dtype=torch.float64)

    def __call__(self, scale: float, mode: int, out: Tensor, extra: Tensor) -> tuple[int, int]:
        """Flags, and the number of unknown labels."""
        n = self.scores.shape[1]
        size = scratch_size(n, self.tables.numel() // 4, self.number.itemsize, mode == COUNTS)

        def work(span: Span) -> tuple[int, int]:
            return self._work(span, scale, mode, (out, extra), THREADS.scratch(size))

        found = THREADS.run(work, self.scores) if n else []
        flags = 0
        for flag, _ in found:
            flags |= flag
        return flags, sum(unknown for _, unknown in found)

    def _work(
        self, span: Span, scale: float, mode: int, out: tuple[Tensor, Tensor], scratch: int
    ) -> tuple[int, int]:
        start, stop = span
        n = self.scores.shape[1]
        rows = self.scores[start:stop]
        rows = rows.float() if self.half else rows
        copied = mode == GRADIENT and out[0].dtype != rows.dtype
        slopes = torch.empty_like(rows) if copied else out[0][start:stop]
        addresses = (
            rows.data_ptr(),
            self.target[start:stop].data_ptr(),
            self.tables.data_ptr(),
            0 if self.weights is None else self.weights[0].data_ptr(),
            0 if self.weights is None else self.weights[1].data_ptr(),
            0 if self.factors is None else self.factors[start:stop].data_ptr(),
            self.totals[start:stop].data_ptr(),
            slopes.data_ptr(),
            out[1][start:stop].data_ptr(),
            scratch,
        )
        flags, unknown = losses(
            (self.number, self.label),
            self.marked,
            (0, stop - start),
            (n, self.tables.numel()),
            addresses,
            (self.weights is not None, self.factors is not None),
            self.shares,
            scale,
            mode,
        )
        if copied:
            out[0][start:stop] = slopes
        return flags, unknown


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    # numpy asks the system for huge pages, which are there much sooner than small ones.
    if dtype in HALVES:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(np.empty(shape, dtype=torch.empty(0, dtype=dtype).numpy().dtype))


def _number(x: Tensor) -> Any:
    return np.float64(0) if x.dtype == torch.float64 else np.float32(0)


def _labels(target: Tensor) -> tuple[Tensor, Any, bool]:
    """A target of a type that is compiled for, a number of it, and whether -1 is unknown."""
    if target.dtype in (torch.bool, torch.uint8):
        return target, np.uint8(0), False
    if target.dtype in (torch.float32, torch.float64):
        return target, _number(target), False
    if target.is_floating_point():
        return target.float(), np.float32(0), False
    return target.long(), np.int64(0), target.dtype.is_signed


def _weights(
    weight: Tensor | None, pos_weight: Tensor | None, tables: Tensor, number: Any
) -> Tensor | None:
    """Weights of negatives and of positives, `(2, n)` by position."""
    if weight is None and pos_weight is None:
        return None
    order = unpack(tables).column.long()
    dtype = torch.float64 if number.itemsize == 8 else torch.float32
    negative = torch.ones(len(order), dtype=dtype) if weight is None else weight.to(dtype)
    positive = negative if pos_weight is None else negative * pos_weight.to(dtype)
    return torch.stack([negative, positive]).index_select(1, order)
