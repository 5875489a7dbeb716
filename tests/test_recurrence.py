"""The recurrent cell against PyTorch's own LSTM, and its derivative against autograd's."""

from __future__ import annotations

import io
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from hierloss.models._recurrence import Recurrence, _Steps, _steps

# PyTorch's own: the first forward-mode derivative makes it script its decompositions.
scripts = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")


def lstm(cell: Recurrence) -> nn.LSTM:
    """PyTorch's LSTM with the same parameters; its gates come as input, forget, new, output."""
    given, weight = cell.given, cell.recurrent.weight
    other = nn.LSTM(given.in_features, weight.shape[1])

    def ordered(x: Tensor) -> Tensor:
        forget, enter, new, out = x.chunk(4)
        return torch.cat([enter, forget, new, out])

    with torch.no_grad():
        other.weight_ih_l0.copy_(ordered(given.weight))
        other.bias_ih_l0.copy_(ordered(given.bias))
        other.weight_hh_l0.copy_(ordered(weight))
        other.bias_hh_l0.zero_()
    return other


def test_it_is_an_lstm_that_sees_the_same_features_at_each_step() -> None:
    torch.manual_seed(0)
    cell = Recurrence(3, 5, 4)
    x = torch.randn(2, 3)
    expected, _ = lstm(cell)(x.expand(4, 2, 3))
    assert_close(torch.stack(cell(x)), expected)


@given(
    steps=st.integers(1, 5),
    shape=st.sampled_from([(), (1,), (3,), (0,), (2, 3)]),
    used=st.sets(st.integers(0, 9)),
    seed=st.integers(0, 99),
)
def test_gradients_are_those_of_the_steps(
    steps: int, shape: tuple[int, ...], used: set[int], seed: int
) -> None:
    """Also where only some states, or cells, are used."""
    torch.manual_seed(seed)
    given, weight = torch.randn(*shape, 8).double(), torch.randn(8, 2).double()
    factors = [torch.randn(*shape, 2) * (k in used) for k in range(2 * steps)]

    def gradients(outputs: list[Tensor]) -> tuple[Tensor, ...]:
        total = sum((f * o).sum() for f, o in zip(factors, outputs, strict=True))
        return torch.autograd.grad(total, (given, weight))

    given.requires_grad_()
    weight.requires_grad_()
    states, cells = _steps(given, weight, steps)
    fast = list(_Steps.apply(given, weight, steps))
    assert_close(fast, [*states, *cells])
    assert_close(gradients(fast), gradients([*states, *cells]))


@scripts
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("learned", [(True, True), (True, False), (False, True)])
def test_first_and_second_derivatives(steps: int, learned: tuple[bool, bool]) -> None:
    torch.manual_seed(0)
    given = torch.randn(2, 8, dtype=torch.float64, requires_grad=learned[0])
    weight = torch.randn(8, 2, dtype=torch.float64, requires_grad=learned[1])

    def cell(given: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = _Steps.apply(given, weight, steps)
        return outputs

    assert torch.autograd.gradcheck(cell, (given, weight), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(cell, (given, weight))


@scripts
def test_hessian_forward_over_backward() -> None:
    torch.manual_seed(0)
    weight, given = torch.randn(8, 2).double(), torch.randn(3, 8).double()

    def value(weight: Tensor, fast: bool) -> Tensor:
        states = _Steps.apply(given, weight, 2) if fast else _steps(given, weight, 2)[0]
        total: Tensor = states[1].sum()
        return total

    hessian = torch.func.hessian(value)
    assert_close(hessian(weight, True), hessian(weight, False))


def test_mixed_precision() -> None:
    """The derivative is taken outside of autocast, as every training loop does."""
    torch.manual_seed(0)
    cell, x = Recurrence(3, 4, 3), torch.randn(5, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = cell(x)[-1].float().sum()
    (found,) = torch.autograd.grad(half, cell.recurrent.weight)
    (wanted,) = torch.autograd.grad(cell(x)[-1].sum(), cell.recurrent.weight)
    assert found.dtype == torch.float32
    assert_close(found, wanted, rtol=0.05, atol=0.02)  # bfloat16 has 8 bits


def test_a_trace_can_be_saved() -> None:
    torch.manual_seed(0)
    cell, x = Recurrence(3, 4, 2), torch.randn(5, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own: torch.jit is deprecated
        torch.jit.save(torch.jit.trace(cell, (x,)), file := io.BytesIO())
        file.seek(0)
        again = torch.jit.load(file)
    assert_close(again(x), cell(x))


def test_gradients_of_single_samples_by_vmap() -> None:
    torch.manual_seed(0)
    cell, x = Recurrence(3, 4, 3), torch.randn(5, 3)
    parameters = dict(cell.named_parameters())

    def loss(parameters: dict[str, Tensor], row: Tensor) -> Tensor:
        return torch.func.functional_call(cell, parameters, (row,))[-1].sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)
    for i, row in enumerate(x):
        alone = torch.autograd.grad(loss(parameters, row), list(parameters.values()))
        assert_close(tuple(each[name][i] for name in parameters), alone)


def test_it_compiles_whole() -> None:
    torch.manual_seed(0)
    cell, x = Recurrence(3, 4, 3), torch.randn(5, 3)
    compiled = torch.compile(cell, fullgraph=True, backend="aot_eager")
    assert_close(compiled(x), cell(x))
    (wanted,) = torch.autograd.grad(cell(x)[-1].sum(), cell.recurrent.weight)
    (found,) = torch.autograd.grad(compiled(x)[-1].sum(), cell.recurrent.weight)
    assert_close(found, wanted)


def test_jacobians_are_taken_in_batches() -> None:
    cell = Recurrence(3, 4, 2).double()
    x = torch.randn(2, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian
    each, batched = (jacobian(lambda x: cell(x)[-1], x, vectorize=v) for v in (False, True))
    assert_close(batched, each)
