"""The steps of a training, on a GPU as one launch each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import torch
from torch import Tensor

from hierloss._placed import Placed
from hierloss.models.base import Model


class Steps:
    """The steps of an optimizer on some of the rows, a batch at a time.

    A step with a few rows is hundreds of launches, each of which takes the CPU longer than the GPU.
    With `recorded`, a step is recorded as a CUDA graph, which is one launch, once there has been a
    pass over the rows, and so all that is made only once has been made. A smaller batch at the end
    of a pass is no part of it.

    A graph knows where tensors were and what numbers were when it was recorded. If those of the
    model or the optimizer have changed before a pass, the step is recorded anew.
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
        self.known: object = None

    def take(self, batches: Sequence[Tensor], progress: Callable[[int, int], object]) -> float:
        """One step for each batch of row numbers, and the sum of the losses of the rows."""
        self.total.zero_()
        if self.recorded and self.passed and self.known != self._signature():
            self._record(batches[0])
            self.known = self._signature()
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

    def _signature(self) -> object:
        """What a graph takes for granted."""
        held = chain(*(x.all_held() for x in self.model.modules() if isinstance(x, Placed)))
        tensors = (*self.model.parameters(), *self.model.buffers(), *held)
        groups = [{**group, "params": None} for group in self.optimizer.param_groups]
        return [(x.data_ptr(), x.requires_grad) for x in tensors], repr(groups)

    def _record(self, batch: Tensor) -> None:
        self.batch = None
        rows = batch.clone()
        try:
            self.graph = self._capture(rows)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise RuntimeError(
                f"expected a step that can be recorded as a CUDA graph, got {error}; if the model "
                "waits for the device, train it with recorded=False, in a new process"
            ) from error
        self.batch = rows

    def _capture(self, batch: Tensor) -> torch.cuda.CUDAGraph:
        """The step of a batch as a graph; nothing of it is carried out."""
        device = batch.device
        # The context of the present stream takes it back where recording fails.
        with torch.cuda.device(device), torch.cuda.stream(torch.cuda.current_stream(device)):
            graph = torch.cuda.CUDAGraph()
            stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch gives it no types
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._step(batch)
        return graph
