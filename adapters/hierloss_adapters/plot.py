"""Pictures of hierarchies and of scores in them, drawn with matplotlib."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from hierloss_adapters._layout import Point, lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hierloss import Hierarchy

__all__ = ["draw", "draw_neighbourhood", "neighbourhood", "write_figure"]

# Lengths are points at full size, in which the text is set in FONT points.
FONT, LINE, PAD = 8.0, 10.0, 5.0
VIOLATED = "#D55E00"


class Picture(NamedTuple):
    """The boxes of a drawing by column, and the points of its edges by index of the edge."""

    text: dict[int, str]
    width: dict[int, float]
    height: dict[int, float]
    x: dict[int, float]
    top: dict[int, float]
    ways: dict[int, list[Point]]

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the drawing; the bottom is the larger."""
        sides = [self.x[c] + side * self.width[c] / 2 for c in self.x for side in (-1, 1)]
        sides += [x for way in self.ways.values() for x, _ in way]
        bottom = max(self.top[c] + self.height[c] for c in self.x)
        return min(sides) - PAD, max(sides) + PAD, bottom + PAD, -PAD


def draw(
    hierarchy: Hierarchy,
    scores: Tensor | NDArray[Any] | None = None,
    *,
    classes: Iterable[str] | None = None,
    true: Iterable[str] | None = None,
    labels: Mapping[str, str] | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a hierarchy from its roots down, and the scores of one sample in it.

    A class is a box, the darker the higher its score; one that is true has a thick outline. An
    edge whose child scores above its parent is thick, dashed and orange. A class whose score is NaN
    is hatched, and its edges are violated, as in `Hierarchy.violations`.

    An edge never passes behind the box of another class. Where a level is too wide, leaves of one
    parent are piled up, each with a line of its own.

    Args:
        hierarchy: The hierarchy.
        scores: `(n,)` probabilities.
        classes: The classes to draw, with the edges among them; by default all.
        true: Names of true classes; their ancestors follow.
        labels: Texts to print below the names of classes, such as the names of GO terms.
        title: The heading.
        ax: Where to draw; everything is scaled to fit. By default on a new figure of the size
            that the text needs, ``ax.figure``.

    Raises:
        ImportError: matplotlib is missing.
        TypeError: The classes are one string.
        ValueError: The scores are not `(n,)` or not within 0 and 1.

    Example:
        >>> import torch
        >>> from hierloss import Hierarchy
        >>> h = Hierarchy.from_paths(["animal/cat", "animal/dog"])
        >>> ax = draw(h, torch.tensor([0.6, 0.9, 0.1]), true=["animal/cat"])
        >>> len(ax.patches)
        3
    """
    scores = None if scores is None else torch.as_tensor(scores)
    values = _probabilities(hierarchy, scores)
    picture = _arrange(hierarchy, _columns(hierarchy, classes), labels or {}, values)
    ax = _frame(ax or _figure(picture).axes[0], picture, title)
    violated = [] if scores is None else hierarchy.violations(scores).nonzero().ravel().tolist()
    _draw_edges(ax, picture, violated)
    _draw_boxes(ax, picture, values, _closed(hierarchy, true))
    return ax


def neighbourhood(
    hierarchy: Hierarchy, name: str, *, above: int | None = None, below: int = 1, limit: int = 60
) -> tuple[str, ...]:
    """A class, what is above it and what is closely below it, in column order.

    Args:
        hierarchy: The hierarchy.
        name: The class, by name or alias.
        above: How many steps up to go; by default up to the roots.
        below: How many steps down to go.
        limit: How many classes to return at most. The nearest stay, ancestors before descendants.

    Raises:
        UnknownClassError: There is no such class.
        ValueError: A number is negative, or the limit is 0.

    Example:
        >>> from hierloss import Hierarchy
        >>> h = Hierarchy.from_paths(["a/b/c/d", "a/e"])
        >>> neighbourhood(h, "a/b")
        ('a', 'a/b', 'a/b/c')
    """
    if min(0 if above is None else above, below, limit - 1) < 0:
        raise ValueError(
            "expected above and below to be 0 or more and limit to be 1 or more, "
            f"got above={above}, below={below}, limit={limit}"
        )
    c = hierarchy.index(name)
    up = _within(c, hierarchy.parents, len(hierarchy) if above is None else above)
    near = [*up, *_within(c, hierarchy.children, below)[1:]]
    return tuple(hierarchy.names[i] for i in sorted(near[:limit]))


def draw_neighbourhood(
    hierarchy: Hierarchy,
    name: str,
    path: str | os.PathLike[str],
    *,
    labels: Mapping[str, str] | None = None,
    above: int | None = None,
    below: int = 1,
    limit: int = 60,
) -> None:
    """Draw the `neighbourhood` of a class, itself with a thick outline, into a file.

    Args:
        hierarchy: The hierarchy.
        name: The class, by name or alias.
        path: The file to write; ".png" or ".svg" at its end says which format. An SVG has real
            text and no date: the same picture is the same file.
        labels: As in `draw`.
        above: As in `neighbourhood`.
        below: As in `neighbourhood`.
        limit: As in `neighbourhood`; the heading tells when it leaves classes out.
    """
    whole = neighbourhood(hierarchy, name, above=above, below=below, limit=len(hierarchy))
    shown = neighbourhood(hierarchy, name, above=above, below=below, limit=limit)
    c = hierarchy.index(name)
    picture = _arrange(hierarchy, _columns(hierarchy, shown), labels or {}, {})
    note = f": the nearest {len(shown)} of {len(whole)} classes" * (len(shown) < len(whole))
    figure = _figure(picture)
    ax = _frame(figure.axes[0], picture, f"Around {hierarchy.names[c]}{note}")
    _draw_edges(ax, picture, [])
    _draw_boxes(ax, picture, {}, {c})
    write_figure(figure, path)


def write_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure into a file, an SVG with text as text and always with the same bytes.

    Args:
        figure: The figure, such as ``draw(h).figure``.
        path: The file to write; ".png" or ".svg" at its end says which format.
    """
    from matplotlib import rc_context

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    date = {"Date": None} if os.fspath(path).endswith((".svg", ".svgz")) else None
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "hierloss"}):
        figure.savefig(path, dpi=150, metadata=date)


def _within(c: int, neighbours: Callable[[int], tuple[int, ...]], steps: int) -> list[int]:
    """A column and those reached from it in so many steps, the nearest first."""
    found = edge = {c: None}
    for _ in range(steps):
        edge = {k: None for i in edge for k in neighbours(i) if k not in found}
        if not edge:
            break
        found = {**found, **edge}
    return list(found)


def _columns(hierarchy: Hierarchy, classes: Iterable[str] | None) -> list[int]:
    """The columns to draw."""
    if isinstance(classes, str):
        raise TypeError(
            f"expected classes as a list of names, got the string {classes!r}; pass [{classes!r}]"
        )
    chosen = hierarchy.names if classes is None else classes
    columns = sorted({hierarchy.index(name) for name in chosen})
    if not columns:
        raise ValueError("expected at least one class to draw, got none")
    return columns


def _closed(hierarchy: Hierarchy, true: Iterable[str] | None) -> set[int]:
    """The columns of true classes and their ancestors."""
    target = hierarchy.encode([[] if true is None else true])[0]
    return set(target.nonzero().ravel().tolist())


def _probabilities(hierarchy: Hierarchy, scores: Tensor | None) -> dict[int, float]:
    """The score of each column; none without scores."""
    if scores is None:
        return {}
    if scores.shape != (len(hierarchy),):
        raise ValueError(
            f"expected scores of one sample, of shape ({len(hierarchy)},), got "
            f"{tuple(scores.shape)}; draw one row at a time"
        )
    known = scores[~scores.isnan()]
    if ((known < 0) | (known > 1)).any():
        raise ValueError(
            f"expected scores within 0 and 1, got {known.min():.3g} to {known.max():.3g}; "
            "for logits pass scores.sigmoid()"
        )
    return dict(enumerate(scores.tolist()))


def _arrange(
    hierarchy: Hierarchy, columns: list[int], labels: Mapping[str, str], values: dict[int, float]
) -> Picture:
    """The picture of some columns and the edges among them."""
    shown = set(columns)
    edges = {
        e: (c, p)
        for e, (c, p) in enumerate(hierarchy.edge_index.T.tolist())
        if c in shown and p in shown
    }
    text = {c: _text(hierarchy.names[c], labels, values.get(c)) for c in columns}
    width = {c: _measure(text[c]) + 2 * PAD for c in columns}
    height = {c: LINE * (text[c].count("\n") + 1) + PAD for c in columns}
    return Picture(text, width, height, *lay_out(width, height, edges))


def _text(name: str, labels: Mapping[str, str], score: float | None) -> str:
    """The lines in the box of a class."""
    lines = textwrap.wrap(name, 22) + textwrap.wrap(labels.get(name, ""), 20)
    return "\n".join(lines if score is None else [*lines, f"{score:.2f}"])


def _measure(text: str) -> float:
    """The width of a text in points."""
    try:
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import TextToPath
    except ImportError as error:
        raise ImportError(
            'expected matplotlib, got none; for pictures pip install "hierloss[plot]"'
        ) from error
    font, measure = FontProperties(size=FONT), TextToPath()
    widths = [measure.get_text_width_height_descent(s, font, False)[0] for s in text.split("\n")]
    return float(max(widths))


def _figure(picture: Picture) -> Figure:
    """A figure of the size the picture needs, with axes."""
    from matplotlib.figure import Figure

    left, right, bottom, top = picture.frame
    wide, tall = max(right - left, 4 * 72), bottom - top
    figure = Figure(figsize=(wide / 72, (tall + 60) / 72))
    figure.add_axes((0, 30 / (tall + 60), 1, tall / (tall + 60)))
    return figure


def _frame(ax: Axes, picture: Picture, title: str | None) -> Axes:
    """Show the whole picture at one scale, without axes."""
    left, right, bottom, top = picture.frame
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.set_title(title or "", parse_math=False)
    ax.set_axis_off()
    return ax


def _scale(ax: Axes) -> float:
    """Points on paper for a point in the picture."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    return float(min(box.width / (right - left), box.height / (bottom - top)) * 72 / dpi)


def _draw_edges(ax: Axes, picture: Picture, violated: Collection[int]) -> None:
    """Lines from parents to children, the violated ones in a style of their own."""
    from matplotlib.collections import LineCollection

    s, bad = _scale(ax), set(violated)
    ways = picture.ways
    plain = LineCollection([ways[e] for e in ways if e not in bad], colors="0.6", zorder=1)
    special = LineCollection([ways[e] for e in ways if e in bad], colors=VIOLATED, zorder=2)
    plain.set(linewidth=0.8 * s)
    special.set(linewidth=2.2 * s, linestyle=(0, (3, 1.2)), label="child scores above its parent")
    ax.add_collection(plain)
    ax.add_collection(special)


def _draw_boxes(ax: Axes, picture: Picture, values: dict[int, float], marked: set[int]) -> None:
    """A box with text for each class, coloured by its score."""
    from matplotlib import colormaps
    from matplotlib.patches import FancyBboxPatch

    s, colour = _scale(ax), colormaps["Blues"]
    for c, x in picture.x.items():
        v, y, wide, tall = values.get(c, 0.0), picture.top[c], picture.width[c], picture.height[c]
        box = FancyBboxPatch((x - wide / 2, y), wide, tall, "round,pad=0,rounding_size=3")
        box.set(facecolor=colour(v), edgecolor="black" if c in marked else "0.6", zorder=3)
        if math.isnan(v):
            box.set(facecolor="white", hatch="////")
        box.set_linewidth((2.2 if c in marked else 0.7) * s)
        ax.add_patch(box)
        text = ax.text(x, y + tall / 2, picture.text[c], ha="center", va="center", zorder=4)
        text.set(color="white" if v > 0.6 else "black", fontsize=FONT * s, parse_math=False)
