"""The statistics: tabulated values, the paper's own Table II, and the numbers it prints."""

from __future__ import annotations

import sys
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hierloss.paper.printed import printed
from hierloss.paper.statistics import (
    average_ranks,
    cliques,
    critical_difference,
    friedman,
    lift,
    nemenyi,
    ranks,
)

pytest.importorskip("scipy", reason='SciPy is missing; pip install "hierloss[paper]"')

# Of 2 to 20 systems, for alpha 0.05 and 0.10, as Demšar and others tabulate them.
Q05 = [
    1.959964, 2.343701, 2.569032, 2.727774, 2.849705, 2.948320, 3.030878, 3.101730, 3.163684,
    3.218654, 3.268004, 3.312739, 3.353618, 3.391230, 3.426041, 3.458425, 3.488685, 3.517073,
    3.543799,
]  # fmt: skip
Q10 = [
    1.644854, 2.052293, 2.291341, 2.459516, 2.588521, 2.692732, 2.779884, 2.854606, 2.919889,
    2.977768, 3.029694, 3.076733, 3.119693, 3.159199, 3.195743, 3.229723, 3.261461, 3.291224,
    3.319233,
]  # fmt: skip
HLSTM, LMLP = 6, 3


@pytest.mark.parametrize(("alpha", "table"), [(0.05, Q05), (0.1, Q10)])
def test_critical_differences_are_the_tabulated_ones(alpha: float, table: list[float]) -> None:
    for k, q in enumerate(table, 2):
        assert_allclose(critical_difference(k, 6, alpha), q * (k * (k + 1) / 36) ** 0.5, rtol=1e-6)


def test_the_ranks_of_table_ii() -> None:
    expected = [2.65, 4.475, 3.375, 6.95, 5.675, 3.375, 1.50]
    assert_allclose(average_ranks(printed().scores), expected)


def test_the_critical_difference_of_table_ii() -> None:
    assert_allclose(critical_difference(7, 20), 2.01409, rtol=1e-5)


def test_the_tests_of_table_ii() -> None:
    scores = printed().scores
    test = friedman(scores)
    assert_allclose(test, [88.469, 6.30e-17, 53.31, 7.7e-31], rtol=5e-3)
    complete = scores[~np.isnan(scores).any(1)]
    assert complete.shape == (16, 7)
    assert_allclose(friedman(complete)[:2], [71.207, 2.31e-13], rtol=5e-3)
    assert_allclose(friedman(np.delete(scores, LMLP, 1))[:2], [59.971, 1.23e-11], rtol=5e-3)


def test_no_choice_of_columns_gives_the_printed_p() -> None:
    scores = printed().scores
    for rows in (scores, scores[~np.isnan(scores).any(1)]):
        for k in range(3, 8):
            for columns in combinations(range(7), k):
                assert f"{friedman(rows[:, columns])[1]:.2e}" != "2.76e-12"


def test_nemenyi_of_table_ii_tells_hlstm_from_three_of_six() -> None:
    table = printed()
    mean = average_ranks(table.scores)
    apart = mean - mean[HLSTM] > critical_difference(7, 20)
    different = {s for s, a in zip(table.systems, apart, strict=True) if a}
    assert different == {"HMCN-R", "HMC-LMLP", "CLUS-ENS"}
    assert ((nemenyi(table.scores)[HLSTM] < 0.05) == apart).all()


def test_the_lift_of_tables_iii_to_v() -> None:
    table = printed(("HLSTM", "CHMC-LSTM"))
    percent = lift(*table.scores.T)
    below = [name for name, x in zip(table.datasets, percent, strict=True) if x < 0]
    assert below == ["derisi_FUN", "expr_FUN", "spo_FUN"]
    assert_allclose(percent[[1, 3, 7]], [-10.36, -1.03, -5.56], atol=5e-3)
    assert_allclose(percent.mean(), 28.08, atol=5e-3)


def test_what_is_printed() -> None:
    table = printed()
    assert table.scores.shape == (20, 7) == (len(table.datasets), len(table.systems))
    missing = np.isnan(table.scores)
    assert missing.sum() == missing[:, LMLP].sum() == 4
    assert [name for name, row in zip(table.datasets, missing, strict=True) if row.any()] == [
        "Diatoms", "Enron", "ImCLEF07A", "ImCLEF07D",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="got 'BERT'"):
        printed(("BERT",))


def test_ranks_share_ties_and_put_missing_scores_last() -> None:
    scores = [[0.1, 0.3, 0.3, np.nan], [np.nan, 0.0, np.nan, -1.0]]
    assert_allclose(ranks(scores), [[3, 1.5, 1.5, 4], [3.5, 1, 3.5, 2]])


def test_friedman_by_hand() -> None:
    """Without ties, ranks 1 2 3 on three data sets: chi2 = N (k - 1), and F has no bound."""
    test = friedman([[3, 2, 1]] * 3)
    assert_allclose(test.chi2, 6.0)
    assert_allclose(test.p, np.exp(-3))
    assert test.f == np.inf
    assert test.p_f == 0


def test_systems_that_are_the_same_do_not_differ() -> None:
    assert friedman([[1, 1, 1], [1, 1, 1], [2, 2, 2]]) == (0, 1, 0, 1)


def test_systems_that_rank_alike_do_not_differ() -> None:
    p = nemenyi([[1, 2, 3], [3, 2, 1]])
    assert_allclose(p, np.ones((3, 3)))


def test_cliques() -> None:
    assert cliques([1.0, 2.0, 3.0], 0.5) == []
    assert cliques([3.0, 1.0, 2.0], 2.5) == [(1, 2, 0)]
    mean = average_ranks(printed().scores)
    assert cliques(mean, critical_difference(7, 20)) == [(6, 0, 2, 5), (0, 2, 5, 1), (1, 4), (4, 3)]


def test_wrong_input_says_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"scores of \(datasets, systems\), got shape \(2,\)"):
        ranks([0.1, 0.2])
    with pytest.raises(ValueError, match="at least 3 systems and 2 data sets, got 2 and 1"):
        friedman([[0.1, 0.2]])
    with pytest.raises(ValueError, match="got 1, 5"):
        critical_difference(1, 5)


def test_without_scipy_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"hierloss\[paper\]"):
        ranks([[0.1, 0.2]])
