"""Pictures of customer management: what is drawn, in both languages, also where there is little or nothing."""

from __future__ import annotations

import pandas as pd
import pytest

from crmkit.metrics.management.data import field_completeness
from crmkit.metrics.management.leads import funnel
from crmkit.metrics.management.offers import association_lift
from crmkit.metrics.management.targeting import cumulative_gains
from crmkit.plots.base import png
from crmkit.plots.management import (
    plot_association_lift,
    plot_campaign_lift,
    plot_field_completeness,
    plot_funnel,
    plot_targeting_lift,
)
from crmkit.texts import LANGUAGES, in_language

DAY = pd.Timestamp("2026-01-05")
LEADS = pd.DataFrame({"created_at": [DAY] * 4, "converted_at": [DAY, None, None, None], "score": [9, 8, 7, 1]})
STAGES = ("created_at", "converted_at")
LIFTS = pd.DataFrame(
    {
        "campaign_id": ["P", "Q", "R"],
        "value": [0.05, 0.2, None],
        "low": [-0.02, 0.1, None],
        "high": [0.12, 0.3, None],
        "n": [400, 500, 0],
        "denominator": [300, 400, 0],
    }
)
ITEMS = pd.DataFrame({"order_id": ["1", "1", "2", "3"], "product_id": ["cut", "wax", "cut", "spa"]})


def words(axes):
    """Everything that is written in a picture."""
    said = [label.get_text() for label in (*axes.get_yticklabels(), *axes.texts)]
    return " / ".join([*said, axes.get_xlabel(), axes.get_title(loc="left")])


@pytest.mark.parametrize("code", LANGUAGES)
def test_numbers_and_counts_are_said(code):
    with in_language(code):
        axes = plot_funnel(funnel(LEADS, stages=STAGES))
        assert "25.0%" in words(axes)
        assert [bar.get_width() for bar in axes.patches] == [4, 1]
        axes = plot_campaign_lift(LIFTS)
        assert "n=400" in words(axes)
        assert "R" in axes.get_title(loc="left")  # no hold-out: said, not drawn
        assert [tuple(line.get_xdata()) for line in axes.lines[1:3]] == [(-2.0, 12.0), (5.0,)]
        # a ring where the interval holds 0, a full dot where it does not
        assert axes.lines[2].get_markerfacecolor() == "white"
        assert axes.lines[4].get_markerfacecolor() != "white"
        assert "cut" in words(plot_association_lift(association_lift(ITEMS)))
        filled = field_completeness(LEADS.assign(lead_id="1"), table="leads")
        assert "25.0%" in words(plot_field_completeness(filled))
        axes = plot_targeting_lift(cumulative_gains(LEADS, parts=2))
        assert list(axes.lines[1].get_ydata()) == [0.0, 100.0, 100.0]
        assert len(png(axes.figure)) > 5000


def test_nothing_can_be_drawn_too():
    plot_funnel(funnel(LEADS.head(0), stages=STAGES))
    plot_campaign_lift(LIFTS.tail(1))
    plot_association_lift(association_lift(ITEMS.tail(1)))
    plot_field_completeness(field_completeness(LEADS.head(0).assign(lead_id="1"), table="leads"))
    axes = plot_targeting_lift(cumulative_gains(LEADS.head(0)))
    assert len(axes.lines) == 1  # chance alone
