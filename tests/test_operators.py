"""The kernels as operators of PyTorch: compiled, exported, forked, chosen, missing."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import hierloss.functional as HF
from hierloss import LMC, MCM, Hierarchy, HybridLoss, LHLoss, MCLoss, kernels
from hierloss.topology import Topology
from table import CLOSED, DAG, losses


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_operators_are_what_pytorch_expects(dtype) -> None:
    tables = Topology(DAG).tables
    scores = torch.randn(3, 5).to(dtype).requires_grad_()
    scaling = torch.rand(5), torch.rand(5)
    checks = {
        "select": [(scores, tables, kind, True) for kind in ("max", "min", "min_all")],
        "scatter": [(scores, torch.zeros(3, 5, dtype=torch.int32), tables, "max")],
        "counts": [(scores.detach(), CLOSED, tables, *scaling, 0.5, 0.5)],
        "loss": [
            (scores, y, tables, *scaling, torch.rand(3), reduction, 0.5, 0.5, False, True)
            for reduction in ("mean", "sum")
            for y in (CLOSED, CLOSED.float())
        ],
    }
    for name, samples in checks.items():
        for sample in samples:
            torch.library.opcheck(getattr(torch.ops.hierloss, name).default, sample)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inductor's own
@pytest.mark.parametrize("make", [MCLoss, LHLoss, HybridLoss])
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_a_training_step_compiles_once_for_all_batch_sizes(make, backend) -> None:
    torch._dynamo.reset()
    model, criterion = torch.nn.Linear(7, 5), make(DAG)

    def step(x: Tensor, y: Tensor) -> Tensor:
        return criterion(model(x), y)

    compiled = torch.compile(step, backend=backend, fullgraph=True, dynamic=True)
    batches = [(torch.randn(k, 7), DAG.close(torch.rand(k, 5) < 0.3)) for k in (4, 3, 17, 64)]
    for i, (x, y) in enumerate(batches):
        with torch._dynamo.config.patch(error_on_recompile=i > 0):
            value = compiled(x, y)
        by_graph = torch.autograd.grad(value, model.parameters())
        eager = step(x, y)
        assert_close(value, eager)
        assert_close(by_graph, torch.autograd.grad(eager, model.parameters()))


def test_shapes_of_a_compiled_loss_on_the_meta_device() -> None:
    torch._dynamo.reset()
    loss = MCLoss(DAG, reduction="none").to("meta")
    x, y = torch.empty(3, 5, device="meta"), torch.empty(3, 5, device="meta")
    assert torch.compile(loss, backend="eager", fullgraph=True)(x, y).shape == (3, 5)


class Coherent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Sequential(torch.nn.Linear(7, 5), MCM(DAG), LMC(DAG, closure=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)


def test_export_takes_the_reference() -> None:
    model = Coherent()
    x = torch.randn(4, 7)
    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch},))
    names = {str(node.target) for node in program.graph.nodes}
    assert not any("hierloss" in name for name in names)
    for k in (4, 9):
        x = torch.randn(k, 7)
        assert_close(program.module()(x), model(x))


@losses
def test_deterministic_algorithms_are_no_hindrance(loss, oracle) -> None:
    scores = torch.randn(40, 5, requires_grad=True)
    target = DAG.close(scores > 1)
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (
            torch.autograd.grad(loss(scores, target, DAG) + MCM(DAG)(scores).mean(), scores)
            for _ in range(2)
        )
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(*first, *second)


@losses
def test_weights_can_be_learned(loss, oracle) -> None:
    weight = torch.rand(5, requires_grad=True)
    loss(torch.randn(3, 5), CLOSED, DAG, weight=weight).backward()
    assert weight.grad.any()


def answer(queue, scores: Tensor, target: Tensor, criterion: HybridLoss) -> None:
    # Only what is ours: PyTorch's own threads hang in a fork of a process that had started them.
    torch.set_num_threads(2)
    queue.put(criterion(scores.requires_grad_(), target).item())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_works_after_a_fork() -> None:
    criterion = HybridLoss(Hierarchy.from_parents([None] + [0] * 4999))
    scores, target = torch.randn(64, 5000), torch.zeros(64, 5000)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    answer(queue, scores.clone(), target, criterion)  # starts the threads of this process
    child = context.Process(target=answer, args=(queue, scores.clone(), target, criterion))
    child.start()
    answers = [queue.get(timeout=60) for _ in range(2)]
    child.join(timeout=60)
    assert child.exitcode == 0
    assert answers[0] == answers[1]


class Batches(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Tensor:
        return HF.mcm(torch.full((5,), float(i)), DAG)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_works_in_a_worker_of_a_data_loader() -> None:
    loader = torch.utils.data.DataLoader(Batches(), batch_size=2, num_workers=2)
    assert_close(torch.cat(list(loader)), torch.arange(4.0)[:, None].expand(4, 5))


def run(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_import_is_quiet_and_compiles_nothing() -> None:
    code = "import sys, hierloss; print({'numba', 'triton', 'torch._dynamo'} & set(sys.modules))"
    assert run(f"import warnings; warnings.simplefilter('error'); {code}") == "set()"


def test_the_environment_chooses() -> None:
    code = "from hierloss.kernels import chosen; print(chosen())"
    assert run(code, HIERLOSS_KERNELS="reference") == "reference"
    refused = "import hierloss.kernels as k\ntry: k.chosen()\nexcept ValueError as e: print(e)"
    assert "got 'fast'" in run(refused, HIERLOSS_KERNELS="fast")


def test_without_numba_the_reference_serves() -> None:
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import torch, hierloss, hierloss.kernels as k\n"
        "h = hierloss.Hierarchy.from_paths(['a/b'])\n"
        "scores = torch.randn(3, 2, requires_grad=True)\n"
        "hierloss.HybridLoss(h)(scores, torch.zeros(3, 2)).backward()\n"
        "print(k.available()['numba'])\n"
        "try: k.use('numba')\n"
        "except ImportError as e: print(e)"
    )
    told, refused = run(code).splitlines()
    assert "numba" in told
    assert told in refused


def test_use_says_what_can_be_used() -> None:
    with pytest.raises(ValueError, match=r"expected kernels of .* got 'cuda'"):
        kernels.use("cuda")
    if not torch.cuda.is_available():
        with pytest.raises(ImportError, match="no CUDA device"):
            kernels.use("triton")


def test_compiles_where_the_result_cannot_be_kept() -> None:
    from hierloss.kernels._blocks import compiled

    names: dict = {}
    exec("def double(x): return 2 * x", names)  # of no file, so that there is no place for a cache
    assert compiled(names["double"])(21) == 42


def test_half_precision_predicts_in_inference_mode() -> None:
    h = Hierarchy.from_parents([None] + [0] * 4999)
    scores = torch.randn(64, 5000).bfloat16()
    with torch.inference_mode():
        raised = MCM(h)(scores)
    assert torch.equal(raised, MCM(h)(scores))


@losses
def test_what_was_made_for_inference_trains(loss, oracle) -> None:
    h = Hierarchy.from_parents([None, None, (0, 1), 2, 0])
    with torch.inference_mode():
        target, weight = CLOSED.clone(), torch.rand(5)
        expected = loss(torch.ones(3, 5), target, h, weight=weight).item()
    scores = torch.ones(3, 5, requires_grad=True)
    value = loss(scores, target, h, weight=weight)
    value.backward()
    assert value.item() == expected
    assert scores.grad.any()


def test_a_module_can_be_made_without_memory_first() -> None:
    criterion = HybridLoss(DAG)
    expected = criterion(torch.ones(3, 5), CLOSED)
    criterion = criterion.to("meta").to_empty(device="cpu")
    assert torch.equal(criterion(torch.ones(3, 5), CLOSED), expected)


def test_tensors_of_several_devices_do_not_reach_the_kernels() -> None:
    assert not kernels.serves(torch.ones(3, 5), torch.ones(3, 5, device="meta"))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_forward_mode_takes_the_reference() -> None:
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(torch.ones(3, 5), torch.ones(3, 5))
        raised = torch.autograd.forward_ad.unpack_dual(HF.mcm(dual, DAG))
    assert torch.equal(raised.tangent, torch.ones(3, 5))


@losses
def test_jacobians_can_be_vectorised(loss, oracle) -> None:
    scores = torch.randn(3, 5, requires_grad=True)

    def compute(x: Tensor) -> Tensor:
        return loss(x, CLOSED, DAG)

    fast = torch.autograd.functional.jacobian(compute, scores, vectorize=True)
    assert_close(fast, torch.autograd.grad(compute(scores), scores)[0])


@losses
def test_a_target_may_be_overwritten_before_backward(loss, oracle) -> None:
    scores, target = torch.randn(3, 5, requires_grad=True), CLOSED.clone()
    (expected,) = torch.autograd.grad(loss(scores, target, DAG), scores)
    value = loss(scores, target, DAG)
    target.zero_()
    assert torch.equal(torch.autograd.grad(value, scores)[0], expected)


@losses
@pytest.mark.parametrize("scale", [2.0**14, 2.0**-4])
def test_float16_gradients_are_scaled_before_they_are_rounded(loss, oracle, scale: float) -> None:
    scores = torch.full((4, 5), -18.0, dtype=torch.float16, requires_grad=True)
    options = {"reduction": "sum", "pos_weight": torch.full((5,), 1e4)}
    (scale * loss(scores, torch.zeros(4, 5), DAG, **options)).backward()
    exact = scores.detach().double().requires_grad_()
    (scale * loss(exact, torch.zeros(4, 5), DAG, **options)).backward()
    precision = torch.finfo(torch.float16)
    assert_close(scores.grad.double(), exact.grad, rtol=precision.eps, atol=2.0**-24)


def test_a_balance_of_all_leaves_the_other_scores_alone() -> None:
    local, globl = (torch.randn(3, 5, requires_grad=True) for _ in range(2))
    HF.hybrid_loss(globl, CLOSED, DAG, balance=1, local_input=local).backward()
    assert local.grad is None
    assert globl.grad.any()
