"""The metrics, one room a theme; `ROOMS` says where each of them lives, and the face of the package reads it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

ROOMS: dict[str, tuple[str, ...]] = {
    "crmkit.metrics.counting": ("rate",),
    "crmkit.metrics.management.campaigns": (
        "campaign_lift",
        "campaign_roi",
    ),
    "crmkit.metrics.management.data": (
        "consent_rate",
        "field_completeness",
        "validate_tables",
    ),
    "crmkit.metrics.management.leads": (
        "first_contact_time",
        "funnel",
        "lead_conversion_days",
        "lead_conversion_rate",
    ),
    "crmkit.metrics.management.mailings": ("email_metrics",),
    "crmkit.metrics.management.matching": (
        "duplicate_rate",
        "explain_match",
        "match_customers",
        "match_precision_recall",
    ),
    "crmkit.metrics.management.offers": (
        "association_lift",
        "cross_sell_rate",
        "offer_acceptance_rate",
        "upsell_rate",
    ),
    "crmkit.metrics.management.targeting": (
        "cumulative_gains",
        "targeting_lift",
    ),
    "crmkit.metrics.relationship.channels": (
        "omnichannel_customer_rate",
        "two_way_share",
    ),
    "crmkit.metrics.relationship.costs": (
        "acquisition_retention_cost_ratio",
        "cac",
        "cac_payback_months",
        "cost_mix",
    ),
    "crmkit.metrics.relationship.customers": (
        "active_customers",
        "customer_base_movements",
        "customer_states",
        "new_customers",
        "purchase_interval_days",
        "tenure_days",
    ),
    "crmkit.metrics.relationship.drivers": (
        "disconfirmation_gap",
        "driver_analysis",
    ),
    "crmkit.metrics.relationship.engagement": (
        "engaged_customer_rate",
        "engagement_score",
    ),
    "crmkit.metrics.relationship.families": ("referral_graph",),
    "crmkit.metrics.relationship.journey": (
        "customer_timeline",
        "impression_by_touchpoint",
        "journey_map",
    ),
    "crmkit.metrics.relationship.referrals": (
        "k_factor",
        "referral_conversion_rate",
        "referral_rate",
    ),
    "crmkit.metrics.relationship.sales": (
        "average_order_value",
        "net_sales",
        "new_vs_repeat",
        "purchase_frequency",
    ),
    "crmkit.metrics.relationship.satisfaction": (
        "ces",
        "csat",
        "nps",
        "survey_mean",
        "survey_response_rate",
    ),
    "crmkit.metrics.relationship.segments": (
        "decile_table",
        "rfm",
        "segment_summary",
    ),
    "crmkit.metrics.relationship.value": (
        "clv_formula",
        "clv_historic",
        "customer_profits",
    ),
    "crmkit.metrics.relationship.voice": (
        "close_loop_rate",
        "feedback_action_rate",
        "net_sentiment",
        "rating_summary",
        "review_rate",
        "topic_counts",
    ),
    "crmkit.metrics.retention.cohorts": ("cohort_retention",),
    "crmkit.metrics.retention.contact": (
        "contact_coverage",
        "follow_up_coverage",
    ),
    "crmkit.metrics.retention.contracts": (
        "continuation_curve",
        "continuation_rate",
    ),
    "crmkit.metrics.retention.loyalty": (
        "member_retention_gap",
        "points_liability",
        "program_participation_rate",
        "redemption_rate",
    ),
    "crmkit.metrics.retention.recurring": (
        "mrr_movements",
        "net_revenue_retention",
        "recurring_revenue_share",
    ),
    "crmkit.metrics.retention.repeat": (
        "churn_rate",
        "lapse_rate",
        "reactivation_rate",
        "repeat_customers",
        "repeat_rate",
        "repeater_share",
        "repurchase_rate",
        "retention_rate",
    ),
    "crmkit.metrics.retention.survival": (
        "median_lifetime",
        "repurchase_curve",
        "survival_curve",
        "survival_rate",
    ),
    "crmkit.metrics.service.complaints": (
        "complaint_rate",
        "recovery_effect",
        "silent_dissatisfaction_rate",
    ),
    "crmkit.metrics.service.durations": (
        "first_resolution_time",
        "full_resolution_time",
        "status_durations",
        "ticket_times",
    ),
    "crmkit.metrics.service.hours": (
        "business_minutes",
        "japanese_holidays",
    ),
    "crmkit.metrics.service.problems": (
        "days_to_root_cause",
        "pareto",
        "recurrence_rate",
        "root_cause_rate",
    ),
    "crmkit.metrics.service.promises": ("sla_attainment_rate",),
    "crmkit.metrics.service.quality": (
        "defect_chart",
        "defect_rate",
        "escape_rate",
        "qa_score",
    ),
    "crmkit.metrics.service.resolution": (
        "cost_per_contact",
        "first_contact_resolution_rate",
        "one_touch_resolution_rate",
        "reopen_rate",
        "transfers_per_ticket",
    ),
    "crmkit.metrics.service.times": (
        "complaint_ack_time",
        "first_reply_time",
        "next_reply_time",
        "wait_band",
    ),
    "crmkit.metrics.service.workload": (
        "backlog",
        "backlog_age",
        "backlog_by_day",
        "contact_rate",
        "ticket_volume",
    ),
    "crmkit.models.clv": ("clv_btyd",),
    "crmkit.models.summary": ("btyd_summary",),
}
ROOM_OF = {name: room for room, names in ROOMS.items() for name in names}


def metric(name: str) -> Any:
    """The function that makes a figure, by its name.

    Raises:
        KeyError: if there is none of that name.
    """
    return getattr(import_module(ROOM_OF[name]), name)
