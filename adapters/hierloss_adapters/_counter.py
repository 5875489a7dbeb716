"""What the metrics of `hierloss_adapters.torchmetrics` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hierloss import Hierarchy, _counts

try:
    from torchmetrics import Metric
except ImportError as error:
    raise ImportError(
        'expected torchmetrics, got none; for this pip install "hierloss[torchmetrics]"'
    ) from error


if TYPE_CHECKING:
    from typing_extensions import Self


class Counter(Metric):
    """What the metrics share: classes that count, and states that keep their types."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound: float | None = 1.0
    settings: Tensor

    def __init__(self, classes: Tensor | None, *settings: object, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if classes is not None:
            classes = _counts.checked_classes(classes, len(classes))
        self.classes = classes
        # A MetricCollection shares the states of metrics with equal ones; those of other settings
        # may be equal by chance in the first batch.
        self.add_state("settings", _digest(classes, *settings), "max")

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draw a value, or several of them, as the metrics of torchmetrics do."""
        return self._plot(val, ax)

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add what another metric has counted.

        Raises:
            ValueError: Its options are others.
        """
        other = incoming_state
        state = other if isinstance(other, dict) else vars(other)
        settings = state.get("settings", self.settings)
        if not torch.equal(settings.to(self.settings.device), self.settings):
            raise ValueError(
                f"expected the state of a {type(self).__name__} with the same options, got one of "
                "others; give both the same hierarchy, classes and thresholds"
            )
        super().merge_state(incoming_state)

    def set_dtype(self, dst_type: str | torch.dtype) -> Self:
        """Set the type of what `compute` returns."""
        self._dtype = torch.empty(0).type(dst_type).dtype
        self._computed = None
        return self

    def _apply(
        self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ""
    ) -> nn.Module:
        def moved(x: Tensor) -> Tensor:
            try:
                y = fn(x)
                return y if y.dtype == x.dtype else x.to(y.device)
            except TypeError:  # MPS has no float64
                if x.dtype != torch.float64:
                    raise
                return moved(x.float())

        dtype = self._dtype
        this = super()._apply(moved, exclude_state)
        self._dtype = dtype
        return this


def checked(hierarchy: Hierarchy, classes: Tensor | None) -> Tensor | None:
    """Raise unless there is a hierarchy, and the classes that count are of it."""
    if not isinstance(hierarchy, Hierarchy):
        raise TypeError(f"expected a Hierarchy, got {type(hierarchy).__name__}")
    return None if classes is None else _counts.checked_classes(classes, len(hierarchy))


def _content(setting: object) -> object:
    """What a setting says, the same in each process."""
    if isinstance(setting, Hierarchy):
        return setting.names, np.asarray(setting.edge_index).tolist()
    return setting.tolist() if isinstance(setting, Tensor) else setting


def _digest(*settings: object) -> Tensor:
    """Eight bytes that tell settings apart."""
    values = [_content(x) for x in settings]
    return torch.tensor(list(sha256(repr(values).encode()).digest()[:8]))
