"""The steps of a training, on a GPU as one launch each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hierloss.models.base import Model


class Steps:
    """The steps of an optimizer on some of the rows, a batch at a time.

    A step with a few rows is hundreds of launches, each of which takes the CPU longer than the GPU.
    With `recorded`, a step is recorded as a CUDA graph, which is one launch, once an epoch has
    passed, and so all that is made only once has been made. A smaller batch at the end of an epoch
    is no part of it.
    """

    def __init__(
        self,
        model: Model,
        optimizer: torch.optim.Optimizer,
        rows: tuple[Tensor, Tensor],
        *,
        recorded: bool,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.x, self.y = rows
        self.recorded = recorded
        self.total = self.x.new_zeros((), dtype=torch.float64)
        self.passed = False
        self.batch: Tensor | None = None

    def take(self, batches: Sequence[Tensor], progress: Callable[[int, int], object]) -> float:
        """One step for each batch of row numbers, and the sum of the losses of the rows."""
        self.total.zero_()
        if self.recorded and self.passed and self.batch is None:
            self._record(batches[0])
        for done, batch in enumerate(batches, 1):
            if self.batch is not None and len(batch) == len(self.batch):
                self.batch.copy_(batch)
                self.graph.replay()
            else:
                self._step(batch)
            progress(done, len(batches))
        self.passed = True
        return float(self.total)

    def _step(self, batch: Tensor) -> None:
        self.optimizer.zero_grad()
        loss = self.model.criterion(self.model(self.x[batch]), self.y[batch])
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        self.optimizer.step()
        self.total += loss.detach() * len(batch)

    def _record(self, batch: Tensor) -> None:
        """Record the step of a batch; nothing of it is carried out."""
        rows = batch.clone()
        try:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self._step(rows)
        except RuntimeError as error:
            raise RuntimeError(
                "expected a model whose step can be recorded as a CUDA graph, got one that waits "
                "for the device perhaps; train it with recorded=False"
            ) from error
        self.batch = rows
