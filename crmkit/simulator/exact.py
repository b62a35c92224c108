"""Chance and arithmetic that come out the same, bit for bit, on every machine.

Every draw has an address. A customer has a key of 64 bits, and a word of chance is a scrambled sum of that key and the
address (SplitMix64), so that nobody's draws depend on anybody else, on the order of rows or on how the work is cut up;
and the same customer can be lived again, on the same draws, in a world where one thing is different.

`exp`, `log` and `sin` of a processor's own library differ in their last bits from machine to machine. Here all is made
of + - * / and the square root, which IEEE 754 fixes to the last bit.

References:
    Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators" (SplitMix64).
    Wichura (1988), "Algorithm AS 241: the percentage points of the normal distribution".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint64]]
Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Ints = np.ndarray[Any, np.dtype[np.integer[Any]]]

_STEP = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio: addresses next to each other land far apart
_FULL = (1 << 64) - 1
_LN2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_FACTORS = 16  # so many numbers of 53 bits can be multiplied without coming near the least double


def scramble(z: Words) -> Words:
    """SplitMix64's last step: every bit of the result depends on every bit of `z`."""
    z = z ^ (z >> np.uint64(30))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def words(keys: Words, address: int | Ints) -> Words:
    """One word of chance for each key, at an address of its own.

    Args:
        keys: Keys of customers (or of anything else that draws).
        address: Which of the key's draws: one number for all, or one for each key.

    Examples:
        >>> first, again = words(customer_keys(7, np.arange(3)), 0), words(customer_keys(7, np.arange(2)), 0)
        >>> bool((first[:2] == again).all())
        True
    """
    if isinstance(address, int):
        return scramble(keys + np.uint64((address * _STEP) & _FULL))
    return scramble(keys + address.astype(np.uint64) * np.uint64(_STEP))


def customer_keys(seed: int, numbers: Ints) -> Words:
    """The keys of customers: a pure function of the seed and the customer's number."""
    start = scramble(np.array([seed & _FULL], dtype=np.uint64))
    # scrambled twice, so that keys of neighbours do not share addresses
    return scramble(scramble(start + (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(_STEP)))


def uniform(drawn: Words) -> Floats:
    """Numbers in [0, 1) from the upper 53 bits of each word."""
    return (drawn >> np.uint64(11)) * 2.0**-53


def three(drawn: Words) -> tuple[Floats, Floats, Floats]:
    """Three numbers in [0, 1) from each word, 21 bits each."""
    mask = np.uint64(0x1FFFFF)
    return (
        (drawn & mask) * 2.0**-21,
        ((drawn >> np.uint64(21)) & mask) * 2.0**-21,
        ((drawn >> np.uint64(42)) & mask) * 2.0**-21,
    )


def draws(keys: Words, address: int | Ints, count: int) -> Floats:
    """`3 * count` uniform numbers for each key, as rows: three of 21 bits from each of `count` addresses."""
    steps = (np.arange(count, dtype=np.uint64) * np.uint64(_STEP))[:, None]
    at = np.asarray(address).astype(np.uint64) * np.uint64(_STEP)
    z = scramble(keys + at + steps)
    out = np.empty((3 * count, len(keys)))
    for part in range(3):
        out[part::3] = ((z >> np.uint64(21 * part)) & np.uint64(0x1FFFFF)) * 2.0**-21
    return out


def pick(u: Floats, weights: Sequence[float]) -> Ints:
    """For each `u` in [0, 1) the index of a weight, each as often as its weight says."""
    edges: list[float] = []
    total = 0.0
    for weight in weights:
        total += weight
        edges.append(total)
    scaled = u * total
    if len(edges) > 20:
        return np.searchsorted(np.array(edges[:-1]), scaled, side="right")
    passed = np.zeros(len(u), dtype=np.int8)  # for few weights, comparing with each is quicker than searching
    for edge in edges[:-1]:
        passed += scaled >= edge
    return passed.astype(np.int64)


def log(x: Floats) -> Floats:
    """Natural logarithm of positive numbers; right to about 1e-15."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    mantissa = np.where(small, mantissa * 2, mantissa)
    exponent = exponent - small
    t = (mantissa - 1) / (mantissa + 1)
    square = t * t
    series = np.full_like(t, 1 / 23)
    for odd in range(21, 0, -2):
        series = series * square + 1 / odd
    return exponent * _LN2 + 2 * t * series


def gamma(keys: Words, address: int, halves: int) -> Floats:
    """Gamma variables of shape `halves / 2` and scale 1; uses `halves // 2 + 1` addresses.

    Sums of waiting times, and half a squared normal for the odd half: exact, without a table for each shape.
    """
    whole = halves // 2
    total = np.zeros(len(keys))
    steps = np.arange(address, address + whole, dtype=np.uint64)[:, None] * np.uint64(_STEP)
    factors = ((scramble(keys + steps) >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
    for begin in range(0, whole, _FACTORS):
        product = factors[begin]  # a sum of logarithms is the logarithm of a product: one instead of many
        for factor in factors[begin + 1 : begin + _FACTORS]:
            product = product * factor
        total -= log(product)
    if halves % 2:
        z = normal(words(keys, address + halves // 2))
        total = total + z * z / 2
    return total


def beta(keys: Words, address: int, halves_a: int, halves_b: int) -> Floats:
    """Beta variables of shapes `halves_a / 2` and `halves_b / 2`: one gamma as a share of two."""
    a = gamma(keys, address, halves_a)
    b = gamma(keys, address + halves_a // 2 + 1, halves_b)
    return a / (a + b)


_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_SHOULDER = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip


def normal(drawn: Words) -> Floats:
    """Normal variables with mean 0 and standard deviation 1, by the inverse of their distribution."""
    u = (drawn >> np.uint64(12)) * 2.0**-52 + 2.0**-53
    return normal_quantile(u)


def normal_quantile(u: Floats) -> Floats:
    """The number below which a standard normal variable falls with probability `u`, 0 < u < 1."""
    q = u - 0.5
    centre = np.abs(q) <= 0.425
    out = q * _ratio(_CENTRE, 0.180625 - q * q)
    if centre.all():
        return out
    side = np.flatnonzero(~centre)
    r = np.sqrt(-log(np.minimum(u[side], 1 - u[side])))
    far = np.where(r <= 5, _ratio(_SHOULDER, r - 1.6), _ratio(_TAIL, r - 5))
    out[side] = np.where(q[side] < 0, -far, far)
    return out


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Floats) -> Floats:
    above, below = (_polynomial(row, x) for row in coefficients)
    return above / below


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def poisson(u: Floats, mean: Floats, most: int) -> Ints:
    """How many events with this mean, by the inverse of the distribution; nothing above `most`."""
    chance = mean / 16  # e^-mean by its series, taken of a sixteenth and squared four times
    none = 1 / (
        1 + chance * (1 + chance / 2 * (1 + chance / 3 * (1 + chance / 4 * (1 + chance / 5 * (1 + chance / 6)))))
    )
    for _ in range(4):
        none = none * none
    count = np.zeros(len(u), dtype=np.int64)
    step, reached = none, none
    for n in range(1, most + 1):
        more = u >= reached
        if not more.any():
            break
        count += more
        step = step * mean / n
        reached = reached + step
    return count
