"""A scikit-learn classifier that learns with the hierarchy of its classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from hierloss import Hierarchy, HybridLoss
from hierloss.models import MLP
from hierloss.models.base import check_positive, check_share, shares
from hierloss.training import seeded

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_consistent_length, check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        'expected scikit-learn 1.6 or later, got none such; pip install "hierloss[sklearn]"'
    ) from error

from hierloss_adapters import _epochs
from hierloss_adapters import _label_forms as forms
from hierloss_adapters._epochs import Rows, all_or_nothing, checked_weight, pooled_score

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["HierarchicalClassifier"]

Weights = Mapping[str, float] | Sequence[float] | NDArray[Any] | Tensor


class HierarchicalClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # has no types
    r"""A classifier for scikit-learn: any network, trained with HybridLoss, behind MCM.

    .. math:: \text{predict\_proba}(x) = \text{MCM}(\sigma(h(x)))

    so that no class is likelier than its parents, and no class is predicted without them.

    The labels `y` come in any of these forms, and `predict` answers in the form of `fit`:

    - a class for each sample, its name or path; the answer is the class that is reached from the
      likeliest root by going on to the likeliest child, as long as `threshold` is reached,
    - the names of the classes of each sample, as a list of lists; the answer is an array of tuples,
    - a matrix `(samples, n)`, dense or sparse, of 0 and 1, closed upward, with -1 or NaN for
      unknown. The columns are those of `hierarchy`; those of a DataFrame have to be in
      the same order. The answer has 1 where `threshold` is reached.

    Without `hierarchy` the names have to be paths. Then a class of which no sample of `fit` knows
    is unknown later on: for cross-validation it is better given. Numbers, one for each sample, are
    classes that have no parents; beside a `hierarchy` they are refused.

    Args:
        hierarchy: The hierarchy of the classes; by default that of the paths in `y`.
        sep: What separates the components of paths.
        module: What builds the network from the numbers of features and classes, such as
            `torch.nn.Linear`. The network returns logits, or is one of `hierloss.models`, which is
            trained with this loss instead of its own. By default it is that of
            `hierloss.models.MLP`, which the next three are for.
        hidden: Units of each hidden layer.
        layers: How many linear layers there are.
        dropout: Share of hidden units dropped in training.
        balance: The share of MCLoss in the loss.
        weight: Share of each class in the loss: a number for each column, or for some names, the
            others having 1. With 0 a class counts neither there nor in `score`.
        pos_weight: The same for positive labels only.
        lr: The learning rate of Adam.
        weight_decay: The factor of its L2 penalty.
        batch_size: Samples of a batch.
        max_iter: How many epochs at most.
        tol: The least share by which an epoch has to be better than the best one.
        n_iter_no_change: Stop after so many epochs that were not: by the training loss, or with
            `early_stopping` by the score on rows held out.
        early_stopping: Hold rows out, and keep the parameters of the epoch that was best on them.
        validation_fraction: The share of rows to hold out.
        warm_start: Let `fit` go on from the last one, as if it had not stopped.
        threshold: The probability from which on a class is predicted.
        device: Where to train and predict. What is learned is kept on the CPU.
        verbose: Show a progress bar.
        random_state: Where randomness starts; PyTorch's own state stays as it is.

    Attributes:
        hierarchy_: The hierarchy of the classes; its names are in column order.
        classes_: What answers are made of: the labels, in column order. For a matrix it is 0 and 1
            for each column, `(n, 2)`, as scikit-learn has it, whose scorers look here.
        module_: The network.
        n_features_in_: The number of features.
        feature_names_in_: Their names, where all of them are strings.
        n_iter_: The number of epochs.
        loss_curve_: The mean training loss of each of them.
        validation_scores_: The score of each on the rows held out, or None.
        best_validation_score_: The best of them, or None.

    Example:
        >>> import numpy as np
        >>> X, y = np.eye(3).repeat(20, 0), np.repeat(["a/b", "a/c", "d"], 20)
        >>> model = HierarchicalClassifier(layers=2, random_state=0).fit(X, y)
        >>> model.predict(np.eye(3))
        array(['a/b', 'a/c', 'd'], dtype='<U3')
        >>> model.hierarchy_.is_coherent(torch.from_numpy(model.predict_proba(X)))
        True
    """

    def __init__(
        self,
        hierarchy: Hierarchy | None = None,
        *,
        sep: str = "/",
        module: Callable[[int, int], nn.Module] | None = None,
        hidden: int = 256,
        layers: int = 3,
        dropout: float = 0.5,
        balance: float = 0.5,
        weight: Weights | None = None,
        pos_weight: Weights | None = None,
        lr: float = 1e-3,
        weight_decay: float = 1e-5,
        batch_size: int = 32,
        max_iter: int = 100,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        threshold: float = 0.5,
        device: str | torch.device = "cpu",
        verbose: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hierarchy = hierarchy
        self.sep = sep
        self.module = module
        self.hidden = hidden
        self.layers = layers
        self.dropout = dropout
        self.balance = balance
        self.weight = weight
        self.pos_weight = pos_weight
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.threshold = threshold
        self.device = device
        self.verbose = verbose
        self.random_state = random_state

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | Iterable[Iterable[str]],
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from samples; what fails leaves all as it was.

        Args:
            X: `(samples, features)`, dense or sparse. They are best scaled before.
            y: The labels, in any of the forms above.
            sample_weight: `(samples,)`, the share of each sample in the loss.

        Raises:
            ValueError: An argument is not what it has to be.
            UnknownClassError: A label is not that of a class.
        """
        with all_or_nothing(self, "module_", "_moments"):
            begin = not (self.warm_start and self._begun())
            rows, held_out = self._rows(X, y, sample_weight, begin=begin).scaled(), None
            if self.early_stopping:
                rows, held_out = self._split(rows)
            self._train(rows, held_out, self.max_iter)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike | Iterable[Iterable[str]],
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from some samples, in one epoch, and go on from what was learned before.

        Args:
            X: As in `fit`.
            y: As in `fit`.
            classes: All labels that will come, one for each class or path; needed in the first
                call, unless there is a hierarchy.
            sample_weight: `(samples,)`, 0 or more, which multiply the loss as they are: they keep
                their proportion from call to call.
        """
        if self.early_stopping:
            raise ValueError("expected early_stopping=False for partial_fit, got True")
        if self.hierarchy is None and classes is None and not self._begun():
            raise ValueError(
                "expected classes in the first call of partial_fit, got none; pass all labels "
                "that will come, or hierarchy= to the classifier"
            )
        with all_or_nothing(self, "module_", "_moments"):
            rows = self._rows(X, y, sample_weight, begin=not self._begun(), classes=classes)
            self._train(rows, None, 1 if rows.x.shape[0] else 0)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Coherent probabilities, `(samples, n)`, each that of having the class.

        The columns are those of `hierarchy_`. A row does not sum to 1: a class and its parents go
        together.
        """
        check_is_fitted(self, "module_")
        p = self._probabilities(self._features(X, reset=False))
        self.module_.cpu()
        return p

    def predict(self, X: ArrayLike) -> Any:
        """The classes of samples, closed upward, in the form that `y` had in `fit`."""
        p = self.predict_proba(X)
        return forms.decode(self._form, p, self.hierarchy_, self._called, self.threshold)

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike | Iterable[Iterable[str]],
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """AU(PRC): the average precision of all pairs of a sample and a class, pooled.

        It is that of `hierloss.metrics.average_precision`: it needs no threshold, and a class near
        the right one costs less than one far away. The accuracy of scikit-learn would ask for whole
        samples without a fault. Unknown labels and classes of weight 0 do not count. It is NaN
        where nothing is positive.

        Args:
            X: As in `fit`.
            y: The labels, in any form.
            sample_weight: `(samples,)`, the share of each sample.
        """
        p = self.predict_proba(X)
        labels = forms.read(y, len(self.hierarchy_))
        target = forms.encode(labels, self.hierarchy_, self._called)
        check_consistent_length(p, target)
        weight = None if sample_weight is None else checked_weight(sample_weight, len(p))
        return self._score(p, target, weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.sparse = True
        return tags

    def _begun(self) -> bool:
        return hasattr(self, "module_")

    def _features(self, X: ArrayLike, reset: bool) -> Any:
        return validate_data(self, X, accept_sparse="csr", dtype=np.float32, reset=reset)

    def _rows(
        self, X: Any, y: Any, sample_weight: Any, *, begin: bool, classes: Any = None
    ) -> Rows:
        """The samples as they are learned from; to begin with, also the classes and the network."""
        self._check_parameters()
        x = self._features(X, reset=begin)
        known = self.hierarchy if begin else self.hierarchy_
        labels = forms.read(y, None if known is None else len(known))
        check_consistent_length(x, labels.values)
        if begin:
            matrix = labels.form in ("matrix", "sparse")
            self._begin(labels, labels if matrix or classes is None else forms.read(classes))
        elif self.hierarchy not in (None, self.hierarchy_):
            raise ValueError("expected the hierarchy of the first fit to go on with, got another")
        elif self._built != self._parts():
            raise ValueError(
                f"expected the network of the first fit to go on with, {self._built}, got "
                f"{self._parts()}; clone the classifier to begin anew"
            )
        target = forms.encode(labels, self.hierarchy_, self._called)
        weight = None if sample_weight is None else checked_weight(sample_weight, x.shape[0])
        if begin:
            self._build()
        return Rows(x, target, weight).counting()

    def _begin(self, labels: forms.Labels, known: forms.Labels) -> None:
        given = self.hierarchy is not None
        self.hierarchy_: Hierarchy = self.hierarchy or forms.inferred(known, self.sep)
        self._called = forms.classes_of(known, self.hierarchy_, given)
        self._form = labels.form
        pairs = np.tile(np.arange(2), (len(self.hierarchy_), 1))
        self.classes_ = pairs if self._form in ("matrix", "sparse") else self._called

    def _build(self) -> None:
        """A network that has learned nothing."""
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self._moments: dict[int, dict[str, Tensor]] = {}
        self.loss_curve_: list[float] = []
        self._built = self._parts()
        with seeded(self._seed):
            self.module_ = self._network(self.n_features_in_, len(self.hierarchy_))

    def _parts(self) -> dict[str, Any]:
        names = ("hidden", "layers", "dropout") if self.module is None else ("module",)
        return {name: getattr(self, name) for name in names}

    def _network(self, features: int, classes: int) -> nn.Module:
        if self.module is not None:
            return self.module(features, classes)
        return MLP(self.hierarchy_, features, **self._parts()).network

    def _split(self, rows: Rows) -> tuple[Rows, Rows]:
        parts = train_test_split(
            np.arange(rows.x.shape[0]), test_size=self.validation_fraction, random_state=self._seed
        )
        learned, held_out = (rows.take(np.sort(part)) for part in parts)
        return learned, held_out

    def _train(self, rows: Rows, held_out: Rows | None, number: int) -> None:
        """Train the network on the device, and bring it back."""
        device = torch.device(self.device)
        network = self.module_.to(device)
        optimizer = torch.optim.Adam(
            network.parameters(), lr=self.lr, weight_decay=self.weight_decay
        )
        optimizer.load_state_dict({**optimizer.state_dict(), "state": self._moments})
        loss = self._loss().to(device)
        done = _epochs.epochs(
            network,
            partial(_epochs.train, network, loss, optimizer, rows, self.batch_size),
            None if held_out is None else partial(self._judge, held_out),
            _epochs.Patience(self.n_iter_no_change, self.tol),
            range(len(self.loss_curve_), len(self.loss_curve_) + number),
            seed=self._seed,
            shown=self.verbose,
        )
        self.loss_curve_ = self.loss_curve_ + done.losses
        self.n_iter_ = len(self.loss_curve_)
        self.validation_scores_ = done.scores
        self.best_validation_score_ = None if done.scores is None else max(done.scores)
        self.module_ = network.eval().cpu()
        moments = optimizer.state_dict()["state"]
        self._moments = {i: {k: v.cpu() for k, v in x.items()} for i, x in moments.items()}

    def _loss(self) -> HybridLoss:
        n = len(self.hierarchy_)
        return HybridLoss(
            self.hierarchy_,
            balance=self.balance,
            weight=shares(self._by_class(self.weight), n),
            pos_weight=self._by_class(self.pos_weight),
            validate_targets=False,
        )

    def _by_class(self, weights: Weights | None) -> Tensor | None:
        if not isinstance(weights, Mapping):
            return None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        found = torch.ones(len(self.hierarchy_))
        for name, value in weights.items():
            found[self.hierarchy_.index(name)] = value
        return found

    def _judge(self, held_out: Rows) -> float:
        score = self._score(self._probabilities(held_out.x), held_out.y, held_out.weight)
        if np.isnan(score):
            raise ValueError(
                "expected a positive label among the rows held out, got none; "
                "raise validation_fraction"
            )
        return score

    def _probabilities(self, x: Any) -> NDArray[np.float32]:
        network = self.module_.to(torch.device(self.device))
        return _epochs.probabilities(network, x, self.hierarchy_)

    def _score(self, p: NDArray[Any], y: Any, weight: NDArray[Any] | None) -> float:
        by_class = self._by_class(self.weight)
        return pooled_score(p, y, weight, None if by_class is None else (by_class > 0).numpy())

    def _check_parameters(self) -> None:
        if not isinstance(self.hierarchy, (Hierarchy, type(None))):
            raise TypeError(f"expected a Hierarchy or None, got {type(self.hierarchy).__name__}")
        if isinstance(self.module, nn.Module):
            raise TypeError(
                "expected a module that builds a network of so many features and classes, got a "
                "network; pass its class, or a function that returns it"
            )
        for what in ("batch_size", "max_iter", "n_iter_no_change", "lr"):
            check_positive(what, getattr(self, what))
            if what != "lr" and not isinstance(getattr(self, what), Integral):
                raise TypeError(f"expected a whole {what}, got {getattr(self, what)!r}")
        check_share("threshold", self.threshold)
        share = self.validation_fraction
        if not 0 < share < 1:
            raise ValueError(f"expected validation_fraction between 0 and 1, got {share!r}")
