"""Pictures of customer management: funnels, hold-outs, baskets, filled columns and scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmkit.plots.base import BLUE, GREY, INK, ORANGE, PALE, RED, new_figure, nothing, paper, style
from crmkit.texts import has_text, text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_funnel(table: Any, *, ax: Axes | None = None) -> Axes:
    """The stages from top to bottom as bars, with the share of the first and of the stage before.

    Args:
        table: A result of `funnel`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x is the number that reached a stage.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.management.leads import funnel
        >>> day = pd.Timestamp("2026-01-05")
        >>> leads = pd.DataFrame({"created_at": [day, day], "converted_at": [day, pd.NaT]})
        >>> axes = plot_funnel(funnel(leads, stages=("created_at", "converted_at")))
    """
    rows = _rows(_small(table))
    most = max([row["n"] for row in rows], default=0) or 1
    with style():
        ax = ax if ax is not None else new_figure(9, 1.1 + 0.55 * max(len(rows), 1))[1]
        ax.barh([-at for at in range(len(rows))], [row["n"] for row in rows], height=0.62, color=BLUE, alpha=0.85)
        for at, row in enumerate(rows):
            if at and row["n"] and not math.isnan(row["previous_low"]):
                before = rows[at - 1]["n"]
                ends = [before * row["previous_low"], before * row["previous_high"]]
                ax.plot(ends, [-at, -at], color=INK, linewidth=1.8, solid_capstyle="butt", marker="|", markersize=9)
            reach = max(
                row["n"], 0 if not at or math.isnan(row["previous_high"]) else rows[at - 1]["n"] * row["previous_high"]
            )
            ax.annotate(
                _stage_label(row), (reach, -at), (8, 0), textcoords="offset points", va="center", color=INK,
                fontsize="small", bbox=paper(), zorder=4,
            )  # fmt: skip
        ax.set_yticks([-at for at in range(len(rows))], [_stage(row["stage"]) for row in rows])
        ax.set_xlim(0, 2.05 * most)  # room for the words, where no numbers stand below
        ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= 1.15 * most and tick == int(tick)])
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set_xlabel(text("plot.stage_count"))
        ax.grid(axis="y", visible=False)
        return ax if any(row["n"] for row in rows) else nothing(ax)


def _stage(name: str) -> str:
    return text(f"plot.stage.{name}") if has_text(f"plot.stage.{name}") else name


def _stage_label(row: dict[str, Any]) -> str:
    if math.isnan(row["share_of_previous"]):
        return text("plot.stage_first", n=row["n"])
    return text(
        "plot.stage_shares", n=row["n"], first=row["share_of_first"], previous=row["share_of_previous"],
        low=row["previous_low"], high=row["previous_high"],
    )  # fmt: skip


def plot_campaign_lift(table: Any, *, ax: Axes | None = None, most: int = 20) -> Axes:
    """Each campaign's difference between treatment and hold-out, with its interval and a line at no effect.

    Args:
        table: A result of `campaign_lift(by=...)`; groups without a hold-out are told under the picture.
        ax: Where to draw; a new figure if not given.
        most: How many groups to show, those with most customers first chosen.

    Returns:
        The Axes; x in percentage points. A full dot is a difference whose interval leaves out 0, a ring one whose
        interval holds it.

    Examples:
        >>> import pandas as pd
        >>> table = pd.DataFrame({
        ...     "campaign_id": ["P"], "value": [0.05], "low": [-0.02], "high": [0.12], "n": [400], "numerator": [15.0],
        ...     "denominator": [300],
        ... })
        >>> axes = plot_campaign_lift(table)
    """
    frame = _small(table)
    by = frame.columns[0]
    known = frame.dropna(subset="value").sort_values("n", ascending=False).head(most).sort_values(by)
    missing = frame[frame["value"].isna()][by].astype(str).to_list()
    with style():
        ax = ax if ax is not None else new_figure(8, 1.5 + 0.42 * len(known))[1]
        ax.axvline(0, color=GREY, linewidth=1.5, linestyle="--", zorder=1)
        labels = []
        for at, row in enumerate(_rows(known)):
            clear = row["low"] > 0 or row["high"] < 0
            ax.plot([100 * row["low"], 100 * row["high"]], [-at, -at], color=BLUE, linewidth=2.5, alpha=0.6)
            ax.plot(
                100 * row["value"],
                -at,
                "o",
                color=BLUE,
                markerfacecolor=BLUE if clear else "white",
                markersize=8,
                markeredgewidth=1.8,
                zorder=3,
            )
            held = row["n"] - row["denominator"]
            labels.append(text("plot.lift_row", name=row[by], n=int(row["n"]), held=int(held)))
        ax.set_yticks([-at for at in range(len(known))], labels)
        ax.set_ylim(-max(len(known), 1) + 0.4, 0.6)
        if known.empty:
            nothing(ax)
        ax.set_xlabel(text("plot.lift_points"))
        ax.set_ylabel(str(by))
        told = [text("plot.lift_signs"), *([text("plot.no_hold_out", groups=_listed(missing))] if missing else [])]
        ax.set_title("\n".join(told), loc="left", fontsize="small", color=GREY)
        ax.grid(axis="y", visible=False)
        return ax


def _listed(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "")


def plot_association_lift(table: Any, *, ax: Axes | None = None, most: int = 15) -> Axes:
    """Pairs of goods by how much more often they are bought together than chance would have it.

    Args:
        table: A result of `association_lift`.
        ax: Where to draw; a new figure if not given.
        most: How many pairs to show, those that are furthest from chance.

    Returns:
        The Axes; x is the lift on a logarithmic scale. ▲ more often, ▼ less often, ○ the interval holds 1.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.management.offers import association_lift
        >>> items = pd.DataFrame({"order_id": ["1", "1", "2", "3"], "product_id": ["cut", "wax", "cut", "spa"]})
        >>> axes = plot_association_lift(association_lift(items))
    """
    frame = _small(table)
    far = frame["lift"].map(lambda lift: abs(math.log(lift)))
    shown = frame.loc[far.sort_values(ascending=False).index[:most]].sort_values("lift", ascending=False)
    with style():
        ax = ax if ax is not None else new_figure(8, 1.4 + 0.38 * len(shown))[1]
        ax.set_xscale("log", base=2)
        ax.axvline(1, color=GREY, linewidth=1.5, linestyle="--", zorder=1)
        labels = []
        for at, row in enumerate(_rows(shown)):
            shape, colour = ("^", BLUE) if row["low"] > 1 else ("v", RED) if row["high"] < 1 else ("o", GREY)
            face = "white" if shape == "o" else colour
            ax.plot([row["low"], row["high"]], [-at, -at], color=colour, linewidth=2.5, alpha=0.55)
            ax.plot(
                row["lift"], -at, shape, color=colour, markerfacecolor=face, markersize=8, markeredgewidth=1.8, zorder=3
            )
            labels.append(text("plot.together_row", first=row["item"], second=row["other_item"], n=int(row["n_both"])))
        ax.set_yticks([-at for at in range(len(shown))], labels)
        ax.set_ylim(-max(len(shown), 1) + 0.4, 0.6)
        if len(shown):
            _log_ticks(ax, float(shown["low"].min()), float(shown["high"].max()))
        else:
            nothing(ax)
        ax.set_xlabel(text("plot.together"))
        ax.set_title(text("plot.together_signs"), loc="left", fontsize="small", color=GREY)
        ax.grid(axis="y", visible=False)
        return ax


def _log_ticks(ax: Axes, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis, as few as fit."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    ends = min(low, 0.9), max(high, 1.1)
    fine = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 6, 8, 12, 16, 32)
    ticks = [one for one in fine if ends[0] / 1.03 <= one <= ends[1] * 1.03]
    while len(ticks) > 9:
        ticks = sorted({1, *[one for at, one in enumerate(ticks) if (at - ticks.index(1)) % 2 == 0]})
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_xlim(ends[0] / 1.05, ends[1] * 1.05)


def plot_field_completeness(table: Any, *, ax: Axes | None = None) -> Axes:
    """Per column, how much of it holds a value that can be meant, with what is empty and what is not allowed.

    Args:
        table: A result of `field_completeness`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; x in per cent of the rows.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.management.data import field_completeness
        >>> people = pd.DataFrame({"customer_id": ["1", "2"], "gender": ["female", None]})
        >>> axes = plot_field_completeness(field_completeness(people))
    """
    frame = _small(table)
    rows = _rows(frame)
    with style():
        ax = ax if ax is not None else new_figure(9, 1.6 + 0.34 * len(rows))[1]
        places = [-at for at in range(len(rows))]
        good, empty, invalid = (
            100 * (frame[name] / frame["n"]).fillna(0) for name in ("numerator", "empty", "invalid")
        )
        ax.barh(places, good, height=0.62, color=BLUE, alpha=0.85)
        ax.barh(places, empty, left=good, height=0.62, color=PALE, label=text("plot.empty_cells"))
        if invalid.any():
            ax.barh(
                places, invalid, left=good + empty, height=0.62, color=ORANGE, hatch="///", edgecolor="white",
                label=text("plot.invalid_cells"),
            )  # fmt: skip
        for place, row in zip(places, rows, strict=True):
            if math.isnan(row["value"]):
                ax.annotate(text("estimate.no_data"), (1, place), va="center", color=GREY)
                continue
            ax.plot(
                [100 * row["low"], 100 * row["high"]],
                [place, place],
                color=INK,
                linewidth=1.8,
                marker="|",
                markersize=8,
            )
            ax.annotate(
                f"{row['value']:.1%}", (101, place), va="center", color=INK, fontsize="small", annotation_clip=False
            )
        ax.set_yticks(places, [row["column"] for row in rows])
        ax.set_xlim(0, 100)
        ax.set_ylim(-max(len(rows), 1) + 0.4, 0.6)
        if not rows:
            nothing(ax)
        n = int(frame["n"].max()) if len(frame) else 0
        ax.set_xlabel(text("plot.completeness", n=n))
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize="small", borderaxespad=0.2)
        ax.grid(axis="y", visible=False)
        return ax


def plot_targeting_lift(table: Any, *, ax: Axes | None = None) -> Axes:
    """The share of all responses found when so many are chosen by score, against choosing by chance.

    Args:
        table: A result of `cumulative_gains`.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes; both in per cent.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.management.targeting import cumulative_gains
        >>> scored = pd.DataFrame({"score": [3, 2, 1], "bought": [True, False, True]})
        >>> axes = plot_targeting_lift(cumulative_gains(scored, response="bought"))
    """
    frame = _small(table)
    with style():
        ax = ax if ax is not None else new_figure(6.4, 5)[1]
        ax.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1.6, label=text("plot.by_chance"))
        known = frame.dropna(subset="gain")
        if len(known):
            x, y = [0.0, *(100 * known["share"])], [0.0, *(100 * known["gain"])]
            low, high = ([0.0, *(100 * known[name])] for name in ("low", "high"))
            ax.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0)
            told = text("plot.by_score", n=int(known["n"].iloc[-1]), responses=int(known["responses"].iloc[-1]))
            ax.plot(x, y, color=BLUE, marker="o", linewidth=2.2, label=told, clip_on=False, zorder=3)
            first = known.iloc[0]
            ax.annotate(
                text("plot.times_chance", lift=first["lift"]), (x[1], y[1]), (20, -16), textcoords="offset points",
                color=BLUE, bbox=paper(),
            )  # fmt: skip
        else:
            nothing(ax)
        ax.set_xlim(0, 100)
        ax.set_ylim(0, 102)
        ax.set_xlabel(text("plot.chosen_share"))
        ax.set_ylabel(text("plot.found_share"))
        ax.legend(loc="lower right")
        return ax


def _small(table: Any) -> pd.DataFrame:
    """A result table of any engine, as pandas; NaN where there is nothing."""
    frame = nw.from_native(table)
    return (frame.collect() if isinstance(frame, nw.LazyFrame) else frame).to_pandas()


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
