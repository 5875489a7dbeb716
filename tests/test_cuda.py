"""On a CUDA device all gives what it gives on the CPU: losses, layers, models, trainings."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import hierloss.functional as HF
from hierloss import LMC, MCM, HybridLoss, LHLoss, MCLoss
from hierloss.metrics import (
    average_precision,
    hierarchical_scores,
    interpolated_auprc,
    violation_rate,
)
from hierloss.models import SYSTEMS
from hierloss.models.base import Model
from hierloss.training import Settings, Training, probabilities, seeded
from oracles import Problem

if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)

LOSSES = [HybridLoss, MCLoss, LHLoss]
H = Problem(60, frozenset((i, j) for i in range(1, 60) for j in {i // 2, i // 3})).hierarchy
losses = pytest.mark.parametrize("kind", LOSSES)
networks = pytest.mark.parametrize("name", SYSTEMS)


def rows(samples: int) -> tuple[Tensor, Tensor]:
    """Features of 10 numbers, and classes that follow from them."""
    x = torch.randn(samples, 10)
    return x, H.close(x @ torch.randn(10, len(H)) > 4).float()


def made(name: str) -> Model:
    weight = torch.ones(len(H))
    weight[0] = 0
    small = {} if name == "HMC-LMLP" else {"hidden": 16}
    return SYSTEMS[name](H, 10, weight=weight, **small)


def slope(loss: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    value = loss(x, y)
    value.backward()
    return value.detach(), x.grad


@losses
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_losses(kind, dtype) -> None:
    x, (_, y) = torch.randn(9, len(H)).to(dtype), rows(9)
    y[0, 1] = torch.nan
    loss = kind(H, weight=torch.rand(len(H)), pos_weight=torch.rand(len(H)))
    value, gradient = slope(loss, x, y)
    loss.cuda()
    found, its = slope(loss, x.cuda(), y.cuda())
    assert_close(found.cpu(), value)
    assert its.dtype == dtype
    assert_close(its.cpu(), gradient)


@pytest.mark.parametrize("kind", [MCM, LMC])
def test_layers(kind) -> None:
    x = torch.randn(2, 3, len(H))
    layer = kind(H)
    assert torch.equal(layer.cuda()(x.cuda()).cpu(), kind(H)(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inductor's own
@losses
def test_losses_of_a_compiled_step(kind) -> None:
    (_, y), x = rows(5), torch.randn(5, len(H), device="cuda")
    loss = kind(H).cuda()
    expected = slope(loss, x, y.cuda())
    compiled = torch.compile(loss, fullgraph=True)
    assert_close(slope(compiled, x, y.cuda()), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_mixed_precision(dtype) -> None:
    (x, y), network = rows(8), nn.Linear(10, len(H)).cuda()
    loss = HybridLoss(H).cuda()
    scaler = torch.amp.GradScaler("cuda", enabled=dtype == torch.float16)
    optimizer = torch.optim.SGD(network.parameters(), 1.0)
    before = loss(network(x.cuda()), y.cuda())
    for _ in range(20):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=dtype):
            value = loss(network(x.cuda()), y.cuda())
        scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
    assert value.isfinite()
    assert value < 0.9 * before


def test_on_a_stream_of_its_own() -> None:
    (_, y), x = rows(500), torch.randn(500, len(H), device="cuda")
    loss, y = HybridLoss(H).cuda(), y.cuda()
    expected = slope(loss, x, y)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        found = slope(loss, x, y)
    stream.synchronize()
    assert_close(found, expected, rtol=0, atol=0)


@losses
def test_a_target_is_checked_when_that_is_asked_for(kind) -> None:
    x, y = torch.randn(2, len(H), device="cuda"), torch.zeros(2, len(H), device="cuda")
    y[1, len(H) - 1] = 1
    with pytest.raises(ValueError, match="closed upward"):
        kind(H, validate_targets=True).cuda()(x, y)


def test_gradients_of_gradients() -> None:
    x = torch.randn(2, len(H), dtype=torch.float64, device="cuda", requires_grad=True)
    y = rows(2)[1].cuda()
    assert torch.autograd.gradcheck(lambda s: HF.hybrid_loss(s, y, H), x)
    assert torch.autograd.gradgradcheck(lambda s: HF.hybrid_loss(s, y, H), x)


def test_metrics() -> None:
    scores, (_, y) = torch.rand(30, len(H)), rows(30)
    for metric in (average_precision, interpolated_auprc):
        assert metric(scores.cuda(), y.cuda()) == pytest.approx(metric(scores, y), abs=1e-9)
    assert violation_rate(scores.cuda(), H) == violation_rate(scores, H)
    predicted = H.close(scores > 0.9)
    expected = hierarchical_scores(predicted, y, H)
    assert hierarchical_scores(predicted.cuda(), y.cuda(), H) == pytest.approx(expected, abs=1e-9)


@networks
def test_networks(name) -> None:
    x, y = rows(6)
    model = made(name).eval()
    twin = copy.deepcopy(model).cuda()
    assert_close(twin.predict(x.cuda()).cpu(), model.predict(x), rtol=1e-4, atol=1e-5)
    for one, a, b in ((model, x, y), (twin, x.cuda(), y.cuda())):
        one.criterion(one(a), b).backward()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        if ours.grad is not None:
            assert_close(theirs.grad.cpu(), ours.grad, rtol=1e-3, atol=1e-6)


def begun(name: str, epochs: int, **options: object) -> Training:
    torch.manual_seed(0)
    x, y = (part.cuda() for part in rows(23))
    with seeded(0):
        model = made(name).cuda()
    settings = Settings(epochs=epochs, lr=0.01)
    return Training(model, (x[:18], y[:18]), settings, valid=(x[18:], y[18:]), **options)


def trained(name: str, epochs: int, **options: object) -> Training:
    training = begun(name, epochs, **options)
    for _ in training.epochs():
        pass
    return training


@networks
def test_a_recorded_step_is_the_step(name) -> None:
    plain, recorded = (trained(name, 4, recorded=how) for how in (False, True))
    assert recorded.steps.batch is not None
    for a, b in zip(plain.history, recorded.history, strict=True):
        assert b.loss == pytest.approx(a.loss, rel=1e-4)
    x = rows(5)[0].cuda()
    expected = probabilities(plain.model, x)
    assert_close(probabilities(recorded.model, x), expected, rtol=1e-3, atol=1e-4)
    assert recorded.history[-1].loss < recorded.history[0].loss


def test_a_training_goes_on_where_it_was(tmp_path: Path) -> None:
    kept = {"state": tmp_path / "state.safetensors", "every": 0.0}
    epochs = begun("HLSTM", 5, **kept).epochs()
    for _ in range(3):
        next(epochs)
    resumed = begun("HLSTM", 5, **kept)
    assert len(resumed.history) == 3
    for _ in resumed.epochs():
        pass
    expected = [epoch.loss for epoch in trained("HLSTM", 5).history]
    assert [epoch.loss for epoch in resumed.history] == pytest.approx(expected, rel=1e-4)


def test_random_numbers_of_a_recorded_step_are_drawn_anew() -> None:
    x, y = (part.cuda() for part in rows(8))

    class Noise(type(made("CHMCNN"))):  # its loss is what dropout does to a one
        def criterion(self, output, target):
            share = nn.functional.dropout(torch.ones(1000, device="cuda"), 0.5).mean()
            return super().criterion(output, target) * 0 + share

    with seeded(0):
        model = Noise(H, 10, hidden=4).cuda()
    training = Training(model, (x, y), Settings(epochs=4))
    seen = [epoch.loss for epoch in training.epochs()]
    assert training.steps.batch is not None
    assert len(set(seen)) == 4
    assert all(abs(loss - 1) < 0.2 for loss in seen)
