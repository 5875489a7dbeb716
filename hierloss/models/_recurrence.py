"""The recurrent cell that steps from level to level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Recurrence(nn.Module):
    r"""The cell of an LSTM that steps from level to level, with the same input at each step.

    .. math:: F^h = \sigma(W_F [A^{h-1}; x] + b_F), \quad I^h = \sigma(W_I [A^{h-1}; x] + b_I)

    .. math:: \hat C^h = \tanh(W_C [A^{h-1}; x] + b_C), \quad O^h = \sigma(W_O [A^{h-1}; x] + b_O)

    .. math:: C^h = F^h C^{h-1} + I^h \hat C^h, \quad A^h = O^h \tanh(C^h)

    The four matrices are one, cut into its part for x, which is applied once, and that for A. All
    weights start uniform in :math:`\pm 1 / \sqrt{k}`, for k hidden units, as in `torch.nn.LSTM`.
    """

    def __init__(self, features: int, hidden: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.given = nn.Linear(features, 4 * hidden)
        self.recurrent = nn.Linear(hidden, 4 * hidden, bias=False)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The state `(*, hidden)` after each step."""
        given, weight = self.given(x), self.recurrent.weight
        autocast = given.dtype != weight.dtype
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]  # no stubs
        if autocast or tracing or torch.compiler.is_compiling():
            return _steps(given, weight, self.steps)[0]
        fast: Callable[[Tensor, Tensor, int], tuple[Tensor, ...]] = _Steps.apply
        return list(fast(given, weight, self.steps)[: self.steps])


def _steps(given: Tensor, weight: Tensor, steps: int) -> tuple[list[Tensor], list[Tensor]]:
    """The states A and C after each step."""
    a = c = given.new_zeros(*given.shape[:-1], weight.shape[1])
    states, cells = [], []
    for _ in range(steps):
        f, i, new, o = (given + a @ weight.mT).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * new.tanh()
        a = o.sigmoid() * c.tanh()
        states.append(a)
        cells.append(c)
    return states, cells


class _Steps(torch.autograd.Function):
    """`_steps`, with derivatives that take one product of matrices for all steps where they can.

    In batches of a few samples the time goes into moving the shared matrix and its gradient, which
    autograd would make anew at each step. The gates are computed again, also in one product. All
    that is saved is given or returned, so that second derivatives are right too.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(given: Tensor, weight: Tensor, steps: int) -> tuple[Tensor, ...]:
        states, cells = _steps(given, weight, steps)
        return (*states, *cells)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]  # torch has no type of ctx
        given, weight, ctx.steps = inputs
        ctx.save_for_backward(given, weight, *output)
        ctx.save_for_forward(given, weight, *output)

    @staticmethod
    def backward(ctx, *grads):  # type: ignore[no-untyped-def]  # torch has no type of ctx
        given, weight, *saved = ctx.saved_tensors
        slopes = _slopes(given, weight, saved)
        a = c = torch.zeros_like(saved[0])
        gates = []
        for step in reversed(range(ctx.steps)):
            a = a + grads[step]
            c = c + grads[ctx.steps + step] + a * slopes.inner[step]
            by_cell = c.unsqueeze(-2) * slopes.cell[step]
            by_state = a.unsqueeze(-2) * slopes.state[step].unsqueeze(-2)
            gates.append(torch.cat([by_cell, by_state], -2).reshape(*a.shape[:-1], 4 * a.shape[-1]))
            a, c = gates[-1] @ weight, c * slopes.kept[step]
        gate = torch.stack(gates[::-1])
        rows, before = (x.reshape(-1, x.shape[-1]) for x in (gate, slopes.before))
        return gate.sum(0), rows.mT @ before, None

    @staticmethod
    def jvp(ctx, given_t, weight_t, _):  # type: ignore[no-untyped-def]  # torch has no type of ctx
        given, weight, *saved = ctx.saved_tensors
        slopes = _slopes(given, weight, saved)
        gates = torch.zeros_like(given) if given_t is None else given_t
        if weight_t is not None:
            gates = gates + slopes.before @ weight_t.mT
        gates = gates.expand(ctx.steps, *given.shape)
        a = c = torch.zeros_like(saved[0])
        states, cells = [], []
        for step in range(ctx.steps):
            gate = (gates[step] + a @ weight.mT).unflatten(-1, (4, -1))
            c = c * slopes.kept[step] + (gate[..., :3, :] * slopes.cell[step]).sum(-2)
            a = gate[..., 3, :] * slopes.state[step] + c * slopes.inner[step]
            states.append(a)
            cells.append(c)
        return (*states, *cells)


class _Slopes(NamedTuple):
    """The derivatives of all steps, stacked.

    Attributes:
        before: The state A before each step.
        cell: Of C by the first three gates, before their activations.
        kept: Of C by the C before.
        state: Of A by the last gate, before its activation.
        inner: Of A by C.
    """

    before: Tensor
    cell: Tensor
    kept: Tensor
    state: Tensor
    inner: Tensor


def _slopes(given: Tensor, weight: Tensor, saved: Sequence[Tensor]) -> _Slopes:
    steps, zero = len(saved) // 2, torch.zeros_like(saved[0])
    before = torch.stack([zero, *saved[: steps - 1]])
    cell_before, cell = torch.stack([zero, *saved[steps:-1]]), torch.stack([*saved[steps:]])
    f, i, new, o = (given + before @ weight.mT).chunk(4, -1)
    f, i, new, o, squashed = f.sigmoid(), i.sigmoid(), new.tanh(), o.sigmoid(), cell.tanh()
    by_gates = [cell_before * f * (1 - f), new * i * (1 - i), i * (1 - new.square())]
    return _Slopes(
        before=before,
        cell=torch.stack(by_gates, -2),
        kept=f,
        state=squashed * o * (1 - o),
        inner=o * (1 - squashed.square()),
    )
