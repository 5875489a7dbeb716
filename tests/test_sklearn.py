"""The scikit-learn classifier: scikit-learn's own checks, values by hand, oracles, laws."""

from __future__ import annotations

import copy
import importlib
import math
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

import strategies as hl
from hierloss import Hierarchy, HierarchyError, UnknownClassError
from hierloss.metrics import average_precision
from hierloss.models import CHMCNN, HLSTM, HMCNF
from oracles import mcm
from table import hybrid_oracle

pytest.importorskip("sklearn", reason='needs pip install "hierloss[sklearn]"')
pd = pytest.importorskip("pandas", reason='needs pip install "hierloss[pandas]"')

from scipy import sparse  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier  # noqa: E402
from sklearn.exceptions import DataConversionWarning, NotFittedError  # noqa: E402
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.metrics import accuracy_score, f1_score, get_scorer  # noqa: E402
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402
from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

from hierloss_adapters._epochs import Patience, pooled_score  # noqa: E402
from hierloss_adapters.sklearn import HierarchicalClassifier  # noqa: E402

# The checks that do not hold, why, and how they say so.
ORDER = "PyTorch computes in float32, and the check asks for a relative error of 1e-7"
ROWS = "batches are drawn from other rows then", "is not equivalent to fitting with removed or"
NAMELESS = "a matrix without names needs hierarchy=, as in the next test", "expected a hierarchy"
EXCEPTIONS = {
    "check_classifiers_train": (
        "probabilities of a class and its parents do not sum to 1",
        r"(?s)not almost equal.*1\.0 \(DESIRED\)",
    ),
    "check_sample_weight_equivalence_on_dense_data": ROWS,
    "check_sample_weight_equivalence_on_sparse_data": ROWS,
    "check_classifiers_multilabel_representation_invariance": NAMELESS,
    "check_classifiers_multilabel_output_format_predict": NAMELESS,
    "check_classifiers_multilabel_output_format_predict_proba": NAMELESS,
    "check_classifiers_multilabel_output_format_decision_function": NAMELESS,
}
ROUNDED = {
    "check_methods_sample_order_invariance": ORDER,
    "check_methods_subset_invariance": ORDER,
}
QUICK = {"hidden": 16, "layers": 2, "dropout": 0.0, "lr": 0.05, "random_state": 0}
TREE = Hierarchy.from_paths(["a/x", "a/y", "b/z"])  # a, b, a/x, a/y, b/z
SETS = [["a/x"], ["a/y"], ["b/z"], ["a"], ["a/x", "b"], []]
MATRIX = np.array(
    [
        [1, 0, 1, 0, 0],
        [1, 0, 0, 1, 0],
        [0, 1, 0, 0, 1],
        [1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]
)
X = np.eye(6, dtype=np.float32)
PATHS = np.array(["a/x", "a/y", "b/z", "a", "a/x", "b"])


def quick(hierarchy: Hierarchy | None = None, **options) -> HierarchicalClassifier:
    return HierarchicalClassifier(hierarchy, **{**QUICK, "max_iter": 40, **options})


def constant(logits: list[float], features: int, classes: int) -> nn.Module:
    """A network that returns the same logits for all samples."""
    network = nn.Linear(features, classes)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.copy_(torch.tensor(logits))
    return network


def parameters(model: HierarchicalClassifier) -> torch.Tensor:
    return nn.utils.parameters_to_vector(model.module_.parameters()).detach()


def assert_same(a: HierarchicalClassifier, b: HierarchicalClassifier, **tolerance) -> None:
    assert_close(parameters(a), parameters(b), **tolerance)


same_bits = partial(assert_same, rtol=0, atol=0)


def checks(model: HierarchicalClassifier) -> list:
    found = [check for _, check in estimator_checks_generator(model)]
    ids = [" ".join([c.func.__name__, *map(str, c.keywords.values())]) for c in found]
    return [pytest.param(check, id=name) for check, name in zip(found, ids, strict=True)]


PLAIN = quick(max_iter=12)
FLAT = quick(Hierarchy.from_edges([], names=list("abcde")), max_iter=12)


@pytest.mark.filterwarnings("ignore:expected paths with the separator")  # labels of the checks
@pytest.mark.parametrize("check", checks(PLAIN))
def test_checks_of_scikit_learn(check, monkeypatch) -> None:
    name = check.func.__name__
    if name in ROUNDED:
        close = partial(estimator_checks.assert_allclose_dense_sparse, rtol=1e-5)
        monkeypatch.setattr(estimator_checks, "assert_allclose_dense_sparse", close)
    if name not in EXCEPTIONS:
        check(PLAIN)
        return
    with pytest.raises((AssertionError, ValueError), match=EXCEPTIONS[name][1]):
        check(PLAIN)


MULTILABEL = [c for c in checks(FLAT) if "multilabel" in c.id and "decision" not in c.id]


@pytest.mark.parametrize("check", MULTILABEL)
def test_checks_of_scikit_learn_on_matrices(check) -> None:
    check(FLAT)


def test_the_exceptions_are_checks() -> None:
    names = {check.id.split()[0] for check in checks(PLAIN)}
    assert len(names) > 50
    assert names >= EXCEPTIONS.keys() | ROUNDED.keys()
    nameless = {name for name, reason in EXCEPTIONS.items() if reason is NAMELESS}
    assert nameless == {c.id for c in MULTILABEL} | {
        "check_classifiers_multilabel_output_format_decision_function"  # there is none
    }


def test_known_probabilities() -> None:
    logits = [-2.0, 0.5, 1.0, -1.0, -3.0]
    model = HierarchicalClassifier(TREE, module=partial(constant, logits), lr=1e-12, max_iter=1)
    model.fit(X, MATRIX)
    p = model.predict_proba(X)
    expected = torch.tensor([1.0, 0.5, 1.0, -1.0, -3.0]).sigmoid().expand(6, 5)
    assert p.dtype == np.float32
    assert_close(torch.from_numpy(p), expected)
    assert model.predict(X).tolist() == [[1, 1, 1, 0, 0]] * 6
    assert model.set_params(threshold=0.7).predict(X).tolist() == [[1, 0, 1, 0, 0]] * 6


def test_a_probability_of_one_half_reaches_a_threshold_of_one_half() -> None:
    options = {"module": partial(constant, [0.0] * 5), "lr": 1e-12, "max_iter": 1}
    matrix = HierarchicalClassifier(TREE, **options).fit(X, MATRIX)
    assert matrix.predict(X[:1]).tolist() == [[1, 1, 1, 1, 1]]
    one = HierarchicalClassifier(TREE, **options).fit(X, PATHS)
    assert one.predict(X[:1]).tolist() == ["a/x"]


@settings(max_examples=25)
@given(data=st.data())
def test_loss_and_probabilities_are_those_of_the_oracles(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    logits = data.draw(hl.distinct_scores(p.n, 1))[0].tolist()
    target = data.draw(hl.unknown_targets(p, 3))
    balance = data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    weight = torch.tensor([0.5, 2.0, 1.5])
    model = HierarchicalClassifier(
        p.hierarchy, module=partial(constant, logits), balance=balance, lr=1e-12, max_iter=1
    )
    x = np.ones((3, 1))
    terms = torch.tensor([hybrid_oracle(balance, p, logits, row) for row in target.tolist()])
    known = (target != -1).sum().clamp(min=1)
    closed = p.hierarchy.close(target)
    if not torch.equal(closed, target):
        with pytest.raises(ValueError, match="closed upward"):
            model.fit(x, torch.where(target == -1, 0, target))
    model.fit(x, target)
    assert_close(model.loss_curve_, [float(terms.sum() / known)], rtol=1e-5, atol=1e-6)
    model.fit(x, target, sample_weight=weight * 7)
    assert_close(
        model.loss_curve_,
        [float((terms * (weight / weight.mean())[:, None]).sum() / known)],
        rtol=1e-5,
        atol=1e-6,
    )
    probabilities = torch.tensor(mcm(p, logits)).sigmoid().expand(3, -1)
    assert_close(torch.from_numpy(model.predict_proba(x)), probabilities.float())
    assert p.hierarchy.is_coherent(torch.from_numpy(model.predict_proba(x)))


def walk(p, scores: list[float], threshold: float) -> int:
    """From the likeliest root down, a class at a time."""
    roots = [i for i in range(p.n) if not p.parents[i]]
    at = max(roots, key=lambda i: (scores[i], -i))
    while below := [i for i in sorted(p.children[at]) if scores[i] >= threshold]:
        at = max(below, key=lambda i: (scores[i], -i))
    return at


@given(data=st.data())
def test_one_class_is_reached_by_a_walk(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    logits = data.draw(hl.tied_scores(p.n, 1))[0].tolist()
    threshold = data.draw(st.sampled_from([0.3, 0.5, 0.8]))
    model = HierarchicalClassifier(
        p.hierarchy, module=partial(constant, logits), threshold=threshold, lr=1e-12, max_iter=1
    )
    model.fit(np.ones((1, 1)), ["c0"])
    scores = model.predict_proba(np.ones((1, 1)))[0].tolist()
    assert model.predict(np.ones((1, 1))).tolist() == [f"c{walk(p, scores, threshold)}"]


FORMS = {
    "sets": SETS,
    "tuples": tuple(map(tuple, SETS)),
    "Python sets": [set(row) for row in SETS],
    "Series": pd.Series(SETS),
    "matrix": MATRIX,
    "lists": MATRIX.tolist(),
    "bool": MATRIX.astype(bool),
    "uint8": MATRIX.astype(np.uint8),
    "float": MATRIX.astype(float),
    "object": MATRIX.astype(object),
    "tensor": torch.from_numpy(MATRIX),
    "sparse tensor": torch.from_numpy(MATRIX).to_sparse(),
    "csr_matrix": sparse.csr_matrix(MATRIX),
    "csc_array": sparse.csc_array(MATRIX.astype(float)),
    "DataFrame": pd.DataFrame(MATRIX, columns=TREE.names),
}


@pytest.mark.parametrize("y", FORMS.values(), ids=FORMS)
def test_all_forms_of_labels_are_learned_alike(y) -> None:
    expected = quick(TREE, max_iter=2, batch_size=4).fit(X, MATRIX)
    model = quick(TREE, max_iter=2, batch_size=4).fit(X, y)
    same_bits(model, expected)
    assert_close(model.score(X, y), expected.score(X, MATRIX))


def test_answers_have_the_form_of_the_labels() -> None:
    matrix = quick(TREE, max_iter=80).fit(X, MATRIX).predict(X)
    assert matrix.tolist() == MATRIX.tolist()
    marked = quick(TREE, max_iter=80).fit(X, sparse.csr_matrix(MATRIX)).predict(X)
    assert sparse.issparse(marked)
    assert marked.toarray().tolist() == MATRIX.tolist()
    encoded = TREE.encode(SETS, sparse=True)
    assert sparse.issparse(quick(TREE).fit(X, encoded).predict(X))
    sets = quick(TREE, max_iter=80).fit(X, SETS).predict(X)
    assert sets.tolist() == TREE.decode(torch.from_numpy(MATRIX))
    assert sets.shape == (6,)
    one = quick(TREE, max_iter=80).fit(X, PATHS)
    assert one.predict(X).tolist() == PATHS.tolist()
    assert one.predict(X[:1].repeat(3, 0)).tolist() == ["a/x"] * 3


def test_sets_of_one_size_come_back_as_tuples() -> None:
    h = Hierarchy.from_edges([], names=["a", "b"])
    predicted = quick(h).fit(X[:2], [["a"], ["b"]]).predict(X[:2])
    assert predicted.tolist() == [("a",), ("b",)]
    assert predicted.shape == (2,)


def test_the_hierarchy_is_that_of_the_paths() -> None:
    model = quick().fit(X, PATHS[::-1])
    assert model.hierarchy_ == TREE
    assert model.classes_.tolist() == list(TREE.names)
    assert quick().fit(X, pd.Series(PATHS)).hierarchy_ == TREE
    assert quick().fit(X, SETS).hierarchy_ == Hierarchy.from_paths(["a", "b", "a/x", "a/y", "b/z"])
    frame = pd.DataFrame(MATRIX, columns=TREE.names)
    assert quick().fit(X, frame).hierarchy_ == TREE
    dotted = [path.replace("/", ".") for path in PATHS]
    assert quick(sep=".").fit(X, dotted).hierarchy_.parents("a.x") == ("a",)


def test_equal_names_under_two_parents_are_two_classes() -> None:
    model = quick(max_iter=80).fit(X[:2], ["A/B/D", "A/C/D"])
    assert model.predict(X[:2]).tolist() == ["A/B/D", "A/C/D"]
    assert len(model.classes_) == 5


def test_shallow_classes_have_probabilities_of_their_own() -> None:
    model = quick(max_iter=80).fit(X[:3], ["a/b/c", "a", "d"])
    p = dict(zip(model.classes_, model.predict_proba(X[:3]).T, strict=True))
    assert p["a"].round().tolist() == [1, 1, 0]
    assert p["d"].round().tolist() == [0, 0, 1]


def test_numbers_are_classes_without_parents_and_refused_beside_a_hierarchy() -> None:
    h = Hierarchy.from_parents([None, 0, 0, None])
    for wrong in ([1, 2, 3], [1, 2, 4]):
        with pytest.raises(ValueError, match=r"got numbers.*np\.array\(hierarchy\.names\)"):
            quick(h).fit(X[:3], wrong)
    named = quick(h, max_iter=80).fit(X[:3], np.array(h.names)[[1, 2, 3]])
    assert named.predict(X[:3]).tolist() == ["1", "2", "3"]
    with pytest.raises(ValueError, match="got numbers"):
        named.score(X[:3], [1, 2, 3])
    flat = quick(max_iter=80).fit(X[:3], [7, -1, 3])
    assert flat.classes_.tolist() == [-1, 3, 7]
    assert flat.predict(X[:3]).tolist() == [7, -1, 3]
    with pytest.raises(UnknownClassError, match="'4'"):
        flat.score(X[:3], [7, -1, 4])


def test_tools_that_number_the_classes_are_told_of_a_matrix() -> None:
    x, y = np.tile(X, (3, 1)), np.tile(PATHS, 3)
    with pytest.raises(ValueError, match=r"pass hierarchy\.encode.* to cross_val_predict"):
        cross_val_predict(quick(TREE), x, y, cv=KFold(3), method="predict_proba")
    matrix = TREE.encode([[name] for name in y]).numpy()
    p = cross_val_predict(quick(TREE), x, matrix, cv=KFold(3), method="predict_proba")
    folds = [quick(TREE).fit(x[a], matrix[a]).predict_proba(x[b]) for a, b in KFold(3).split(x)]
    assert np.array_equal(p, np.concatenate(folds))
    assert TREE.is_coherent(torch.from_numpy(p))


TWO = [("one", quick(TREE)), ("two", quick(TREE))]


@pytest.mark.parametrize(
    "tool",
    [
        VotingClassifier(TWO),
        BaggingClassifier(quick(TREE), n_estimators=2),
        StackingClassifier(TWO, cv=KFold(2)),
    ],
    ids=["voting", "bagging", "stacking"],
)
def test_ensembles_take_neither_names_beside_a_hierarchy_nor_a_matrix(tool) -> None:
    x = np.tile(X, (3, 1))
    with pytest.raises(ValueError, match="no hierarchy to voting, bagging and stacking"):
        clone(tool).fit(x, np.tile(PATHS, 3))
    with pytest.raises((ValueError, NotImplementedError), match=r"1d array|not supported"):
        clone(tool).fit(x, np.tile(MATRIX, (3, 1)))


def test_columns_in_another_order_are_refused_as_scorers_go_by_position() -> None:
    frame = pd.DataFrame(np.roll(MATRIX, 2, axis=1), columns=np.roll(TREE.names, 2))
    with pytest.raises(ValueError, match=r"y\[list\(hierarchy\.names\)\]"):
        quick(TREE).fit(X, frame)
    same_bits(quick(TREE).fit(X, frame[list(TREE.names)]), quick(TREE).fit(X, MATRIX))


def test_a_matrix_without_names_needs_a_hierarchy_whatever_the_classes() -> None:
    with pytest.raises(ValueError, match="expected a hierarchy"):
        quick().partial_fit(X[:2], np.eye(2, dtype=int), classes=["b", "a"])


def test_a_fit_that_failed_is_no_fit() -> None:
    model = quick()
    for labels in (["a", "b", "c"], ["a", "b", "zzz"]):
        with pytest.raises(UnknownClassError):
            model.partial_fit(X[:3], labels, classes=["a/x", "b"])
        with pytest.raises(NotFittedError):
            model.predict(X)


def test_a_training_that_failed_leaves_what_was_there() -> None:
    model = quick(TREE, lr=1e30, batch_size=2)
    before = dict(vars(model))
    for fit in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="finite loss"):
            fit(X, MATRIX)
        assert vars(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_training_that_failed_leaves_the_last_one(warm_start: bool) -> None:
    options = {"warm_start": warm_start, "max_iter": 5}
    model, twin = (quick(TREE, **options).fit(X, MATRIX) for _ in range(2))
    for y, weight in ((MATRIX, None), (np.full(6, "zzz"), None), (MATRIX, np.zeros(6))):
        with pytest.raises(ValueError, match=r"finite loss|'zzz'|at least one non-zero number"):
            model.set_params(lr=1e30).fit(X, y, sample_weight=weight)
        same_bits(model, twin)
        assert model.n_iter_ == len(model.loss_curve_) == 5
        assert np.array_equal(model.predict(X), twin.predict(X))
    model.set_params(lr=QUICK["lr"])
    same_bits(model.fit(X, MATRIX), twin.fit(X, MATRIX))
    same_bits(model.partial_fit(X, MATRIX), twin.partial_fit(X, MATRIX))


def test_a_missing_label_is_named() -> None:
    with pytest.raises(ValueError, match="got None beside names"):
        quick().fit(X[:2], np.array(["a/b", None], dtype=object))


def test_another_hierarchy_does_not_go_on() -> None:
    model = quick(TREE, warm_start=True).fit(X, PATHS)
    with pytest.raises(ValueError, match="hierarchy of the first fit"):
        model.set_params(hierarchy=Hierarchy.from_paths(["a/b", "c"])).fit(X, PATHS)


@pytest.mark.parametrize("other", [{"hidden": 99}, {"layers": 3}, {"module": nn.Linear}])
def test_another_network_does_not_go_on(other) -> None:
    model = quick(TREE, warm_start=True).fit(X, PATHS)
    with pytest.raises(ValueError, match="expected the network of the first fit to go on"):
        model.set_params(**other).fit(X, PATHS)
    model.set_params(warm_start=False).fit(X, PATHS)


def test_aliases_are_labels() -> None:
    h = TREE.with_aliases({"old": "a/x"})
    same_bits(quick(h).fit(X[:2], ["old", "a/y"]), quick(h).fit(X[:2], ["a/x", "a/y"]))
    named = pd.DataFrame(MATRIX, columns=[{"a/x": "old"}.get(x, x) for x in h.names])
    same_bits(quick(h).fit(X, named), quick(h).fit(X, MATRIX))


def test_a_column_of_labels_is_flattened_as_scikit_learn_does() -> None:
    with pytest.warns(DataConversionWarning, match="column-vector"):
        model = quick().fit(X, PATHS[:, None])
    same_bits(model, quick().fit(X, PATHS))
    one = Hierarchy.from_edges([], names=["a"])
    assert quick(one).fit(X, MATRIX[:, :1]).predict(X).shape == (6, 1)


def test_unknown_labels_do_not_count() -> None:
    marked = MATRIX.copy()
    marked[1, 3], marked[2, 0] = -1, -1
    gaps = np.where(marked == -1, np.nan, marked)
    model = quick(TREE).fit(X, marked)
    same_bits(model, quick(TREE).fit(X, gaps))
    same_bits(model, quick(TREE).fit(X, sparse.csr_array(marked)))
    negative = quick(TREE).fit(X, np.where(marked == -1, 0, marked))
    assert not torch.equal(parameters(model), parameters(negative))
    p = torch.from_numpy(model.predict_proba(X))
    assert_close(model.score(X, gaps), average_precision(p, torch.from_numpy(marked)))


@settings(max_examples=15)
@given(data=st.data())
def test_predictions_are_coherent_on_any_hierarchy(data: st.DataObject) -> None:
    p = data.draw(hl.hierarchies())
    h, target = p.hierarchy, data.draw(hl.targets(p, 6)).numpy()
    model = quick(h, max_iter=2).fit(X, target)
    scores = torch.from_numpy(model.predict_proba(X))
    assert h.is_coherent(scores)
    predicted = torch.from_numpy(model.predict(X))
    assert torch.equal(h.close(predicted), predicted)
    if target.any():
        assert_close(model.score(X, target), average_precision(scores, torch.from_numpy(target)))
    else:
        assert math.isnan(model.score(X, target))


def test_training_follows_from_the_seed_and_leaves_others_alone() -> None:
    before = torch.get_rng_state()
    model = quick(dropout=0.5).fit(X, PATHS)
    assert torch.equal(torch.get_rng_state(), before)
    same_bits(model, quick(dropout=0.5).fit(X, PATHS))
    assert not torch.equal(parameters(model), parameters(quick(random_state=1).fit(X, PATHS)))
    drawn = [
        parameters(clone(model).set_params(random_state=np.random.RandomState(3)).fit(X, PATHS))
        for _ in range(2)
    ]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_copies_predict_and_go_on_alike(copied) -> None:
    model = quick(TREE, max_iter=3, warm_start=True).fit(X, MATRIX)
    twin = copied(model)
    assert np.array_equal(twin.predict_proba(X), model.predict_proba(X))
    assert twin.hierarchy_ == TREE
    same_bits(twin.fit(X, MATRIX), model.fit(X, MATRIX))
    assert twin.n_iter_ == 6


def test_warm_starts_and_partial_fits_go_on_as_if_nothing_had_stopped() -> None:
    options = {"dropout": 0.5, "batch_size": 2}
    whole = quick(max_iter=4, **options).fit(X, PATHS)
    warm = quick(max_iter=3, warm_start=True, **options).fit(X, PATHS)
    same_bits(warm.set_params(max_iter=1).fit(X, PATHS), whole)
    parts = quick(**options)
    for _ in range(4):
        parts.partial_fit(X, PATHS, classes=PATHS)
    same_bits(parts, whole)
    assert parts.loss_curve_ == warm.loss_curve_ == whole.loss_curve_
    assert parts.n_iter_ == 4
    cold = quick(max_iter=3, **options).fit(X, PATHS)
    assert cold.fit(X, PATHS).n_iter_ == 3


def test_partial_fit_knows_classes_of_later_calls() -> None:
    parts = quick()
    parts.partial_fit(X[:2], PATHS[:2], classes=["a/x", "a/y", "b/z"])
    assert parts.hierarchy_ == TREE
    parts.partial_fit(X[2:], PATHS[2:])
    given = quick(TREE).partial_fit(X[:2], PATHS[:2]).partial_fit(X[2:], PATHS[2:])
    same_bits(parts, given)
    with pytest.raises(UnknownClassError, match="'c'"):
        parts.partial_fit(X[:1], ["c"])


def test_a_warm_start_follows_a_new_learning_rate() -> None:
    model = quick(TREE, max_iter=2, warm_start=True).fit(X, MATRIX)
    before = parameters(model)
    model.set_params(lr=1e-12).fit(X, MATRIX)
    assert_close(parameters(model), before)


def test_sample_weights() -> None:
    options = {"batch_size": 100, "weight_decay": 0.0}
    weight = np.array([1, 2, 0, 3, 1, 0])
    model = quick(TREE, **options).fit(X, MATRIX, sample_weight=weight)
    repeated = quick(TREE, **options).fit(X.repeat(weight, 0), MATRIX.repeat(weight, 0))
    assert_same(model, repeated, rtol=1e-3, atol=1e-3)
    kept = np.flatnonzero(weight)
    some = quick(TREE).fit(X[kept], MATRIX[kept], sample_weight=weight[kept] * 10)
    assert_same(quick(TREE).fit(X, MATRIX, sample_weight=weight), some, rtol=1e-4, atol=1e-5)
    even = quick(TREE).fit(X, MATRIX)
    assert not torch.allclose(parameters(even), parameters(some), atol=1e-2)
    assert_close(
        even.score(X, MATRIX, sample_weight=weight),
        even.score(X.repeat(weight, 0), MATRIX.repeat(weight, 0)),
    )


def test_sample_weights_keep_their_proportion_from_call_to_call() -> None:
    model = quick(TREE, module=partial(constant, [0.0] * 5), lr=1e-12)
    for weight in (1.0, 0.25, np.array([0.5, 0, 0, 0, 0, 0])):
        model.partial_fit(X, MATRIX, sample_weight=weight)
    assert_close(model.loss_curve_, [math.log(2) * share for share in (1, 0.25, 0.5)])


def test_weights_of_zero_teach_nothing() -> None:
    model, twin = quick(TREE), quick(TREE)
    model.partial_fit(X, MATRIX, sample_weight=np.zeros(6))
    assert model.predict_proba(X).shape == (6, 5)
    assert model.n_iter_ == 0
    for weight in (None, np.zeros(6), None):
        model.partial_fit(X, MATRIX, sample_weight=weight)
    same_bits(model, twin.partial_fit(X, MATRIX).partial_fit(X, MATRIX))
    assert model.n_iter_ == 2


def test_sparse_features_are_learned_as_dense_ones() -> None:
    dense = quick().fit(X, PATHS)
    for matrix in (sparse.csr_matrix(X), sparse.csc_array(X), sparse.coo_array(X)):
        model = quick().fit(matrix, PATHS)
        same_bits(model, dense)
        assert np.array_equal(model.predict_proba(matrix), dense.predict_proba(X))
        assert_close(model.score(matrix, PATHS), dense.score(X, PATHS))


def test_predictions_do_not_depend_on_other_rows() -> None:
    x = np.random.default_rng(0).normal(size=(2500, 6))
    model = quick(TREE).fit(X, MATRIX)
    p = model.predict_proba(x)
    assert_close(p[::-1].copy(), model.predict_proba(x[::-1]), rtol=1e-5, atol=1e-6)
    assert_close(p[7:9], model.predict_proba(x[7:9]), rtol=1e-5, atol=1e-6)


def test_weights_of_classes() -> None:
    plain = quick(TREE, max_iter=5).fit(X, MATRIX)
    same_bits(quick(TREE, max_iter=5, weight=np.full(5, 3.0)).fit(X, MATRIX), plain)
    by_name = quick(TREE, max_iter=5, weight={"a": 0, "b": 2.0}).fit(X, MATRIX)
    by_column = quick(TREE, max_iter=5, weight=[0, 2, 1, 1, 1]).fit(X, MATRIX)
    same_bits(by_name, by_column)
    assert not torch.equal(parameters(by_name), parameters(plain))
    p = torch.from_numpy(by_name.predict_proba(X))
    counted = torch.tensor([False, True, True, True, True])
    assert_close(by_name.score(X, MATRIX), average_precision(p, torch.tensor(MATRIX), counted))
    positive = quick(TREE, max_iter=5, pos_weight={"a/x": 50.0}).fit(X, MATRIX)
    assert positive.predict_proba(X)[:, 2].min() > plain.predict_proba(X)[:, 2].min()


def test_early_stopping_keeps_the_best_epoch() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 6)), PATHS[rng.integers(0, 6, 60)]
    options = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 3}
    model = quick(TREE, **options).fit(x, y)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ < 40
    assert model.best_validation_score_ == max(scores)
    best = scores.index(max(scores))
    assert best < len(scores) - 1
    short = quick(TREE, **{**options, "max_iter": best + 1}).fit(x, y)
    same_bits(model, short)
    assert short.validation_scores_ == scores[: best + 1]


class Watched(nn.Linear):
    """A network that notes which rows it sees, in training and else."""

    seen: ClassVar[dict[bool, set[int]]] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.setdefault(self.training, set()).update(x.argmax(1).tolist())
        return super().forward(x)


def test_rows_held_out_are_not_trained_on(monkeypatch) -> None:
    monkeypatch.setattr(Watched, "seen", {})
    x, y = np.eye(20), np.repeat(PATHS[:4], 5)
    options = {"module": Watched, "early_stopping": True, "validation_fraction": 0.3}
    quick(TREE, **options, max_iter=2).fit(x, y, sample_weight=np.arange(20) > 0)
    assert len(Watched.seen[True]) == 13
    assert len(Watched.seen[False]) == 6
    assert Watched.seen[True] | Watched.seen[False] == set(range(1, 20))


class Ordered(nn.Linear):
    """A network that notes the order of the rows that it is trained on."""

    order: ClassVar[list[int]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.order.extend(x.argmax(1).tolist())
        return super().forward(x)


def test_batches_are_drawn_anew_in_each_epoch(monkeypatch) -> None:
    monkeypatch.setattr(Ordered, "order", [])
    quick(module=Ordered, batch_size=4, max_iter=2).fit(np.eye(20), np.repeat(PATHS[:4], 5))
    first, second = Ordered.order[:20], Ordered.order[20:]
    assert first != second
    assert sorted(first) == sorted(second) == list(range(20))


def test_epochs_have_to_be_better_by_a_share() -> None:
    small = Patience(1, tol=0.01)
    assert [small.over(score) for score in (-0.01, -0.0098, -0.00979)] == [False, False, True]
    large = Patience(1, tol=0.01)
    assert [large.over(score) for score in (10.0, 10.2, 10.25)] == [False, False, True]


def test_training_stops_once_the_loss_does_not_fall() -> None:
    model = quick(lr=1e-12, n_iter_no_change=4).fit(X, PATHS)
    assert model.n_iter_ == 5
    assert model.validation_scores_ is None
    assert quick(tol=1.0, n_iter_no_change=2).fit(X, PATHS).n_iter_ == 3
    assert quick(tol=0.0, n_iter_no_change=10).fit(X, PATHS).n_iter_ == 40


class Normed(nn.Sequential):
    """A network that takes no batch of a single sample in training."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(nn.Linear(features, 4), nn.BatchNorm1d(4), nn.Linear(4, classes))


def test_any_network() -> None:
    model = quick(TREE, module=Normed, batch_size=5).fit(X, MATRIX)
    assert isinstance(model.module_, Normed)
    assert not model.module_.training
    assert quick(TREE, module=nn.Linear).fit(X, MATRIX).module_.in_features == 6
    assert pickle.loads(pickle.dumps(model)).score(X, MATRIX) == model.score(X, MATRIX)


def test_progress_is_shown_on_demand(capsys) -> None:
    quick(max_iter=2).fit(X, PATHS)
    assert capsys.readouterr() == ("", "")
    quick(TREE, max_iter=2, verbose=True, early_stopping=True, validation_fraction=0.5).fit(
        X, MATRIX
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 2" in err
    assert "loss" in err
    assert "AU(PRC)" in err


GRID = {"hierarchicalclassifier__balance": [0.0, 1.0]}


def search(model: HierarchicalClassifier, **options) -> GridSearchCV:
    return GridSearchCV(
        make_pipeline(StandardScaler(), model), GRID, error_score="raise", **options
    )


@pytest.mark.parametrize(
    ("scoring", "y"),
    [
        (None, MATRIX),
        ("f1_micro", MATRIX),
        ("average_precision", MATRIX),
        ("roc_auc", MATRIX),
        (None, sparse.csr_matrix(MATRIX)),
        ("f1_micro", sparse.csr_array(MATRIX)),
    ],
)
def test_a_grid_search_over_a_pipeline_of_matrices(scoring, y) -> None:
    stacked = sparse.vstack([y] * 6).tocsr() if sparse.issparse(y) else np.tile(y, (6, 1))
    found = search(quick(TREE), scoring=scoring, cv=KFold(2)).fit(np.tile(X, (6, 1)), stacked)
    assert found.best_score_ > 0.95


@pytest.mark.parametrize("scoring", ["average_precision", "roc_auc"])
def test_scorers_take_all_columns_of_two_classes(scoring) -> None:
    h = Hierarchy.from_paths(["a/b"])
    model = quick(h).fit(X[:3], [[1, 0], [1, 1], [0, 0]])
    assert get_scorer(scoring)(model, X[:3], [[1, 0], [1, 1], [0, 0]]) == 1
    assert model.classes_.tolist() == [[0, 1], [0, 1]]
    assert_close(
        model.score(X[:3], ["a", "a/b", "a"]), model.score(X[:3], [[1, 0], [1, 1], [1, 0]])
    )


@pytest.mark.parametrize("scoring", [None, "accuracy", "f1_macro"])
def test_a_grid_search_over_a_pipeline_of_paths(scoring) -> None:
    x, y = np.tile(X, (6, 1)), np.tile(PATHS, 6)
    found = search(quick(), scoring=scoring, cv=3).fit(x, y)
    assert found.best_score_ > 0.95
    assert accuracy_score(y, found.predict(x)) == 1
    assert cross_val_predict(quick(), x, y, cv=3).tolist() == y.tolist()


def test_sets_of_names_need_folds_of_their_own_in_a_search() -> None:
    x, y = np.tile(X, (6, 1)), SETS * 6
    with pytest.raises(ValueError, match="legacy multi-label"):
        search(quick(TREE), cv=2).fit(x, y)
    assert search(quick(TREE), cv=KFold(2)).fit(x, y).best_score_ > 0.95
    assert min(cross_val_score(quick(TREE), x, y, cv=KFold(3))) > 0.95


def test_words_in_a_pipeline() -> None:
    texts = ["purring cat", "barking dog", "goldfish swims", "cat and dog"] * 3
    labels = [["pet/cat"], ["pet/dog"], ["fish"], ["pet/cat", "pet/dog"]] * 3
    model = make_pipeline(TfidfVectorizer(), quick(max_iter=80)).fit(texts, labels)
    assert model.predict(["purring cat"]).tolist() == [("pet", "pet/cat")]
    assert model.predict(["cat and dog"]).tolist() == [("pet", "pet/cat", "pet/dog")]


def test_predictions_suit_the_metrics_of_scikit_learn() -> None:
    model = quick(TREE, max_iter=80).fit(X, MATRIX)
    assert f1_score(MATRIX, model.predict(X), average="samples", zero_division=1) == 1


def test_features_have_names() -> None:
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = quick().fit(frame, PATHS)
    assert model.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[list("fedcba")])


WRONG = {
    "no hierarchy": ({}, MATRIX, "expected a hierarchy beside a matrix"),
    "columns": ({"hierarchy": TREE}, MATRIX[:, :4], r"\(samples, 5\).*got \(6, 4\)"),
    "not closed": (
        {"hierarchy": TREE},
        MATRIX - [1, 0, 0, 0, 0] * (MATRIX > 0),
        "'a' = 0 in row 0",
    ),
    "sparse not closed": (
        {"hierarchy": TREE},
        sparse.csr_array(([1], ([4], [4])), shape=(6, 5)),
        "'b' = 0 in row 4",
    ),
    "values": ({"hierarchy": TREE}, MATRIX * 0.5, "0 and 1 in a matrix.*got 0.5"),
    "sparse values": ({"hierarchy": TREE}, sparse.csr_array(MATRIX * 2), "got 2"),
    "levels": ({}, np.array([["a", "x"], ["b", ""]] * 3), "written as paths"),
    "names": ({"hierarchy": TREE}, pd.DataFrame(MATRIX, columns=list("abcde")), "'c'"),
    "twice": (
        {"hierarchy": TREE.with_aliases({"old": "a/x"})},
        pd.DataFrame(MATRIX, columns=["a", "b", "a/x", "old", "b/z"]),
        "one of them twice",
    ),
    "missing parent": ({}, pd.DataFrame(MATRIX[:, :2], columns=["a", "b/c"]), "'b'"),
    "unknown": ({"hierarchy": TREE}, ["c"] * 6, "'c'"),
    "continuous": ({}, np.linspace(0.1, 0.9, 6), "continuous"),
    "length": ({}, PATHS[:4], "inconsistent numbers of samples"),
    "empty component": ({}, ["a//b"] * 6, "empty one"),
    "batch": ({"batch_size": 0}, PATHS, "batch_size above 0, got 0"),
    "batch by name": ({"batch_size": "auto"}, PATHS, "batch_size above 0, got 'auto'"),
    "units of layers": ({"hidden": (32, 16)}, PATHS, r"hidden above 0, got \(32, 16\)"),
    "epochs": ({"max_iter": 0}, PATHS, "max_iter above 0"),
    "threshold": ({"threshold": 2}, PATHS, "threshold from 0 to 1, got 2"),
    "share held out": ({"validation_fraction": 1}, PATHS, "between 0 and 1, got 1"),
    "nothing held out": ({"validation_fraction": 0.0}, PATHS, "between 0 and 1, got 0.0"),
    "weight": ({"weight": [1.0, 2.0]}, PATHS, "weight for each class"),
    "name of a weight": ({"weight": {"c": 1.0}}, PATHS, "'c'"),
    "lr": ({"lr": 1e30}, PATHS, "finite loss"),
    "outputs": ({"module": lambda d, n: nn.Linear(d, n + 1)}, PATHS, "5"),
    "held out": (
        {"hierarchy": TREE, "early_stopping": True},
        MATRIX * 0,
        "positive label among the rows held out",
    ),
}


@pytest.mark.parametrize(("options", "y", "message"), WRONG.values(), ids=WRONG)
def test_wrong_input_says_what_was_expected(options, y, message) -> None:
    with pytest.raises(ValueError, match=message):
        quick(**options).fit(X, y)


def test_the_remedy_for_labels_that_are_not_closed_is_one() -> None:
    marks = MATRIX * [0, 0, 1, 1, 1]
    with pytest.raises(ValueError, match=r"hierarchy\.close\(torch\.as_tensor\(y\)\)\.numpy\(\)"):
        quick(TREE).fit(X, marks)
    quick(TREE, max_iter=1).fit(X, TREE.close(torch.as_tensor(marks)).numpy())


def test_epochs_are_whole() -> None:
    with pytest.raises(TypeError, match=r"expected a whole max_iter, got 2\.5"):
        quick(max_iter=2.5).fit(X, PATHS)


@pytest.mark.parametrize("make", [HLSTM, CHMCNN, HMCNF])
def test_models_of_the_paper_are_networks_too(make) -> None:
    fits = [
        quick(TREE, max_iter=epochs, module=lambda d, n: make(TREE, d, hidden=16)).fit(X, MATRIX)
        for epochs in (1, 120)
    ]
    model, p = fits[1], fits[1].predict_proba(X)
    assert_close(torch.from_numpy(p), model.module_.predict(torch.tensor(X, dtype=torch.float32)))
    assert pooled_score(p, MATRIX) > pooled_score(fits[0].predict_proba(X), MATRIX) + 0.1


def test_threads_and_the_default_type_change_nothing() -> None:
    expected = quick(TREE, max_iter=15).fit(X, MATRIX).predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(quick(TREE, max_iter=15).fit, X, MATRIX) for _ in range(8)]
        assert all(np.array_equal(fit.result().predict_proba(X), expected) for fit in fits)
    torch.set_default_dtype(torch.float64)
    try:
        wide = quick(TREE, max_iter=15).fit(X, MATRIX).predict_proba(X)
    finally:
        torch.set_default_dtype(torch.float32)
    assert wide.dtype == np.float32
    assert TREE.is_coherent(torch.from_numpy(wide))


def test_a_row_that_is_not_closed_is_named_by_its_number() -> None:
    y = np.zeros((2000, 5), dtype=int)
    y[1500, 4] = 1
    with pytest.raises(ValueError, match="'b' = 0 in row 1500"):
        quick(TREE).fit(np.ones((2000, 1)), y)


@pytest.mark.parametrize("missing", [None, float("nan"), 1])
def test_sets_of_names_in_which_one_is_missing(missing: object) -> None:
    with pytest.raises(TypeError, match=f"got {missing!r} for sample 1; write \\[\\] for none"):
        quick().fit(X[:2], [["a/b"], missing])
    with pytest.raises(TypeError, match=f"names that are strings, got {missing!r} for sample 0"):
        quick().fit(X[:2], [["a/b", missing], ["d"]])


def test_wrong_types_say_what_was_expected() -> None:
    with pytest.raises(TypeError, match="expected a Hierarchy or None, got list"):
        quick([("a", "b")]).fit(X, PATHS)
    with pytest.raises(TypeError, match="pass its class"):
        quick(module=nn.Linear(6, 5)).fit(X, PATHS)
    with pytest.raises(TypeError, match="names that are strings, got 1"):
        quick(TREE).fit(X, [{1}] * 6)
    with pytest.raises(TypeError, match="a collection of names for each sample, got 'a'"):
        quick(TREE).fit(X, [["a"], "a", *SETS[2:]])


def test_weights_below_zero_and_wrong_calls() -> None:
    with pytest.raises(ValueError, match="sample_weight of 0 or more"):
        quick().fit(X, PATHS, sample_weight=[-1, 1, 1, 1, 1, 1])
    with pytest.raises(ValueError, match="sample_weight of 0 or more for each of 6 samples, got 5"):
        quick().fit(X, PATHS, sample_weight=np.ones(5))
    with pytest.raises(ValueError, match="at least one non-zero number"):
        quick().fit(X, PATHS, sample_weight=np.zeros(6))
    with pytest.raises(ValueError, match="early_stopping=False"):
        quick(TREE, early_stopping=True).partial_fit(X, PATHS)
    with pytest.raises(ValueError, match="expected classes in the first call"):
        quick().partial_fit(X, PATHS)
    with pytest.raises(NotFittedError):
        quick().score(X, PATHS)
    with pytest.raises(UnknownClassError, match="'c'"):
        quick().fit(X, PATHS).score(X, ["c"] * 6)


@pytest.mark.parametrize("y", [["a.x", "a.y"] * 3, [["a.x"], ["a.y"]] * 3])
def test_paths_without_the_separator_are_told(y) -> None:
    with pytest.warns(UserWarning, match="separator '/', got none such as 'a.x'") as told:
        quick().fit(X, y)
    assert told[0].filename == __file__


@pytest.mark.parametrize("y", [["a/x", "a / x"] * 3, [["a/x"], ["a/x "]] * 3])
def test_blanks_around_components_are_told(y) -> None:
    with pytest.raises(HierarchyError, match="would be another class than 'a/x'; strip them"):
        quick().fit(X, y)
    with pytest.raises(HierarchyError, match="strip them"):
        quick().partial_fit(X, PATHS, classes=[*PATHS, "a/x "])
    for use in (quick(TREE).fit, quick().fit(X, PATHS).score, quick().fit(X, PATHS).partial_fit):
        with pytest.raises(UnknownClassError, match="did you mean 'a/x'"):
            use(X, y)


def test_without_scikit_learn_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "hierloss_adapters.sklearn")
    with pytest.raises(ImportError, match=r"hierloss\[sklearn\]"):
        importlib.import_module("hierloss_adapters.sklearn")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_what_is_learned_on_a_device_is_kept_on_the_cpu() -> None:
    model = quick(TREE, device="cuda", warm_start=True, max_iter=30).fit(X, MATRIX)
    assert all(not p.is_cuda for p in model.module_.parameters())
    twin = pickle.loads(pickle.dumps(model)).set_params(device="cpu")
    assert_close(twin.predict_proba(X), model.predict_proba(X), rtol=1e-4, atol=1e-4)
    model.fit(X, MATRIX)
    assert model.score(X, MATRIX) > 0.95
