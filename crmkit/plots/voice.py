"""Pictures of the customers' voice: ratings, topics, impressions along the journey, and the families of referrals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crmkit.estimate import Estimate
from crmkit.plots.base import BLUE, GREY, INK, ORANGE, PALE, new_figure, nothing, paper, style
from crmkit.texts import has_text, text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

STARS = (1, 2, 3, 4, 5)


def plot_rating_summary(result: Any, *, ax: Axes | None = None, most: int = 20) -> Axes:
    """How many ratings there are of each kind, with their mean; or the means of groups side by side.

    Args:
        result: What `rating_summary` gives with the methods "mean" and "shrunk": an Estimate, a dict of Estimates or,
            with `by`, a table.
        ax: Where to draw; a new figure if not given.
        most: How many groups to show, those with most ratings first.

    Returns:
        The Axes: ratings by stars, or one line per group in the order of the means.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.voice import rating_summary
        >>> reviews = pd.DataFrame({
        ...     "feedback_id": ["1", "2"], "received_at": pd.to_datetime(["2026-03-01"] * 2), "rating": [5, 3],
        ... })
        >>> axes = plot_rating_summary(rating_summary(reviews, sources=None))
    """
    if isinstance(result, Estimate):
        return _draw_stars(result, ax)
    if isinstance(result, Mapping):
        found = [(str(name), one.value, one.low, one.high, one.n) for name, one in result.items()]
    else:
        table = _fetched(result)
        names = [_said(name) for name in table[table.columns[0]]]
        found = list(zip(names, *(table[name] for name in ("value", "low", "high", "n")), strict=True))
    with style():
        shown = sorted(sorted(found, key=lambda one: -one[4])[:most], key=lambda one: (math.isnan(one[1]), -one[1]))
        ax = ax if ax is not None else new_figure(7, 1.1 + 0.38 * len(shown))[1]
        ax.set_xlim(0.9, 5.1)
        for place, (_, value, low, high, n) in enumerate(shown):
            _draw_mean(ax, -place, value, low, high, text("plot.impression_n", n=int(n)))
        ax.set_yticks([-place for place in range(len(shown))], [one[0] for one in shown])
        ax.set_ylim(-max(len(shown), 1) + 0.4, 0.7)
        if not shown:
            nothing(ax)
        ax.set_xticks(STARS, [f"{star}★" for star in STARS])
        ax.set_xlabel(text("plot.rating_axis"))
        ax.grid(axis="y", visible=False)
        return ax


def plot_topic_counts(table: Any, *, ax: Axes | None = None, most: int = 12) -> Axes:
    """How often customers speak of what, the most frequent on top.

    Args:
        table: What `topic_counts` gives.
        ax: Where to draw; a new figure if not given.
        most: How many topics to show.

    Returns:
        The Axes: one bar per topic, with the interval of its share.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.voice import topic_counts
        >>> told = pd.DataFrame({
        ...     "feedback_id": ["1", "2"], "received_at": pd.to_datetime(["2026-03-01"] * 2), "topic": ["a", "b"],
        ... })
        >>> axes = plot_topic_counts(topic_counts(told))
    """
    rows = _fetched(table).head(most)
    topics = [_known(f"topic.{topic}", topic, "plot.no_topic") for topic in rows[rows.columns[0]]]
    everything = int(rows["n"].max()) if len(rows) else 0
    with style():
        ax = ax if ax is not None else new_figure(7, 1.1 + 0.34 * len(rows))[1]
        for place, row in enumerate(rows.to_dict("records")):
            ax.barh(
                -place,
                row["count"],
                height=0.62,
                color=PALE if _is_none(row[rows.columns[0]]) else BLUE,
                alpha=0.75,
                zorder=2,
            )
            ends = [row["low"] * everything, row["high"] * everything]
            ax.plot(ends, [-place, -place], color=INK, linewidth=1.6, zorder=3)
            told = text("plot.topic_share", count=int(row["count"]), share=row["share"])
            ax.annotate(told, (ends[1], -place), (6, 0), textcoords="offset points", va="center", color=INK)
        if rows.empty:
            nothing(ax)
        ax.set_yticks([-place for place in range(len(rows))], topics)
        ax.set_xlim(0, 1.18 * max((rows["high"] * everything).max(), 1) if len(rows) else 1)
        ax.set_xlabel(text("plot.pieces", n=everything))
        ax.grid(axis="y", visible=False)
        return ax


def plot_journey_map(table: Any, *, ax: Axes | None = None) -> Axes:
    """How each touchpoint felt, in the order in which a customer meets them; empty rings have nothing noted.

    Args:
        table: What `journey_map` or `impression_by_touchpoint` gives.
        ax: Where to draw; a new figure if not given.

    Returns:
        The Axes: one line per stage and touchpoint, from the first on top; x from −2 to 2.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.journey import journey_map
        >>> met = pd.DataFrame({
        ...     "interaction_id": ["1", "2"], "occurred_at": pd.to_datetime(["2026-03-01"] * 2),
        ...     "stage": ["purchase"] * 2, "touchpoint": ["staff"] * 2, "impression": [2, 1],
        ... })
        >>> axes = plot_journey_map(journey_map(met))
    """
    rows = _fetched(table).to_dict("records")
    with style():
        ax = ax if ax is not None else new_figure(8, 1.3 + 0.42 * len(rows))[1]
        ax.set_xlim(-2.05, 2.05)
        ax.axvline(0, color=GREY, linewidth=1.2, zorder=1)
        labels, before = [], None
        for place, row in enumerate(rows):
            stage = row.get("stage")
            if place and stage != before:
                ax.axhline(0.5 - place, color=PALE, linewidth=1.2, zorder=1)
            labels.append(_of_stage(row))
            before = stage
            if math.isnan(row["value"]):
                ax.plot(0, -place, "o", markerfacecolor="white", markeredgecolor=GREY, markersize=8, zorder=3)
                none = text("plot.impression_none", contacts=int(row["contacts"]))
                ax.annotate(
                    none, (0, -place), (10, 0), textcoords="offset points", va="center", color=GREY, bbox=paper()
                )
            else:
                told = text("plot.impression_n", n=int(row["n"]))
                _draw_mean(ax, -place, row["value"], row["low"], row["high"], told)
        ax.set_yticks([-place for place in range(len(rows))], labels)
        ax.set_ylim(-max(len(rows), 1) + 0.4, 0.7)
        if not rows:
            nothing(ax)
        ax.set_xticks(range(-2, 3), ["−2", "−1", "0", "+1", "+2"])
        ax.set_xlabel(text("plot.impression_axis"))
        ax.grid(axis="y", visible=False)
        return ax


def plot_referral_graph(graph: Any, *, ax: Axes | None = None, families: int = 4, most: int = 60) -> Axes:
    """The largest families of the referral graph as trees: who was brought stands to the right of who brought them.

    Args:
        graph: What `referral_graph` gives.
        ax: Where to draw; a new figure if not given.
        families: How many families to show.
        most: How many customers of one family to show at most; the first in order, with all between them and the root.

    Returns:
        The Axes: x the generation, one band per family.

    Examples:
        >>> import pandas as pd
        >>> from crmkit.metrics.relationship.families import referral_graph
        >>> invited = pd.DataFrame({
        ...     "referral_id": ["1", "2"], "referrer_customer_id": ["A", "B"], "invitee_customer_id": ["B", "C"],
        ...     "invited_at": pd.to_datetime(["2026-01-10", "2026-02-15"]),
        ... })
        >>> axes = plot_referral_graph(referral_graph(invited))
    """
    people = _largest_families(graph, families)
    with style():
        if people.empty:
            ax = ax if ax is not None else new_figure(7, 2)[1]
            ax.annotate(text("plot.no_families"), (0.5, 0.5), xycoords="axes fraction", ha="center", color=GREY)
            return ax
        roots = people[people["depth"] == 0].sort_values(["descendants", "customer_id"], ascending=[False, True])
        heights: dict[Any, float] = {}
        top, bands = 0.0, []
        for root in roots["customer_id"]:
            placed, used = _laid_out(people[people["family"] == root], root, most)
            heights |= {who: top - row for who, row in placed.items()}
            bands.append((root, top))
            top -= used + 1.8
        ax = ax if ax is not None else new_figure(9, min(1.4 + 0.27 * -top, 14))[1]
        shown = people[people["customer_id"].isin(heights)]
        _draw_lines(ax, shown, heights)
        _draw_people(ax, shown, heights)
        named = dict(zip(roots["customer_id"], roots["descendants"], strict=True))
        for place, (root, at) in enumerate(bands, start=1):
            title = text("plot.family", place=place, root=root) + "  " + text("plot.family_size", n=int(named[root]))
            ax.annotate(title, (-0.04, at + 1.25), color=INK, va="center", ha="left")
        deepest = int(shown["depth"].max())
        ax.set_xlim(-0.2, deepest + 0.9)
        ax.set_ylim(top + 1.6, 1.9)
        ax.set_xticks(range(deepest + 1))
        ax.set_xlabel(text("plot.generation"))
        ax.set_yticks([])
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        return ax


def _draw_stars(estimate: Estimate, ax: Axes | None) -> Axes:
    numbers = [int(estimate.besides[f"stars_{star}"]) for star in STARS]
    with style():
        ax = ax if ax is not None else new_figure(6.4, 3.8)[1]
        highest, all_of_them = max(*numbers, 1), max(sum(numbers), 1)
        ax.bar(STARS, numbers, width=0.7, color=BLUE, alpha=0.75, zorder=2)
        for star, number in zip(STARS, numbers, strict=True):
            told = text("plot.topic_share", count=number, share=number / all_of_them)
            ax.annotate(told, (star, number), (0, 4), textcoords="offset points", ha="center", color=INK)
        if estimate.unit == "points" and not math.isnan(estimate.value):
            height, key = highest * 1.24, "plot.rating_only_mean"
            if not math.isnan(estimate.low):
                ax.plot([estimate.low, estimate.high], [height, height], color=ORANGE, linewidth=3)
                key = "plot.rating_mean"
            ax.plot(estimate.value, height, "D", color=ORANGE, markersize=8, markeredgecolor=INK, zorder=4)
            told = text(key, value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)
            left = estimate.value > 3  # the words stand on the side where there is room
            edge = estimate.value if math.isnan(estimate.low) else estimate.low if left else estimate.high
            ax.annotate(
                told, (edge, height), (-9 if left else 9, 0), color=INK, textcoords="offset points", va="center",
                ha="right" if left else "left", bbox=paper(),
            )  # fmt: skip
        ax.set_xticks(STARS, [f"{star}★" for star in STARS])
        ax.set_xlim(0.4, 5.6)
        ax.set_ylim(0, highest * 1.45)
        ax.set_xlabel(text("plot.stars"))
        ax.set_ylabel(text("plot.ratings"))
        if not any(numbers):
            nothing(ax)
        ax.set_title(estimate.label, loc="left", fontsize="medium", color=INK)
        ax.grid(axis="x", visible=False)
        return ax


def _draw_mean(ax: Axes, place: float, value: float, low: float, high: float, told: str) -> None:
    """A dot with its interval, and beside it what is told about it."""
    if math.isnan(value):
        ax.annotate(text("estimate.no_data"), (ax.get_xlim()[0], place), va="center", color=GREY)
        return
    if not math.isnan(low):
        ax.plot([low, high], [place, place], "|-", color=INK, linewidth=1.6, markersize=11, zorder=4)
    ax.plot(value, place, "o", color=BLUE, markersize=8, zorder=3)
    label = f"{value:+.2f}, {told}" if told and ax.get_xlim()[0] < 0 else f"{value:.2f}, {told}"
    ax.annotate(label, (value, place), (0, 8), textcoords="offset points", ha="center", color=INK, fontsize="small")


def _of_stage(row: Mapping[Any, Any]) -> str:
    """The touchpoint, with its stage where the table has stages."""
    stage, touchpoint = row.get("stage"), row["touchpoint"]
    place = _known(f"touchpoint.{touchpoint}", touchpoint)
    return place if "stage" not in row else _known(f"stage.{stage}", stage) + " – " + place


def _known(key: str, value: Any, nothing: str = "plot.not_recorded") -> str:
    """A word of the data model in the language in use; other words as they are."""
    return text(key) if has_text(key) else _said(value, nothing)


def _said(value: Any, nothing: str = "plot.not_recorded") -> str:
    """A group's name; what is not recorded says so."""
    return text(nothing) if _is_none(value) else str(value)


def _is_none(value: Any) -> bool:
    return value is None or str(value) in ("nan", "NaT", "<NA>")


def _fetched(table: Any) -> pd.DataFrame:
    """A small result of any engine as pandas."""
    import narwhals.stable.v2 as nw

    frame = nw.from_native(table)
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    return frame.to_pandas()


def _largest_families(graph: Any, families: int) -> pd.DataFrame:
    """The customers of the families with most descendants; the others stay in the engine."""
    import narwhals.stable.v2 as nw

    frame = nw.from_native(graph)
    roots = frame.filter(nw.col("depth") == 0).select("customer_id", "descendants")
    roots = roots.sort("descendants", "customer_id", descending=[True, False]).head(families)
    chosen = roots.collect() if isinstance(roots, nw.LazyFrame) else roots
    kept = frame.filter(nw.col("family").is_in(chosen["customer_id"].to_list()))
    found = kept.collect() if isinstance(kept, nw.LazyFrame) else kept
    return found.to_pandas().sort_values(["depth", "customer_id"])


def _laid_out(family: pd.DataFrame, root: Any, most: int) -> tuple[dict[Any, float], float]:
    """A row for each customer of a family: leaves one below the other, parents in the middle of their children."""
    children: dict[Any, list[Any]] = {}
    for who, referrer in list(zip(family["customer_id"], family["referrer_customer_id"], strict=True))[:most]:
        if who != root:
            children.setdefault(referrer, []).append(who)
    rows: dict[Any, float] = {}
    leaves, waiting = 0, [(root, False)]
    while waiting:  # a family may be deeper than Python likes to recurse
        who, seen = waiting.pop()
        brood = children.get(who, [])
        if not brood:
            rows[who] = float(leaves)
            leaves += 1
        elif seen:
            rows[who] = (rows[brood[0]] + rows[brood[-1]]) / 2
        else:
            waiting.append((who, True))
            waiting += [(child, False) for child in reversed(brood)]
    return rows, float(leaves)


def _draw_lines(ax: Axes, people: pd.DataFrame, heights: Mapping[Any, float]) -> None:
    """From each customer to those they brought."""
    from matplotlib.collections import LineCollection

    lines = [
        [(depth + back, heights[one]) for back, one in ((-1, referrer), (-0.5, referrer), (-0.5, who), (0, who))]
        for who, referrer, depth in zip(
            people["customer_id"], people["referrer_customer_id"], people["depth"], strict=True
        )
        if depth
    ]  # fmt: skip
    ax.add_collection(LineCollection(lines, colors=GREY, linewidths=1.2, zorder=1))


def _draw_people(ax: Axes, people: pd.DataFrame, heights: Mapping[Any, float]) -> None:
    """Those who brought somebody full, the others empty; the id beside each, and how many they brought."""
    for full in (True, False):
        some = people[(people["children"] > 0) == full]
        face = BLUE if full else "white"
        ax.scatter(
            some["depth"], [heights[who] for who in some["customer_id"]], s=60, c=face, edgecolors=BLUE, linewidths=1.6,
            zorder=3,
        )  # fmt: skip
    for who, depth, brought in zip(people["customer_id"], people["depth"], people["children"], strict=True):
        label = f"{who}  " + text("plot.children", n=int(brought)) if brought else str(who)
        # beside a leaf, above the line that goes on
        where, stands = ((-4, 6), "bottom") if brought else ((8, 0), "center")
        ax.annotate(
            label, (depth, heights[who]), where, textcoords="offset points", va=stands, fontsize="small", color=INK,
            bbox=paper(), zorder=2,
        )  # fmt: skip
