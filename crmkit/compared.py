"""Figures side by side: the definitions of one name, what each of them gives on the same data, and groups compared."""

from __future__ import annotations

import html
import inspect
import math
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import combinations
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmkit import frames, metrics
from crmkit.errors import CrmkitError, ParameterError
from crmkit.estimate import Definition, Estimate, Window, share
from crmkit.intervals import difference, t_quantile, z
from crmkit.texts import language, text, text_of_names

SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Variant:
    """One formula of a metric: its id, the maths, where it comes from, who uses it, and how to ask for it."""

    id: str
    formula: str
    source: str
    used_by_en: str
    used_by_ja: str
    family: str
    call: Mapping[str, Any]

    @property
    def metric(self) -> str:
        """The function that computes it."""
        return self.id.split(".")[0]

    @property
    def label(self) -> str:
        """What the figure is called, in the language in use."""
        return text(f"metric.{self.id}")

    @property
    def sentence(self) -> str:
        """What is divided by what, in words; parameters stand under their names."""
        return text_of_names(f"definition.{self.id}")

    @property
    def used_by(self) -> str:
        """Who uses it, in the language in use."""
        return self.used_by_ja if language() == "ja" else self.used_by_en


class Variants(Sequence[Variant]):
    """The formulas that go by one name; shown as a table."""

    def __init__(self, found: Sequence[Variant]) -> None:
        self._found = tuple(found)

    def __getitem__(self, place: Any) -> Any:
        return self._found[place]

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return "\n".join(f"{one.id}: {one.label} = {one.formula} [{one.source}; {one.used_by}]" for one in self)

    def _repr_html_(self) -> str:
        heads = [text(f"definitions.{name}") for name in ("label", "formula", "sentence", "source", "used_by", "call")]
        rows = [(one.label, one.formula, one.sentence, one.source, one.used_by, _written(one)) for one in self]
        return _html_table(heads, rows)


def definitions(name: str) -> Variants:
    """All formulas that go by a metric's name, or are taken for it, such as the gap between members and others.

    Args:
        name: A metric, e.g. "repeat_rate".

    Returns:
        A sequence of `Variant`: id, label, formula, sentence, source, used_by, and the arguments that ask for it.

    Raises:
        ParameterError: if no metric has that name; the nearest one is named.

    Examples:
        >>> [one.id for one in definitions("retention_rate")]
        ['retention_rate.activity', 'retention_rate.contract', 'member_retention_gap.association']
    """
    found = [one for one in _variants() if name in (one.family, one.metric)]
    if not found:
        options = sorted({one.family for one in _variants()} | {one.metric for one in _variants()})
        raise ParameterError("unknown_metric", metric=name, nearest=frames.nearest(name, options))
    return Variants(found)


def same_data_many_numbers(name: str, *tables: Any, **parameters: Any) -> Any:
    """Every formula of one name on the same data, side by side.

    Args:
        name: A metric, e.g. "repeat_rate".
        tables: The tables that the metric takes, in its order.
        parameters: Arguments for all formulas; each takes those that it knows.

    Returns:
        A table of the engine's own kind, one row per formula: `definition`, `label`, `value`, `low`, `high`, `n`,
        `numerator`, `denominator`, `formula`, and in `note` why there is no number, or what there is to know.

    Raises:
        ParameterError: if no metric has that name, or no formula knows one of the parameters.

    Examples:
        >>> import crmkit
        >>> orders = crmkit.sample("ten_customers").orders
        >>> table = same_data_many_numbers("repeat_rate", orders, start="2026-03-01", end="2026-04-01")
        >>> dict(zip(table["definition"], table["value"].round(3)))["repeat_rate.new"]
        1.667
    """
    variants = definitions(name)
    known = {key for one in variants for key in inspect.signature(metrics.metric(one.metric)).parameters}
    for parameter in parameters:
        if parameter not in known:
            raise ParameterError("unknown_argument", parameter=parameter, metric=name, options=", ".join(sorted(known)))
    rows = [_computed(one, tables, parameters) for one in variants]
    first = frames.as_frame(tables[0])
    columns = {key: np.array([row[key] for row in rows], object) for key in ("definition", "label", "formula", "note")}
    columns |= {key: np.array([row[key] for row in rows], float) for key in FIGURE}
    order = ["definition", "label", *FIGURE, "formula", "note"]
    return frames.give_back(frames.same_kind(first, frames.table(first, {key: columns[key] for key in order})))


FIGURE = ("value", "low", "high", "n", "numerator", "denominator")


def _computed(one: Variant, tables: Sequence[Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One formula on the tables; where it cannot be had, why not."""
    make = metrics.metric(one.metric)
    known = inspect.signature(make).parameters
    row: dict[str, Any] = {"definition": one.id, "label": one.label, "formula": one.formula, "note": ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said in the note
            made = make(*tables, **{**{key: value for key, value in parameters.items() if key in known}, **one.call})
    except (CrmkitError, TypeError) as error:
        return row | dict.fromkeys(FIGURE, math.nan) | {"n": 0, "note": str(error)}
    note = " ".join(str(told) for told in made.notes)
    return row | {key: getattr(made, key) for key in FIGURE} | {"note": note}


def metric_by(name: str | Callable[..., Any], *tables: Any, by: str, **parameters: Any) -> Any:
    """A metric for each group of a column: the same as `metric(…, by=…)`, by the metric's name.

    Args:
        name: A metric or its name.
        tables: The tables that the metric takes, in its order.
        by: Column to group by, of the metric's main table.
        parameters: Further arguments of the metric.

    Returns:
        A table of the engine's own kind: the group, value, low, high, n, numerator, denominator, rows_left_out.

    Raises:
        ParameterError: if there is no such metric, or it cannot be grouped.

    Examples:
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"customer_id": ["A", "A", "B"], "shop": ["x", "x", "y"],
        ...                        "ordered_at": pd.to_datetime(["2026-01-01", "2026-02-01", "2026-02-01"])})
        >>> metric_by("repeat_rate", orders, by="shop")["value"].to_list()
        [1.0, 0.0]
    """
    return _groupable(name)(*tables, by=by, **parameters)


def _groupable(name: str | Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(name, str) and name not in metrics.ROOM_OF:
        raise ParameterError("unknown_metric", metric=name, nearest=frames.nearest(name, list(metrics.ROOM_OF)))
    make: Callable[..., Any] = metrics.metric(name) if isinstance(name, str) else name
    if "by" not in inspect.signature(make).parameters:
        raise ParameterError("no_groups", metric=make.__name__)
    return make


def compare_groups(
    name: str | Callable[..., Any],
    *tables: Any,
    by: str,
    adjust: str | None = None,
    correction: str = "holm",
    **parameters: Any,
) -> Any:
    """Groups two by two: the difference of a metric with its interval, a test, and the size of the effect.

    Args:
        name: A metric that can be grouped, or its name.
        tables: The tables that the metric takes, in its order.
        by: Column to group by.
        adjust: Another column, to compare only within its strata (weights as of Mantel and Haenszel); for what makes
            the groups differ besides what is asked about.
        correction: "holm" for the p-values of many comparisons, or "none".
        parameters: Further arguments of the metric.

    Returns:
        A table of the engine's own kind, one row per pair: `group_a`, `group_b`, `value_a`, `value_b`, `n_a`, `n_b`,
        `difference` (a − b), `low`, `high` (of the difference, 95 %), `effect_size`, `effect` ("h" = Cohen's for
        shares, "d" = Cohen's for means, "ratio"), `p_value`, `p_adjusted`, `test`, `strata` compared and `strata_alone`
        (left out, because only one of the two groups is there).

    Raises:
        ParameterError: an unknown metric or correction, or one that cannot be grouped.

    Examples:
        >>> import pandas as pd
        >>> visits = [("A", "x", 1), ("A", "x", 2), ("B", "y", 1), ("C", "y", 3), ("D", "x", 4)]
        >>> orders = pd.DataFrame(visits, columns=["customer_id", "shop", "ordered_at"])
        >>> orders["ordered_at"] = pd.to_datetime(orders["ordered_at"], unit="D")
        >>> pair = compare_groups("repeat_rate", orders, by="shop").iloc[0]
        >>> float(pair["difference"]), pair["test"]
        (0.5, 'Fisher')

    References:
        Differences: Newcombe (1998), Zou & Donner (2008), see `intervals.difference`. Cohen (1988), Statistical Power
        Analysis. Holm (1979), A simple sequentially rejective multiple test procedure. Mantel & Haenszel (1959).
    """
    if correction not in ("holm", "none"):
        options = "'holm', 'none'"
        raise ParameterError("unknown_variant", parameter="correction", value=correction, options=options)
    make = _groupable(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the grouped call says it again
        method = make(*tables, **parameters).method
    cells = _cells(make, tables, by, adjust, parameters)
    groups = sorted({group for group, _ in cells}, key=lambda group: (group is None, str(group)))
    pairs = [_pair(a, b, cells, method) for a, b in combinations(groups, 2)]
    for pair, adjusted in zip(pairs, _holm([pair["p_value"] for pair in pairs], correction), strict=True):
        pair["p_adjusted"] = adjusted
    first = frames.as_frame(tables[0])
    columns = {key: np.array([pair[key] for pair in pairs], WORDS.get(key, float)) for key in PAIR}
    return frames.give_back(frames.same_kind(first, frames.table(first, columns)))


PAIR = (
    "group_a", "group_b", "value_a", "value_b", "n_a", "n_b", "difference", "low", "high", "effect_size", "effect",
    "p_value", "p_adjusted", "test", "strata", "strata_alone",
)  # fmt: skip
WORDS: dict[str, Any] = dict.fromkeys(("group_a", "group_b", "effect", "test"), object)
Cell = dict[str, float]


def _cells(
    make: Callable[..., Any], tables: Sequence[Any], by: str, adjust: str | None, parameters: Mapping[str, Any]
) -> dict[tuple[str | None, str | None], Cell]:
    """The figure of each group in each stratum; without strata there is one, `None`."""
    key = by
    if adjust is not None:
        key = f"{by}_{adjust}"
        joined = nw.concat_str([_worded(by), _worded(adjust)], separator=SEPARATOR).alias(key)
        tables = [_with(table, joined, (by, adjust)) for table in tables]
    found = {}
    for row in frames.rows(frames.as_frame(make(*tables, by=key, **parameters))):
        group, stratum = row[key], None
        if adjust is not None:
            group, stratum = (None if part == "\0" else part for part in str(row[key]).split(SEPARATOR))
        cell = {name: math.nan if row[name] is None else float(row[name]) for name in FIGURE}
        if not math.isnan(cell["value"]):
            found[None if group is None else str(group), stratum] = cell
    return found


def _worded(column: str) -> nw.Expr:
    return nw.col(column).cast(nw.String).fill_null("\0")


def _with(native: Any, column: nw.Expr, needs: Sequence[str]) -> Any:
    frame = frames.as_frame(native)
    return native if not set(needs) <= set(frame.collect_schema()) else frame.with_columns(column).to_native()


def _pair(a: str | None, b: str | None, cells: Mapping[Any, Cell], method: str) -> dict[str, Any]:
    """Two groups compared, within their common strata."""
    strata = [stratum for group, stratum in cells if group == a and (b, stratum) in cells]
    alone = {stratum for group, stratum in cells if group in (a, b)} - set(strata)
    named: dict[str, Any] = {"group_a": a, "group_b": b, "strata": len(strata), "strata_alone": len(alone)}
    if not strata:
        return named | dict.fromkeys([key for key in PAIR if key not in named], math.nan) | {"effect": "", "test": ""}
    sides = [[cells[group, stratum] for stratum in strata] for group in (a, b)]
    values = {f"value_{side}": _pooled(found, "value") for side, found in zip("ab", sides, strict=True)}
    counts = {f"n_{side}": sum(cell["n"] for cell in found) for side, found in zip("ab", sides, strict=True)}
    compared = _two(sides[0][0], sides[1][0], method) if strata == [None] else _stratified(sides[0], sides[1], method)
    return named | values | counts | compared


def _pooled(found: Sequence[Cell], name: str) -> float:
    return float(np.average([cell[name] for cell in found], weights=[cell["n"] for cell in found]))


def _two(a: Cell, b: Cell, method: str) -> dict[str, Any]:
    """The difference of two independent figures, with a test that suits the kind of figure."""
    ends = difference(a["value"], a["low"], a["high"], b["value"], b["low"], b["high"])
    p_value, test = {"wilson": _shares_test, "t": _welch, "poisson": _rates_test}.get(method, _normal_test)(a, b)
    size, effect = _effect(a, b, method)
    apart = a["value"] - b["value"]
    return {
        "difference": apart, "low": float(ends[0]), "high": float(ends[1]),
        "effect_size": size, "effect": effect, "p_value": p_value, "test": test,
    }  # fmt: skip


def _effect(a: Cell, b: Cell, method: str) -> tuple[float, str]:
    if method == "wilson":
        return 2 * math.asin(math.sqrt(a["value"])) - 2 * math.asin(math.sqrt(b["value"])), "h"
    if method in ("poisson", "order"):
        return (a["value"] / b["value"] if b["value"] else math.nan), "ratio"
    spreads = [(_error(cell, method) ** 2 * cell["n"], cell["n"]) for cell in (a, b)]
    pooled = sum(variance * (n - 1) for variance, n in spreads) / max(sum(n for _, n in spreads) - 2, 1)
    return ((a["value"] - b["value"]) / math.sqrt(pooled) if pooled > 0 else math.nan), "d"


def _error(cell: Cell, method: str) -> float:
    """The standard error behind an interval."""
    reach = float(t_quantile(cell["n"] - 1)) if method in ("t", "delta") and cell["n"] > 1 else z()
    return (cell["high"] - cell["low"]) / 2 / reach


def _shares_test(a: Cell, b: Cell) -> tuple[float, str]:
    above, below = (np.array([cell[name] for cell in (a, b)]) for name in ("numerator", "denominator"))
    common = above.sum() / below.sum()
    if min(common, 1 - common) * below.min() < 5:
        from scipy.stats import fisher_exact

        table = np.stack([above, below - above]).astype(int)
        return float(fisher_exact(table).pvalue), "Fisher"
    error = math.sqrt(common * (1 - common) * (1 / below).sum())
    return _two_sided((a["value"] - b["value"]) / error), "two-proportion z"


def _welch(a: Cell, b: Cell) -> tuple[float, str]:
    from scipy.special import stdtr

    one, other = _error(a, "t") ** 2, _error(b, "t") ** 2
    if not one + other > 0:
        return math.nan, "Welch"
    freedom = (one + other) ** 2 / (one**2 / (a["n"] - 1) + other**2 / (b["n"] - 1))
    return float(2 * stdtr(freedom, -abs(a["value"] - b["value"]) / math.sqrt(one + other))), "Welch"


def _rates_test(a: Cell, b: Cell) -> tuple[float, str]:
    """Given both counts together, the first is binomial."""
    if math.isnan(a["denominator"]) or math.isnan(b["denominator"]):  # plain counts: the same exposure
        a, b = {**a, "denominator": 1.0}, {**b, "denominator": 1.0}
    from scipy.stats import binomtest

    events = int(a["numerator"] + b["numerator"])
    if not events:
        return 1.0, "exact Poisson"
    exposure = a["denominator"] / (a["denominator"] + b["denominator"])
    return float(binomtest(int(a["numerator"]), events, exposure).pvalue), "exact Poisson"


def _normal_test(a: Cell, b: Cell) -> tuple[float, str]:
    error = math.hypot(*((cell["high"] - cell["low"]) / 2 / z() for cell in (a, b)))
    return (_two_sided((a["value"] - b["value"]) / error) if error > 0 else math.nan), "z from the intervals"


def _two_sided(score: float) -> float:
    return math.erfc(abs(score) / math.sqrt(2))


def _stratified(a: Sequence[Cell], b: Sequence[Cell], method: str) -> dict[str, Any]:
    """The common difference within strata, weighted as Mantel and Haenszel do."""
    apart = np.array([one["value"] - other["value"] for one, other in zip(a, b, strict=True)])
    weights = np.array([one["n"] * other["n"] / (one["n"] + other["n"]) for one, other in zip(a, b, strict=True)])
    errors = np.array([math.hypot(_error(one, method), _error(other, method)) for one, other in zip(a, b, strict=True)])
    known = ~np.isnan(errors)
    if not known.any():
        return dict.fromkeys(("difference", "low", "high", "effect_size", "p_value"), math.nan) | {
            "effect": "", "test": "stratified z"}  # fmt: skip
    weights, apart, errors = (part[known] for part in (weights, apart, errors))
    value = float((weights * apart).sum() / weights.sum())
    error = float(np.sqrt((weights**2 * errors**2).sum()) / weights.sum())
    sizes = np.array([_effect(one, other, method)[0] for one, other in zip(a, b, strict=True)])[known]
    real = ~np.isnan(sizes)
    size = float((weights * sizes)[real].sum() / weights[real].sum()) if real.any() else math.nan
    return {
        "difference": value, "low": value - z() * error, "high": value + z() * error,
        "effect_size": size, "effect": _effect(a[0], b[0], method)[1],
        "p_value": _two_sided(value / error) if error > 0 else math.nan, "test": "stratified z",
    }  # fmt: skip


def _holm(found: Sequence[float], correction: str) -> list[float]:
    """Holm's adjusted p-values: in ascending order, times the number still to come, never falling."""
    if correction == "none":
        return list(found)
    order = sorted((p, place) for place, p in enumerate(found) if not math.isnan(p))
    adjusted, least = [math.nan] * len(found), 0.0
    for done, (p, place) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - done)))
        adjusted[place] = least
    return adjusted


def proportion_ci(numerator: int, denominator: int) -> Estimate:
    """A share that somebody tells, with the interval that its number of answers leaves open.

    Args:
        numerator: How many said yes.
        denominator: How many were asked.

    Returns:
        An `Estimate` (0–1) with Wilson's interval.

    Raises:
        ParameterError: if more said yes than were asked, or a number is negative or no whole number.

    Examples:
        >>> claim = proportion_ci(45, 50)
        >>> round(claim.low, 2), round(claim.high, 2)
        (0.79, 0.96)
    """
    if not (0 <= numerator <= denominator and numerator == int(numerator) and denominator == int(denominator)):
        raise ParameterError("no_share", numerator=numerator, denominator=denominator)
    return share(int(numerator), int(denominator), Window(), Definition("proportion_ci"))


@cache
def _variants() -> tuple[Variant, ...]:
    """All formulas, in the order of the files."""
    folder = files("crmkit.texts").joinpath("sources")
    parts = sorted((part for part in folder.iterdir() if part.name.endswith(".toml")), key=lambda part: part.name)
    entries = [entry for part in parts for entry in tomllib.loads(part.read_text(encoding="utf-8")).items()]
    return tuple(Variant(**{"id": key, "family": key.split(".")[0], "call": {}, **entry}) for key, entry in entries)


def _written(one: Variant) -> str:
    return f"{one.metric}({', '.join(f'{key}={value!r}' for key, value in one.call.items())})"


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(tag: str, values: Sequence[str]) -> Iterator[str]:
        return (f"<{tag} style='text-align:left'>{html.escape(value)}</{tag}>" for value in values)

    head = "".join(cells("th", heads))
    body = "".join(f"<tr>{''.join(cells('td', row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
