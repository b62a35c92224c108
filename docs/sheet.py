"""Draw every picture of crmkit.plots once per language, side by side: docs/images/plots_en.png and plots_ja.png.

`python docs/sheet.py` draws them; `--check` draws nothing and fails if a picture that crmkit offers is not on the
sheets. The names of those on the sheets are kept beside them.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import crmkit
from crmkit import models, plots
from crmkit.metrics.service.quality import CRITERIA
from crmkit.plots import new_figure, png, style
from crmkit.texts import LANGUAGES, Language, in_language

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

HERE = Path(__file__).parent
IMAGES, NAMES = HERE / "images", "plots.json"
CUSTOMERS, WEEKS, SEED = 1500, 104, 7
AS_OF, SUMMARY_ENDS = "2025-12-29", "2025-06-30"  # the day after the last of so many weeks, and half a year before it
COLUMNS, CELL, GAP = 3, 520, 14  # pixels
HEAD = 26  # of pixels, for the name under each picture
COLOURS = 128


class Worlds(NamedTuple):
    """The businesses whose figures are drawn."""

    salon: Any
    subscription: Any


def worlds(customers: int = CUSTOMERS, weeks: int = WEEKS) -> Worlds:
    """A salon, and a mail-order business with contracts."""
    return Worlds(*(crmkit.simulate(name, customers=customers, weeks=weeks, seed=SEED) for name in Worlds._fields))


Drawing = Callable[..., "Axes"]


def results(shops: Worlds) -> dict[str, Any]:
    """For each picture the result that it shows, made once for both languages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows left out and the like: here it is only the look that counts
        return {**_relationship(shops), **_management(shops), **_retention(shops), **_service(shops)}


def drawings(made: Mapping[str, Any]) -> dict[str, Drawing]:
    """For each result what draws it in the language in use; takes `ax=`."""
    return {name: _drawing(name, result) for name, result in made.items()}


def _drawing(name: str, result: Any) -> Drawing:
    draw = getattr(plots, name)

    def drawn(ax: Axes | None = None) -> Axes:
        axes: Axes = draw(result() if callable(result) else result, ax=ax, **OPTIONS.get(name, {}))
        return axes

    return drawn


OPTIONS: dict[str, dict[str, Any]] = {
    "plot_order_history": {"base": ["A", "B", "C", "D"], "counted": ["A", "B", "E"]},
    "plot_repurchase_curve": {"days": 365},
}


def _relationship(shops: Worlds) -> dict[str, Any]:
    shop, orders = shops.salon, shops.salon.orders
    answers = shop.survey_responses
    moved = crmkit.customer_base_movements(orders, start="2025-01-01", end="2025-07-01", active_days=120)
    years = {year: {"start": f"{year}-01-01", "end": f"{year + 1}-01-01"} for year in (2024, 2025)}
    return {
        "plot_rfm": crmkit.rfm(orders),
        "plot_decile_table": crmkit.decile_table(orders),
        "plot_customer_base_movements": moved,
        "plot_cost_mix": crmkit.cost_mix(shop.costs),
        "plot_nps": {str(year): crmkit.nps(answers, **span) for year, span in years.items()},
        "plot_csat": {str(year): crmkit.csat(answers, **span) for year, span in years.items()},
        "plot_driver_analysis": crmkit.driver_analysis(answers, outcome="nps"),
        "plot_rating_summary": crmkit.rating_summary(shop.feedback),
        "plot_topic_counts": crmkit.topic_counts(shop.feedback),
        "plot_journey_map": crmkit.journey_map(shop.interactions),
        "plot_referral_graph": crmkit.referral_graph(shops.subscription.referrals),
    }


def _management(shops: Worlds) -> dict[str, Any]:
    shop = shops.salon
    return {
        "plot_funnel": crmkit.funnel(shop.leads),
        "plot_campaign_lift": crmkit.campaign_lift(shop.campaign_sends, orders=shop.orders, by="campaign_id"),
        "plot_association_lift": crmkit.association_lift(shop.order_items, orders=shop.orders),
        "plot_targeting_lift": crmkit.cumulative_gains(shop.leads),
        "plot_field_completeness": crmkit.field_completeness(shop.customers),
    }


def _retention(shops: Worlds) -> dict[str, Any]:
    orders, contracts = shops.salon.orders, shops.subscription.subscriptions
    ten = crmkit.sample("ten_customers").orders
    summary = models.btyd_summary(orders, until=SUMMARY_ENDS)
    buying, spending = models.mbg_nbd(summary), models.gamma_gamma(summary)
    march = {"start": "2026-03-01", "end": "2026-04-01"}
    figures = (crmkit.repeat_rate(ten, **march), crmkit.repeater_share(ten, **march))
    return {
        "plot_order_history": ten,
        "plot_estimates": lambda: {figure.label: figure for figure in figures},  # labels are of a language
        "plot_cohort_retention": crmkit.cohort_retention(orders, as_of=AS_OF),
        "plot_repurchase_curve": crmkit.repurchase_curve(orders),
        "plot_survival_curve": crmkit.survival_curve(contracts, as_of=AS_OF, by="product_id"),
        "plot_continuation_rate": crmkit.continuation_curve(contracts, shops.subscription.orders, as_of=AS_OF),
        "plot_mrr_movements": crmkit.mrr_movements(contracts, end=AS_OF),
        "plot_p_alive": buying,
        "plot_expected_orders": models.calibration(summary, buying, orders, horizon=26, most=5),
        "plot_clv_btyd": models.clv_btyd(summary, buying, spending, horizon=52),
    }


def _service(shops: Worlds) -> dict[str, Any]:
    shop = shops.salon
    tickets, events, orders = shop.tickets, shop.ticket_events, shop.orders
    opening = {"business_hours": shop.business_hours, "holidays": shop.holidays}
    return {
        "plot_first_reply_time": crmkit.ticket_times(tickets, events, hours="business", **opening),
        "plot_sla_attainment_rate": crmkit.sla_attainment_rate(
            tickets, events, shop.sla_policies, by="kind", **opening
        ),
        "plot_backlog": crmkit.backlog_by_day(tickets, events),
        "plot_backlog_age": crmkit.backlog_age(tickets, events, as_of="2025-12-01", by="team"),
        "plot_pareto": crmkit.pareto(tickets, cause="category"),
        "plot_recurrence_rate": crmkit.recurrence_rate(shop.problems, tickets, orders, by="problem_id"),
        "plot_recovery_effect": crmkit.recovery_effect(
            orders, tickets, events, shop.survey_responses, order_items=shop.order_items
        ),
        "plot_qa_score": {name: crmkit.qa_score(shop.quality_reviews, criterion=name) for name in CRITERIA},
        "plot_defect_rate": crmkit.defect_chart(shop.order_items, orders),
    }


# --- the sheet


def sheet(drawn: Mapping[str, Drawing]) -> bytes:
    """All pictures in columns, each with its name below, as one small PNG in the language in use."""
    from PIL import Image

    cells = [_cell(name, drawing) for name, drawing in drawn.items()]
    columns: list[list[Image.Image]] = [[] for _ in range(COLUMNS)]
    for cell in cells:
        min(columns, key=_height).append(cell)
    whole = Image.new("RGB", (COLUMNS * (CELL + GAP) + GAP, max(map(_height, columns)) + GAP), "white")
    for place, column in enumerate(columns):
        top = GAP
        for cell in column:
            whole.paste(cell, (GAP + place * (CELL + GAP), top))
            top += cell.height + GAP
    small = io.BytesIO()
    whole.quantize(COLOURS).save(small, format="PNG", optimize=True)
    return small.getvalue()


def _height(column: list[Image]) -> int:
    return sum(cell.height + GAP for cell in column)


def _cell(name: str, drawing: Drawing) -> Image:
    """A picture as wide as a column, and its name below."""
    from PIL import Image

    with style():
        figure = drawing().figure
        picture = Image.open(io.BytesIO(png(figure, dpi=CELL / figure.get_figwidth()))).convert("RGB")
        label, axes = new_figure(CELL / 100, HEAD / 100, layout=None)
        axes.set_axis_off()
        axes.set_position((0, 0, 1, 1))
        axes.text(0.5, 0.55, name, ha="center", va="center", fontsize=11)
        words = Image.open(io.BytesIO(png(label))).convert("RGB")
    cell = Image.new("RGB", (CELL, picture.height + HEAD), "white")
    cell.paste(picture, (0, 0))
    cell.paste(words, (0, picture.height))
    return cell


def path(code: Language) -> Path:
    """Where the sheet of a language is."""
    return IMAGES / f"plots_{code}.png"


def offered() -> list[str]:
    """The names of all pictures that crmkit draws."""
    return [name for name in plots.__all__ if name.startswith("plot_")]


def missing() -> list[str]:
    """What is wrong with the sheets that are there."""
    kept = json.loads((IMAGES / NAMES).read_text(encoding="utf-8")) if (IMAGES / NAMES).is_file() else []
    wrong = [f"not on the sheet: {name}" for name in offered() if name not in kept]
    wrong += [f"no longer there: {name}" for name in kept if name not in offered()]
    return wrong + [f"no file: {path(code).name}" for code in LANGUAGES if not path(code).is_file()]


def main() -> int:
    """Draw, or look whether anything is missing; 1 if so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="draw nothing, fail if a picture is not on the sheets")
    if parser.parse_args().check:
        wrong = missing()
        print("\n".join(f"{line}; run python docs/sheet.py" for line in wrong), end="\n" if wrong else "")
        return int(bool(wrong))
    drawn = drawings(results(worlds()))
    for code in LANGUAGES:
        with in_language(code):
            path(code).write_bytes(sheet(drawn))
    (IMAGES / NAMES).write_text(json.dumps(sorted(drawn), indent=2) + "\n", encoding="utf-8", newline="\n")
    left = missing()
    print("\n".join(left), end="\n" if left else "")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
