"""Intervals and tests beside statsmodels, whose numbers are recorded: it needs another pandas than the course has.

Each test names the call that gave its numbers, in statsmodels 0.15.0.
"""

from __future__ import annotations

import numpy as np
import pytest

from crmkit import intervals
from crmkit.compared import _holm, _two
from crmkit.estimate import means, rates, shares
from tests.test_compared import cells

ONE = np.array([3.1, 2.4, 5.6, 4.4, 3.9, 2.2])
OTHER = np.array([5.1, 6.3, 4.9, 7.7, 5.5])


@pytest.mark.parametrize(
    ("above", "below", "wanted"),
    [
        (0, 10, (0.0, 0.27753279986288926)),
        (5, 10, (0.23659309051256394, 0.7634069094874361)),
        (81, 263, (0.2552885198782742, 0.36620957698280004)),
    ],
)
def test_wilson(above, below, wanted):
    """proportion_confint(above, below, method="wilson")"""
    assert intervals.wilson(above, below) == pytest.approx(wanted, rel=1e-10)


def test_two_shares():
    """proportions_ztest([56, 48], [70, 80]), confint_proportions_2indep(…, method="newcomb"), proportion_effectsize"""
    pair = _two(*cells(shares(np.array([56.0, 48.0]), np.array([70.0, 80.0]))), "wilson")
    assert pair["p_value"] == pytest.approx(0.00804508136819656, rel=1e-10)
    assert (pair["low"], pair["high"]) == pytest.approx((0.05243147240236498, 0.33387265403690614), rel=1e-10)
    assert pair["effect_size"] == pytest.approx(0.4421431880029534, rel=1e-10)


def test_a_rate():
    """confint_poisson(7, 100, method="exact-c")"""
    ends = (part / 100 for part in intervals.poisson(7))
    assert tuple(map(float, ends)) == pytest.approx((0.028143630515198654, 0.1442267536170238), rel=1e-10)


def test_two_rates():
    """test_poisson_2indep(30, 100, 18, 90, method="exact-cond")"""
    pair = _two(*cells(rates(np.array([30.0, 18.0]), np.array([100.0, 90.0]))), "poisson")
    assert pair["test"] == "exact Poisson"
    assert pair["p_value"] == pytest.approx(0.19419025832646997, rel=1e-10)


def test_two_means():
    """CompareMeans(DescrStatsW(ONE), DescrStatsW(OTHER)).ttest_ind(usevar="unequal"), .tconfint_mean() of ONE"""
    sums = (np.array([measure(part) for part in (ONE, OTHER)], float) for measure in (len, np.sum, lambda x: x @ x))
    a, b = cells(means(*sums))
    assert (a["low"], a["high"]) == pytest.approx((2.2413962270081074, 4.958603772991892), rel=1e-10)
    assert _two(a, b, "t")["p_value"] == pytest.approx(0.012170120289547622, rel=1e-10)


def test_many_comparisons():
    """multipletests([0.01, 0.04, 0.03, 0.005], method="holm")"""
    assert _holm([0.01, 0.04, 0.03, 0.005], "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
