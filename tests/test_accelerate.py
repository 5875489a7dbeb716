"""A loop of accelerate without the Trainer: in two processes as in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.data import DataLoader, TensorDataset

from hierloss import Hierarchy, HybridLoss
from launch import launch

pytest.importorskip("accelerate", reason='needs pip install "hierloss[transformers]"')

from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

H = Hierarchy.from_edges([("c", "a"), ("d", "a"), ("d", "b"), ("e", "d")], names=list("abcde"))

SCRIPT = """
import sys
import torch
from accelerate import Accelerator
from test_accelerate import learned

accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == 2
parameters = learned(accelerator)
torch.save(parameters, f"{sys.argv[1]}/{accelerator.process_index}.pt")
accelerator.end_training()
"""


def learned(accelerator: Accelerator) -> list[Tensor]:
    """The parameters after a few steps; batches of all processes together have 8 samples."""
    torch.manual_seed(0)
    leaves = torch.nn.functional.one_hot(torch.randint(0, 5, (32,)), 5)
    rows = TensorDataset(torch.randn(32, 6), H.close(leaves).float())
    model = nn.Linear(6, 5)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loader = DataLoader(rows, batch_size=8 // accelerator.num_processes)
    criterion = HybridLoss(H).to(accelerator.device)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for x, y in loader:
        accelerator.backward(criterion(model(x), y))
        optimizer.step()
        optimizer.zero_grad()
    return [p.detach() for p in accelerator.unwrap_model(model).parameters()]


@pytest.fixture
def alone() -> Iterator[Accelerator]:
    """One process; what accelerate keeps of it is forgotten before and after."""
    forget()
    yield Accelerator(cpu=True)
    forget()


def forget() -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def test_two_processes_learn_what_one_does(tmp_path: Path, alone: Accelerator) -> None:
    launch(SCRIPT, tmp_path)
    one = learned(alone)
    for rank in range(2):
        assert_close(torch.load(tmp_path / f"{rank}.pt"), one)
