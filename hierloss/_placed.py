"""Tables that go where a module goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from typing_extensions import Self


class Placed(nn.Module):
    """A module with tables of columns, which follow it to another device.

    They are no buffers: an average of buffers rounds them, `to_empty` and `type` spoil them, and
    distributed training sends them around. On the device "meta", which has no numbers, theirs are
    kept.

    Example:
        >>> class Reversed(Placed):
        ...     def __init__(self, n):
        ...         super().__init__()
        ...         self.hold("order", torch.arange(n).flip(0))
        >>> Reversed(3).double().order
        tensor([2, 1, 0])
    """

    def __init__(self) -> None:
        super().__init__()
        self._held: tuple[str, ...] = ()
        self._kept: dict[str, Tensor] = {}

    def hold(self, name: str, table: Tensor) -> None:
        """Have a table as an attribute."""
        setattr(self, name, table)
        self._held += (name,)

    def all_held(self) -> list[Tensor]:
        """All tables, where they are."""
        return [getattr(self, name) for name in self._held]

    def held(self, name: str, device: torch.device) -> Tensor:
        """A table on a device; parameters may have got there by themselves."""
        table: Tensor = self._kept.get(name, getattr(self, name))
        return table.to(device)

    def place(self, device: torch.device) -> Self:
        """Bring the tables to a device, and nothing else."""
        for name in self._held:
            table: Tensor = getattr(self, name)
            if device.type == "meta":
                self._kept.setdefault(name, table)
            elif table.is_meta:
                table = self._kept.pop(name)
            setattr(self, name, table.to(device))
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch gives it no types
        if self._held:
            at = getattr(self, self._held[0]).device
            self.place(fn(torch.empty(0, device=at)).device)
        return self
