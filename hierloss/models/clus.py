"""CLUS-ENS: bagged predictive clustering trees, on scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import hierloss.functional as HF
from hierloss.hierarchy import Hierarchy
from hierloss.models.base import check_positive, check_share, shares
from hierloss.topology import check_classes, check_tensor, dense

if TYPE_CHECKING:
    from typing_extensions import Self

Floats = NDArray[np.float64]
BLOCK = 256  # samples at a time, each beside all that were learned from


def clus_weights(hierarchy: Hierarchy, w0: float = 0.75) -> Tensor:
    r"""The weights of the classes in the distance of Clus-HMC.

    .. math:: w(c) = w_0 \cdot \text{mean}_{p \in \text{pa}(c)} w(p)

    and 1 for a root; in a tree that is :math:`w_0` to the power of the level.

    Shape:
        Output: `(n,)`.

    Example:
        >>> clus_weights(Hierarchy.from_paths(["a/b/c"]))
        tensor([1.0000, 0.7500, 0.5625])

    References:
        Vens, Struyf, Schietgat, Džeroski and Blockeel, Decision trees for hierarchical multi-label
        classification, 2008, https://doi.org/10.1007/s10994-008-5077-3
    """
    weight = np.ones(len(hierarchy))
    for c in np.argsort(hierarchy.levels, kind="stable").tolist():
        parents = hierarchy.parents(c)
        if parents:
            weight[c] = w0 * weight[list(parents)].mean()
    return torch.from_numpy(weight).to(torch.get_default_dtype())


class ClusEns:
    r"""CLUS-ENS, or Clus-HMC-Ens: bagged predictive clustering trees.

    A tree splits where the variance of the label vectors falls most, in the distance that weights
    the classes with `clus_weights`. Its prediction is the mean label vector of a leaf, that of the
    ensemble the mean over its trees. As labels are closed upward, it is coherent.

    The trees are those of scikit-learn, grown on the principal axes of the weighted labels: the
    turn keeps all distances, and axes that hardly vary are left out, which makes trees on thousands
    of classes a hundred times faster. A prediction is a weighted mean of training labels, and is
    computed as one.

    Readings: a split needs `min_weight` samples on each side, counted as often as the bootstrap
    has them, in place of Clus's F-test, which scikit-learn has not. In a DAG the weights of
    parents are averaged, as in the paper; Clus's own default is to add them. Missing features have
    to be filled in before, where Clus distributes such samples over both sides.

    It is no `Model`, since nothing in it is trained by gradients: it has `fit` and `predict`.

    Args:
        hierarchy: The hierarchy of the classes.
        trees: How many trees.
        w0: The base of the class weights.
        min_weight: The least number of samples of a leaf.
        variance: The share of the variance of the labels that the principal axes have to keep.
        seed: Where randomness starts; the same seed gives the same trees.
        weight: Factors on the class weights, `(n,)`; 0 leaves a class out.

    Example:
        >>> h = Hierarchy.from_paths(["a/b", "a/c"])
        >>> x = torch.arange(20.0)[:, None]
        >>> y = h.encode([["a/b"]] * 10 + [["a"]] * 10)
        >>> ClusEns(h, trees=5).fit(x, y).predict(torch.tensor([[0.0], [19.0]]))
        tensor([[1., 1., 0.],
                [1., 0., 0.]])

    References:
        Schietgat, Vens, Struyf, Blockeel, Kocev and Džeroski, Predicting gene function using
        hierarchical multi-label decision tree ensembles, 2010,
        https://doi.org/10.1186/1471-2105-11-2
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        trees: int = 50,
        w0: float = 0.75,
        min_weight: float = 5.0,
        variance: float = 0.99,
        seed: int = 0,
        weight: Tensor | None = None,
    ) -> None:
        check_positive("trees", trees)
        check_positive("w0", w0)
        check_positive("min_weight", min_weight)
        check_share("variance", variance)
        self.hierarchy = hierarchy
        self.trees = trees
        self.min_weight = min_weight
        self.variance = variance
        self.seed = seed
        factor = shares(weight, len(hierarchy))
        self.class_weights = clus_weights(hierarchy, w0) * (1 if factor is None else factor)
        self._grown: list[_Tree] = []

    def fit(
        self, x: Tensor, target: Tensor, progress: Callable[[int, int], object] | None = None
    ) -> Self:
        """Grow the trees.

        Args:
            x: `(samples, features)`, without missing values.
            target: `(samples, n)` of 0 and 1, closed upward.
            progress: Called with the number of trees grown, and of those to grow.

        Raises:
            ImportError: scikit-learn is missing.
            ValueError: The target has unknown labels or is not closed upward, or a feature is NaN
                or infinite.
        """
        labels = _labels(target, self.hierarchy)
        if len(x) != len(target):
            raise ValueError(f"expected features of {len(target)} samples, got {len(x)}")
        features = _known(x)
        if not len(features):
            raise ValueError("expected samples to grow trees on, got none")
        axes = _axes(labels.double() * self.class_weights.double().sqrt(), self.variance)
        random = np.random.default_rng(self.seed)
        grown = []
        for done in range(1, self.trees + 1):
            grown.append(_grow(features, axes, self.min_weight, random))
            if progress is not None:
                progress(done, self.trees)
        self._target, self._grown = labels, grown
        return self

    def predict(self, x: Tensor) -> Tensor:
        """Coherent probabilities, `(samples, n)`, of `(samples, features)` without missing values.

        Raises:
            ValueError: There are no trees yet, or a feature is NaN or infinite.
        """
        if not self._grown:
            raise ValueError("expected trees, got none; call fit first")
        features, target = _known(x), self._target.double()
        starts = range(0, len(features), BLOCK)
        blocks = (self._shares(features[i : i + BLOCK]) @ target for i in starts)
        means = torch.cat([target[:0], *blocks])
        return HF.mcm(means.to(torch.get_default_dtype()), self.hierarchy)

    def _shares(self, features: NDArray[Any]) -> Tensor:
        """How much each training sample counts for each of some samples."""
        share = np.zeros((len(features), len(self._target)))
        for tree in self._grown:
            same = tree.splits.apply(features)[:, None] == tree.leaf
            share += same * (tree.drawn / np.bincount(tree.leaf, tree.drawn)[tree.leaf])
        return torch.from_numpy(share / self.trees)

    def __repr__(self) -> str:
        return f"ClusEns({self.hierarchy!r}, trees={self.trees})"


class _Tree(NamedTuple):
    """A tree, the leaf of each training sample, and how often its bootstrap has the sample."""

    splits: Any
    leaf: NDArray[np.int64]
    drawn: Floats


def _known(x: Tensor) -> NDArray[Any]:
    """The features as an array; trees would send what is missing to either side."""
    check_tensor(x, "features")
    wrong = (~x.isfinite()).nonzero().tolist()
    if wrong:
        raise ValueError(
            f"expected finite features, got {x[tuple(wrong[0])].item()} at {wrong[0]}; fill in "
            "what is missing, for instance with the mean of the feature"
        )
    return x.detach().cpu().numpy()


def _labels(target: Tensor, hierarchy: Hierarchy) -> Tensor:
    """The target as bool."""
    target = dense(target, "a target").detach().cpu()
    check_classes(target, "a target", hierarchy)
    if not ((target == 0) | (target == 1)).all():
        raise ValueError("expected a target of 0 and 1, got other values; trees need all labels")
    if not hierarchy.is_coherent(target):
        raise ValueError(
            "expected a target that is closed upward, got a class without its ancestors; "
            "hierarchy.close(target) sets them"
        )
    return target == 1


def _axes(z: Tensor, variance: float) -> Floats:
    """Coordinates of points on as many of their principal axes as keep a share of the variance."""
    u, s, _ = torch.linalg.svd(z - z.mean(0), full_matrices=False)
    kept = s.square().cumsum(0) / s.square().sum().clamp(min=1e-300)
    axes: Floats = (u * s)[:, : int((kept < variance).sum()) + 1].numpy()
    return axes


def _grow(
    features: NDArray[Any], axes: Floats, min_weight: float, random: np.random.Generator
) -> _Tree:
    """A tree on a bootstrap of the samples."""
    n = len(features)
    drawn = np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)
    seen = drawn > 0
    splits = _require_tree()(
        min_weight_fraction_leaf=_fraction(min_weight, n),
        min_samples_split=2 if 2 * min_weight <= n else n + 1,
        random_state=int(random.integers(2**31)),
    )
    splits.fit(features[seen], axes[seen], sample_weight=drawn[seen])
    return _Tree(splits, splits.apply(features), drawn)


def _fraction(min_weight: float, n: int) -> float:
    """A weight as a share of n; rounded, their product may not exceed the weight."""
    share = min(0.5, min_weight / n)
    return share if share * n <= min_weight else float(np.nextafter(share, 0))


def _require_tree() -> Callable[..., Any]:
    try:
        from sklearn.tree import DecisionTreeRegressor
    except ImportError as error:
        raise ImportError(
            'expected scikit-learn, got none; for trees pip install "hierloss[sklearn]"'
        ) from error
    tree: Callable[..., Any] = DecisionTreeRegressor
    return tree
