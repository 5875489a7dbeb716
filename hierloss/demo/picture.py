"""The scores of one animal, as they are, after LMC and after MCM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hierloss.demo.validation import Result
from hierloss.demo.zoo import Zoo
from hierloss.hierarchy import Hierarchy
from hierloss.layers import LMC, MCM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOTICEABLE = 0.05


def require_matplotlib() -> None:
    """Raise an ImportError that tells what to install, unless matplotlib is there."""
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError(
            'expected matplotlib, got none; for the demo pip install "hierloss[demo]"'
        ) from error


def picture(zoo: Zoo, result: Result) -> Figure:
    """Draw the scores of the least coherent animal, as the paper's Fig. 1 does.

    They come from the first repeat. Classes without a noticeable score are left out, unless they
    are true or siblings of a true class.
    """
    scores = result.logits[0].sigmoid()
    i = least_coherent(zoo, scores)
    panels = {
        "Scores of the network": scores[i],
        "LMC, one step: at most what the parent scored": LMC(zoo.hierarchy)(scores[i]),
        "MCM: at least what any descendant scores": MCM(zoo.hierarchy)(scores[i]),
    }
    classes = shown(zoo, i, scores[i])
    figure = side_by_side(zoo.hierarchy, panels, true=[zoo.taxa[i]], classes=classes)
    figure.suptitle(
        f"{zoo.names[i].capitalize()}, truly {zoo.taxa[i]}: "
        f"scores of a network trained without it, with {result.loss}",
        y=1 - 0.15 / figure.get_figheight(),
    )
    return figure


def least_coherent(zoo: Zoo, scores: Tensor) -> int:
    """The animal whose children score above their parents by the most, summed over the edges."""
    child, parent = torch.tensor(zoo.hierarchy.edge_index)
    excess = (scores[:, child] - scores[:, parent]).clamp(min=0)
    return int(excess.sum(-1).argmax())


def shown(zoo: Zoo, i: int, scores: Tensor) -> list[str]:
    """The classes worth showing for an animal: noticeable, true, or siblings of a true one."""
    h = zoo.hierarchy
    kept = (scores >= NOTICEABLE) | zoo.target[i]
    kept[[h.index(c) for name in h.ancestors(zoo.taxa[i]) for c in h.children(name)]] = True
    return [name for name, keep in zip(h.names, h.close(kept).tolist(), strict=True) if keep]


def side_by_side(
    hierarchy: Hierarchy,
    panels: Mapping[str, Tensor],
    *,
    true: Iterable[str],
    classes: Iterable[str] | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
) -> Figure:
    """Draw several scores of one sample, on panels of the size that their text needs.

    Args:
        hierarchy: The hierarchy.
        panels: The scores by the headings.
        true: As in `draw`.
        classes: As in `draw`.
        labels: Those of `draw`, by the headings.
    """
    from matplotlib.figure import Figure

    from hierloss_adapters.plot import draw

    chosen = list(hierarchy if classes is None else classes)
    heading, scores = next(iter(panels.items()))
    text = (labels or {}).get(heading)
    wide, tall = _size(draw(hierarchy, scores, classes=chosen, labels=text))
    across, down = (len(panels), 1) if wide < 1.4 * tall else (1, len(panels))
    figure = Figure(figsize=(across * wide, down * tall + 0.8))
    axes = figure.subplots(down, across, squeeze=False).flat
    inch = 1 / figure.get_figheight()
    figure.subplots_adjust(0, 0.5 * inch, 1, 1 - 0.8 * inch, wspace=0.03, hspace=0.12)
    for ax, (heading, scores) in zip(axes, panels.items(), strict=True):
        text = (labels or {}).get(heading)
        draw(hierarchy, scores, classes=chosen, true=true, labels=text, title=heading, ax=ax)
    _legend(figure)
    return figure


def _size(ax: Axes) -> tuple[float, float]:
    """Width and height in inches of the figure of a drawing."""
    return ax.figure.bbox.width / ax.figure.dpi, ax.figure.bbox.height / ax.figure.dpi


def _legend(figure: Figure) -> None:
    """What thick outlines and dashed edges mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from hierloss_adapters.plot import VIOLATED

    true = Patch(facecolor="white", edgecolor="black", linewidth=2.2, label="true class")
    bad = Line2D([], [], color=VIOLATED, linewidth=2.2, linestyle=(0, (3, 1.2)))
    bad.set_label("child scores above its parent")
    figure.legend(handles=[true, bad], loc="lower center", ncols=2, frameon=False)
