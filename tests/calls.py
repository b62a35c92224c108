"""One call of every metric on a small simulated shop: what all engines, bad input and speed are tried with.

`CALLS` is by metric name; a call takes the tables by their names, in whatever engine. A test holds the list to the
metrics that there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pandas as pd

import crmkit

CUSTOMERS, WEEKS, SEED = 400, 104, 5
BUSINESS_HOURS = ("business_hours", "holidays")
END = "2026-01-01"
YEAR: dict[str, Any] = {"start": "2025-01-01", "end": END}
Tables = Mapping[str, Any]
Call = Callable[[Tables], Any]

SUBSCRIBED = {  # of the subscription box; all else of the salon
    "churn_rate", "continuation_curve", "continuation_rate", "median_lifetime", "mrr_movements",
    "net_revenue_retention", "survival_curve", "survival_rate",
}  # fmt: skip

CALLS: dict[str, Call] = {
    # relationship
    "new_customers": lambda t: crmkit.new_customers(t["orders"], **YEAR),
    "active_customers": lambda t: crmkit.active_customers(t["orders"], as_of=END),
    "purchase_interval_days": lambda t: crmkit.purchase_interval_days(t["orders"], as_of=END),
    "tenure_days": lambda t: crmkit.tenure_days(t["orders"], as_of=END),
    "customer_base_movements": lambda t: crmkit.customer_base_movements(t["orders"], **YEAR),
    "customer_states": lambda t: crmkit.customer_states(t["orders"], as_of=END),
    "net_sales": lambda t: crmkit.net_sales(t["orders"], **YEAR),
    "average_order_value": lambda t: crmkit.average_order_value(t["orders"], **YEAR),
    "purchase_frequency": lambda t: crmkit.purchase_frequency(t["orders"], **YEAR),
    "new_vs_repeat": lambda t: crmkit.new_vs_repeat(t["orders"], **YEAR),
    "rfm": lambda t: crmkit.rfm(t["orders"], as_of=END),
    "decile_table": lambda t: crmkit.decile_table(t["orders"], **YEAR),
    "segment_summary": lambda t: crmkit.segment_summary(t["orders"], t["customers"], by="age_band", as_of=END),
    "clv_historic": lambda t: crmkit.clv_historic(t["orders"], t["order_items"], as_of=END),
    "customer_profits": lambda t: crmkit.customer_profits(t["orders"], t["order_items"], as_of=END),
    "clv_formula": lambda t: crmkit.clv_formula(10_000, retention=0.8, discount=0.1),
    "cac": lambda t: crmkit.cac(t["costs"], t["orders"], **YEAR),
    "cac_payback_months": lambda t: crmkit.cac_payback_months(12_000, monthly_margin_amount=1_000),
    "acquisition_retention_cost_ratio": lambda t: crmkit.acquisition_retention_cost_ratio(
        t["costs"], t["orders"], **YEAR
    ),
    "cost_mix": lambda t: crmkit.cost_mix(t["costs"]),
    "csat": lambda t: crmkit.csat(t["survey_responses"], **YEAR),
    "nps": lambda t: crmkit.nps(t["survey_responses"], scope="relational", **YEAR),
    "ces": lambda t: crmkit.ces(t["survey_responses"], **YEAR),
    "survey_response_rate": lambda t: crmkit.survey_response_rate(t["survey_responses"], **YEAR),
    "survey_mean": lambda t: crmkit.survey_mean(t["survey_responses"], kind="trust"),
    "disconfirmation_gap": lambda t: crmkit.disconfirmation_gap(t["survey_responses"]),
    "driver_analysis": lambda t: crmkit.driver_analysis(t["survey_responses"]),
    "rating_summary": lambda t: crmkit.rating_summary(t["feedback"]),
    "review_rate": lambda t: crmkit.review_rate(t["feedback"], t["orders"], **YEAR),
    "net_sentiment": lambda t: crmkit.net_sentiment(t["feedback"]),
    "topic_counts": lambda t: crmkit.topic_counts(t["feedback"]),
    "feedback_action_rate": lambda t: crmkit.feedback_action_rate(t["feedback"]),
    "close_loop_rate": lambda t: crmkit.close_loop_rate(t["feedback"]),
    "referral_rate": lambda t: crmkit.referral_rate(t["referrals"], t["orders"], **YEAR),
    "referral_conversion_rate": lambda t: crmkit.referral_conversion_rate(t["referrals"], horizon_days=90, as_of=END),
    "k_factor": lambda t: crmkit.k_factor(t["referrals"], t["orders"], horizon_days=90, **YEAR),
    "referral_graph": lambda t: crmkit.referral_graph(t["referrals"], orders=t["orders"]),
    "engaged_customer_rate": lambda t: crmkit.engaged_customer_rate(t, as_of=END),
    "engagement_score": lambda t: crmkit.engagement_score(t, weights={"visit": 1.0, "review": 5.0}, as_of=END),
    "omnichannel_customer_rate": lambda t: crmkit.omnichannel_customer_rate(
        t["orders"], interactions=t["interactions"], as_of=END
    ),
    "two_way_share": lambda t: crmkit.two_way_share(t["interactions"]),
    "customer_timeline": lambda t: crmkit.customer_timeline(t, customer_id="C000000100"),
    "journey_map": lambda t: crmkit.journey_map(t["interactions"]),
    "impression_by_touchpoint": lambda t: crmkit.impression_by_touchpoint(t["interactions"]),
    "clv_btyd": lambda t: _clv(t["orders"]),
    "btyd_summary": lambda t: crmkit.btyd_summary(t["orders"], until=END).table,
    # management
    "field_completeness": lambda t: crmkit.field_completeness(t["customers"]),
    "consent_rate": lambda t: crmkit.consent_rate(t["customers"]),
    "validate_tables": lambda t: crmkit.validate_tables(t, every=True),
    "match_customers": lambda t: crmkit.match_customers(t["customers"]),
    "duplicate_rate": lambda t: crmkit.duplicate_rate(crmkit.match_customers(t["customers"])),
    "explain_match": lambda t: crmkit.explain_match(t["customers"], "C000000200", "C000000300"),
    "match_precision_recall": lambda t: crmkit.match_precision_recall(
        crmkit.match_customers(t["customers"]), crmkit.match_customers(t["customers"], agree=3)
    ),
    "lead_conversion_rate": lambda t: crmkit.lead_conversion_rate(t["leads"], as_of=END),
    "lead_conversion_days": lambda t: crmkit.lead_conversion_days(t["leads"]),
    "first_contact_time": lambda t: crmkit.first_contact_time(t["leads"]),
    "funnel": lambda t: crmkit.funnel(t["leads"]),
    "email_metrics": lambda t: crmkit.email_metrics(t["campaign_sends"], orders=t["orders"]),
    "campaign_lift": lambda t: crmkit.campaign_lift(t["campaign_sends"], orders=t["orders"], as_of=END),
    "campaign_roi": lambda t: crmkit.campaign_roi(
        t["campaign_sends"], orders=t["orders"], order_items=t["order_items"], costs=t["costs"], as_of=END
    ),
    "targeting_lift": lambda t: crmkit.targeting_lift(t["leads"]),
    "cumulative_gains": lambda t: crmkit.cumulative_gains(t["leads"]),
    "cross_sell_rate": lambda t: crmkit.cross_sell_rate(t["orders"], **_lines(t), **YEAR),
    "upsell_rate": lambda t: crmkit.upsell_rate(t["orders"], **_lines(t), **YEAR),
    "offer_acceptance_rate": lambda t: crmkit.offer_acceptance_rate(t["interactions"]),
    "association_lift": lambda t: crmkit.association_lift(t["order_items"], min_support=0.001),
    "rate": lambda t: crmkit.rate(t["orders"], numerator={"coupon_code": ...}, denominator={"status": "completed"}),
    # retention
    "repeat_customers": lambda t: crmkit.repeat_customers(t["orders"], **YEAR),
    "repeat_rate": lambda t: crmkit.repeat_rate(t["orders"], **YEAR),
    "repeater_share": lambda t: crmkit.repeater_share(t["orders"], **YEAR),
    "repurchase_rate": lambda t: crmkit.repurchase_rate(t["orders"], horizon_days=90, as_of=END),
    "retention_rate": lambda t: crmkit.retention_rate(t["orders"], **YEAR),
    "churn_rate": lambda t: crmkit.churn_rate(t["subscriptions"], **YEAR),
    "lapse_rate": lambda t: crmkit.lapse_rate(t["orders"], **YEAR),
    "reactivation_rate": lambda t: crmkit.reactivation_rate(t["orders"], active_days=90, **YEAR),
    "cohort_retention": lambda t: crmkit.cohort_retention(t["orders"], as_of=END),
    "survival_curve": lambda t: crmkit.survival_curve(t["subscriptions"], as_of=END),
    "survival_rate": lambda t: crmkit.survival_rate(t["subscriptions"], days=180, as_of=END),
    "median_lifetime": lambda t: crmkit.median_lifetime(t["subscriptions"], as_of=END),
    "repurchase_curve": lambda t: crmkit.repurchase_curve(t["orders"], as_of=END),
    "continuation_rate": lambda t: crmkit.continuation_rate(t["subscriptions"], t["orders"], nth=3, as_of=END),
    "continuation_curve": lambda t: crmkit.continuation_curve(t["subscriptions"], t["orders"], as_of=END),
    "mrr_movements": lambda t: crmkit.mrr_movements(t["subscriptions"], **YEAR),
    "net_revenue_retention": lambda t: crmkit.net_revenue_retention(t["subscriptions"], **YEAR),
    "recurring_revenue_share": lambda t: crmkit.recurring_revenue_share(t["orders"], **YEAR),
    "program_participation_rate": lambda t: crmkit.program_participation_rate(
        t["customers"], t["loyalty_events"], as_of=END
    ),
    "redemption_rate": lambda t: crmkit.redemption_rate(t["loyalty_events"], as_of=END),
    "points_liability": lambda t: crmkit.points_liability(t["loyalty_events"], as_of=END),
    "member_retention_gap": lambda t: crmkit.member_retention_gap(t["customers"], t["orders"], **YEAR),
    "follow_up_coverage": lambda t: crmkit.follow_up_coverage(t["orders"], t["interactions"], **YEAR),
    "contact_coverage": lambda t: crmkit.contact_coverage(
        t["customers"], t["interactions"], t["campaign_sends"], as_of=END
    ),
    # service
    "business_minutes": lambda t: crmkit.business_minutes(
        t["leads"], start="created_at", end="first_contacted_at", **_hours(t)
    ),
    "japanese_holidays": lambda t: crmkit.japanese_holidays("2026-01-01", "2027-01-01"),
    "ticket_volume": lambda t: crmkit.ticket_volume(t["tickets"], **YEAR),
    "contact_rate": lambda t: crmkit.contact_rate(t["tickets"], t["orders"], **YEAR),
    "sla_attainment_rate": lambda t: crmkit.sla_attainment_rate(*_desk(t), t["sla_policies"], as_of=END, **_hours(t)),
    "backlog": lambda t: crmkit.backlog(*_desk(t), as_of="2025-11-04"),
    "backlog_age": lambda t: crmkit.backlog_age(*_desk(t), as_of="2025-11-04"),
    "backlog_by_day": lambda t: crmkit.backlog_by_day(*_desk(t), start="2025-11-01", end="2025-12-01"),
    "wait_band": lambda t: crmkit.wait_band(t["survey_responses"], *_desk(t)),
    "status_durations": lambda t: crmkit.status_durations(*_desk(t), as_of=END),
    "ticket_times": lambda t: crmkit.ticket_times(*_desk(t), as_of=END),
    "first_reply_time": lambda t: crmkit.first_reply_time(*_desk(t), hours="business", **_hours(t)),
    "next_reply_time": lambda t: crmkit.next_reply_time(*_desk(t), hours="business", **_hours(t)),
    "first_resolution_time": lambda t: crmkit.first_resolution_time(*_desk(t)),
    "full_resolution_time": lambda t: crmkit.full_resolution_time(*_desk(t), as_of=END),
    "complaint_ack_time": lambda t: crmkit.complaint_ack_time(*_desk(t)),
    "one_touch_resolution_rate": lambda t: crmkit.one_touch_resolution_rate(*_desk(t), as_of=END),
    "first_contact_resolution_rate": lambda t: crmkit.first_contact_resolution_rate(*_desk(t), as_of=END),
    "reopen_rate": lambda t: crmkit.reopen_rate(*_desk(t), as_of=END),
    "transfers_per_ticket": lambda t: crmkit.transfers_per_ticket(*_desk(t)),
    "cost_per_contact": lambda t: crmkit.cost_per_contact(t["costs"], t["tickets"], **YEAR),
    "complaint_rate": lambda t: crmkit.complaint_rate(t["tickets"], t["orders"], **YEAR),
    "silent_dissatisfaction_rate": lambda t: crmkit.silent_dissatisfaction_rate(t["survey_responses"], t["tickets"]),
    "recovery_effect": lambda t: crmkit.recovery_effect(
        t["orders"], t["tickets"], t["ticket_events"], t["survey_responses"], as_of=END
    ),
    "root_cause_rate": lambda t: crmkit.root_cause_rate(t["problems"]),
    "days_to_root_cause": lambda t: crmkit.days_to_root_cause(t["problems"]),
    "pareto": lambda t: crmkit.pareto(t["tickets"], cause="category"),
    "recurrence_rate": lambda t: crmkit.recurrence_rate(t["problems"], t["tickets"], t["orders"], as_of=END),
    "qa_score": lambda t: crmkit.qa_score(t["quality_reviews"], criterion="courtesy"),
    "defect_rate": lambda t: crmkit.defect_rate(t["order_items"]),
    "escape_rate": lambda t: crmkit.escape_rate(t["order_items"]),
    "defect_chart": lambda t: crmkit.defect_chart(t["order_items"], t["orders"]),
}


def _desk(tables: Tables) -> tuple[Any, Any]:
    return tables["tickets"], tables["ticket_events"]


def _lines(tables: Tables) -> dict[str, Any]:
    return {"order_items": tables["order_items"], "products": tables["products"]}


def _hours(tables: Tables) -> dict[str, Any]:
    return {name: tables[name] for name in BUSINESS_HOURS}


def _clv(orders: Any) -> Any:
    summary = crmkit.btyd_summary(orders, until=END)
    fits = crmkit.models.mbg_nbd(summary), crmkit.models.gamma_gamma(summary)
    return crmkit.clv_btyd(summary, *fits, horizon=52, per_customer=False)


@cache
def world(name: str) -> Tables:
    """The tables that a metric is called with, as pandas."""
    scenario = "subscription" if name in SUBSCRIBED else "salon"
    return _simulated(scenario)


@cache
def _simulated(scenario: str) -> Tables:
    tables = crmkit.simulate(scenario, customers=CUSTOMERS, weeks=WEEKS, seed=SEED).tables
    return {name: _plain(tables[name]) for name in tables}


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index(drop=True)
