"""Chance and arithmetic: published values, the standard library as oracle, and the shapes of distributions."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from crmkit.simulator import exact

KEYS = exact.customer_keys(7, np.arange(50_000))


def test_words_are_those_of_splitmix64() -> None:
    # the first outputs of the published generator for the seed 1234567
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    key = np.array([1234567], dtype=np.uint64)
    assert [int(exact.words(key, n)[0]) for n in range(1, 6)] == published
    assert exact.words(np.repeat(key, 5), np.arange(1, 6)).tolist() == published


def test_a_draw_depends_on_nobody_else() -> None:
    some = np.array([40_000, 3, 17])
    assert (exact.words(KEYS[some], 5) == exact.words(KEYS, 5)[some]).all()
    assert len(np.unique(exact.customer_keys(7, np.arange(200_000)))) == 200_000
    assert not (exact.customer_keys(8, np.arange(1000)) == exact.customer_keys(7, np.arange(1000))).any()


@pytest.mark.parametrize("address", [0, 3, 1 << 24, (1 << 32) + 64, 1 << 44])
def test_draws_are_even_and_unrelated(address: int) -> None:
    u = exact.uniform(exact.words(KEYS, address))
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    beside = exact.uniform(exact.words(KEYS, address + 1))
    assert abs(np.corrcoef(u, beside)[0, 1]) < 5 / math.sqrt(len(u))  # neighbouring addresses
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5 / math.sqrt(len(u))  # neighbouring customers
    for part in exact.three(exact.words(KEYS, address)):
        assert stats.kstest(part, "uniform").pvalue > 1e-4


def test_the_logarithm_agrees_with_the_library() -> None:
    x = np.concatenate([np.geomspace(1e-300, 1e300, 5001), np.linspace(0.5, 2, 5001)])
    assert np.allclose(exact.log(x), [math.log(value) for value in x], rtol=1e-14, atol=1e-15)


def test_normal_quantiles_agree_with_the_library() -> None:
    u = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 4001), 10.0 ** -np.arange(1, 16)])
    expected = [NormalDist().inv_cdf(value) for value in u]
    assert np.allclose(exact.normal_quantile(u), expected, rtol=1e-9, atol=1e-9)  # the library is good to about this


@pytest.mark.parametrize("halves", [1, 2, 3, 8, 60])
def test_gamma_has_the_shape_asked_for(halves: int) -> None:
    assert stats.kstest(exact.gamma(KEYS, 100, halves), stats.gamma(halves / 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("a", "b"), [(2, 5), (1, 1), (2, 60)])
def test_beta_has_the_shapes_asked_for(a: int, b: int) -> None:
    assert stats.kstest(exact.beta(KEYS, 200, a, b), stats.beta(a / 2, b / 2).cdf).pvalue > 1e-4


def test_pick_follows_the_weights() -> None:
    chosen = exact.pick(exact.uniform(exact.words(KEYS, 11)), [5, 0, 3, 2])
    counts = np.bincount(chosen, minlength=4)
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]], len(KEYS) * np.array([0.5, 0.3, 0.2])).pvalue > 1e-4
    assert exact.pick(np.array([0.0, 1 - 2**-53]), [0, 1, 1, 0]).tolist() == [1, 2]
