"""Pictures of metric results: a result in, Axes out, in the language in use, with the interval where there is one."""

from crmkit.plots.base import new_figure, png, style, wipe
from crmkit.plots.costs import plot_cost_mix
from crmkit.plots.estimates import plot_estimates
from crmkit.plots.management import (
    plot_association_lift,
    plot_campaign_lift,
    plot_field_completeness,
    plot_funnel,
    plot_targeting_lift,
)
from crmkit.plots.models import plot_clv_btyd, plot_expected_orders, plot_p_alive
from crmkit.plots.quality import (
    plot_defect_rate,
    plot_pareto,
    plot_qa_score,
    plot_recovery_effect,
    plot_recurrence_rate,
)
from crmkit.plots.relationship import plot_customer_base_movements, plot_decile_table, plot_rfm
from crmkit.plots.retention import plot_cohort_retention, plot_order_history
from crmkit.plots.service import plot_backlog, plot_backlog_age, plot_first_reply_time, plot_sla_attainment_rate
from crmkit.plots.staying import plot_continuation_rate, plot_mrr_movements, plot_repurchase_curve, plot_survival_curve
from crmkit.plots.voice import plot_journey_map, plot_rating_summary, plot_referral_graph, plot_topic_counts
from crmkit.plots.voice_scores import plot_csat, plot_driver_analysis, plot_nps

__all__ = [
    "new_figure",
    "plot_association_lift",
    "plot_backlog",
    "plot_backlog_age",
    "plot_campaign_lift",
    "plot_clv_btyd",
    "plot_cohort_retention",
    "plot_continuation_rate",
    "plot_cost_mix",
    "plot_csat",
    "plot_customer_base_movements",
    "plot_decile_table",
    "plot_defect_rate",
    "plot_driver_analysis",
    "plot_estimates",
    "plot_expected_orders",
    "plot_field_completeness",
    "plot_first_reply_time",
    "plot_funnel",
    "plot_journey_map",
    "plot_mrr_movements",
    "plot_nps",
    "plot_order_history",
    "plot_p_alive",
    "plot_pareto",
    "plot_qa_score",
    "plot_rating_summary",
    "plot_recovery_effect",
    "plot_recurrence_rate",
    "plot_referral_graph",
    "plot_repurchase_curve",
    "plot_rfm",
    "plot_sla_attainment_rate",
    "plot_survival_curve",
    "plot_targeting_lift",
    "plot_topic_counts",
    "png",
    "style",
    "wipe",
]
