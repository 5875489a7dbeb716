"""The kernels as operators of PyTorch: traced, compiled and differentiated like its own.

Which classes decide does not change between ties, so it has no derivative; what has one is an
elementwise cost. The operator `loss` computes value and gradient at once. Only a derivative of
the gradient, if it is ever asked for, is left to PyTorch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hierloss.kernels import slope_type, sum_type

__all__ = ["loss", "select"]

LIBRARY: Any = torch.library.Library("hierloss", "DEF")  # type: ignore[no-untyped-call]  # torch gives it no types
BACKENDS = {"CPU": "_cpu", "CUDA": "_gpu"}
TARGET = "Tensor scores, Tensor target, Tensor tables, Tensor? weight, Tensor? pos_weight"


def _operator(name: str, signature: str, fake: Callable[..., Any]) -> Any:
    LIBRARY.define(name + signature)
    for key, module in BACKENDS.items():
        LIBRARY.impl(name, _implementation(module, name), key)
    torch.library.register_fake(f"hierloss::{name}", fake, lib=LIBRARY)
    return getattr(torch.ops.hierloss, name).default


def _implementation(module: str, name: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        kernel = getattr(importlib.import_module(f"hierloss.kernels.{module}"), name)
        return kernel(*(x.contiguous() if isinstance(x, Tensor) else x for x in args))

    return call


def _fake_select(scores: Tensor, tables: Tensor, kind: str, routed: bool) -> Any:
    routes = scores.new_empty(
        (scores.shape[0] if routed else 0, scores.shape[1]), dtype=torch.int32
    )
    return torch.empty_like(scores, memory_format=torch.contiguous_format), routes


def _fake_scatter(grad: Tensor, routes: Tensor, tables: Tensor, kind: str) -> Tensor:
    return torch.empty_like(grad, memory_format=torch.contiguous_format)


def _fake_counts(scores: Tensor, *args: Any) -> Any:
    return tuple(scores.new_empty(scores.shape, dtype=sum_type(scores)) for _ in range(2))


def _fake_loss(scores: Tensor, *args: Any) -> Any:
    value, scale = (scores.new_empty((), dtype=sum_type(scores)) for _ in range(2))
    rows = scores.shape[0] if args[-1] else 0
    slopes = scores.new_empty((rows, scores.shape[1]), dtype=slope_type(scores))
    return value, slopes, scale


_select = _operator(
    "select",
    "(Tensor scores, Tensor tables, str kind, bool routed) -> (Tensor, Tensor)",
    _fake_select,
)
_scatter = _operator(
    "scatter", "(Tensor grad, Tensor routes, Tensor tables, str kind) -> Tensor", _fake_scatter
)
_counts = _operator(
    "counts", f"({TARGET}, float local, float globl) -> (Tensor, Tensor)", _fake_counts
)
_loss = _operator(
    "loss",
    f"({TARGET}, Tensor? sample_weight, str reduction, float local, float globl, bool validate, "
    "bool gradient) -> (Tensor, Tensor, Tensor)",
    _fake_loss,
)


def select(scores: Tensor, tables: Tensor, kind: str) -> Tensor:
    """The deciding score of every class; see `hierloss.kernels._cpu.select`."""
    values: Tensor = _select(scores, tables, kind, _differentiated(scores))[0]
    return values


def loss(scores: Tensor, *args: Any) -> Tensor:
    """The reduced loss; see `hierloss.kernels._cpu.loss`, but for its last argument."""
    value: Tensor = _loss(scores, *args, _differentiated(scores))[0]
    return value


def _differentiated(scores: Tensor) -> bool:
    return scores.requires_grad and torch.is_grad_enabled()


def _keep_routes(ctx: Any, inputs: Any, output: Any) -> None:
    _, tables, ctx.kind, _ = inputs
    ctx.set_materialize_grads(False)  # or PyTorch would fill zeros in for the routes
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1], tables)


def _select_backward(ctx: Any, grad: Tensor | None, _: Any) -> Any:
    if grad is None:
        return (None,) * 4
    routes, tables = ctx.saved_tensors
    return _scatter(grad, routes, tables, ctx.kind), None, None, None


def _keep_scattered(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(inputs[1])


def _scatter_backward(ctx: Any, grad: Tensor) -> Any:
    (routes,) = ctx.saved_tensors
    return grad.gather(1, routes.long()), None, None, None


def _keep_slopes(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, ctx.reduction, ctx.local, ctx.globl, _, _ = inputs
    ctx.dtype = inputs[0].dtype
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*output[1:])
    ctx.save_for_backward(*tensors)
    # Not saved, so that they can become the gradient itself; another backward computes them again.
    ctx.slopes = output[1:]


def _loss_backward(ctx: Any, grad: Tensor | None, *_: Any) -> Any:
    if grad is None:
        return (None,) * 11
    options = ctx.reduction, ctx.local, ctx.globl
    slopes, ctx.slopes = ctx.slopes, None
    if torch.is_grad_enabled():
        gradient = _differentiable_slopes(ctx.saved_tensors, *options) * grad
    else:
        slopes, scale = slopes or _loss(*ctx.saved_tensors, *options, False, True)[1:]
        gradient = _scaled(slopes, scale * grad)
    return gradient.to(ctx.dtype), *(None,) * 10


def _scaled(slopes: Tensor, factor: Tensor) -> Tensor:
    # On the CPU it costs no waiting to see that there is nothing to multiply.
    return slopes if _is_plain(slopes, factor) and factor.item() == 1 else slopes * factor


def _is_plain(slopes: Tensor, factor: Tensor) -> bool:
    """Whether a factor is a number on the CPU, and not one that is traced or one of a batch."""
    if type(slopes) is not Tensor or torch.compiler.is_compiling() or not factor.is_cpu:
        return False
    functorch: Any = torch._C._functorch
    return not (functorch.is_batchedtensor(factor) or functorch.is_legacy_batchedtensor(factor))


def _differentiable_slopes(tensors: Any, reduction: str, local: float, globl: float) -> Tensor:
    scores, target, tables, weight, pos_weight, sample_weight = tensors
    p, n = _counts(scores.detach(), target, tables, weight, pos_weight, local, globl)
    if sample_weight is not None:
        p, n = (x * sample_weight.to(x.dtype)[:, None] for x in (p, n))
    logits = scores.to(p.dtype).masked_fill((p == 0) & (n == 0), 0)
    slopes: Tensor = n * logits.sigmoid() - p * (-logits).sigmoid()
    return slopes / _divisor(target, reduction)


def _divisor(target: Tensor, reduction: str) -> Tensor | int:
    if reduction == "sum":
        return 1
    if reduction == "batchmean":
        return max(target.shape[0], 1)
    known = ~target.isnan() if target.is_floating_point() else target != -1
    return known.sum().clamp(min=1)


for _name, _backward, _keep in (
    ("select", _select_backward, _keep_routes),
    ("scatter", _scatter_backward, _keep_scattered),
    ("loss", _loss_backward, _keep_slopes),
):
    torch.library.register_autograd(
        f"hierloss::{_name}", _backward, setup_context=_keep, lib=LIBRARY
    )
