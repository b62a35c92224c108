"""Rules of the data model between columns."""

from __future__ import annotations

from collections.abc import Mapping

# What has to come before what, by table; equal instants are in order.
ORDER: Mapping[str, tuple[tuple[str, str], ...]] = {
    "customers": (("birth_date", "registered_at"), ("registered_at", "opted_out_at")),
    "leads": (
        ("created_at", "first_contacted_at"), ("created_at", "mql_at"), ("created_at", "sql_at"),
        ("created_at", "converted_at"), ("created_at", "disqualified_at"),
    ),
    "orders": (("ordered_at", "refunded_at"),),
    "subscriptions": (("started_at", "cancelled_at"), ("started_at", "ended_at")),
    "campaigns": (("started_at", "ended_at"),),
    "campaign_sends": (
        ("sent_at", "delivered_at"), ("sent_at", "bounced_at"), ("delivered_at", "opened_at"),
        ("opened_at", "clicked_at"), ("delivered_at", "unsubscribed_at"),
    ),
    "survey_responses": (("sent_at", "responded_at"),),
    "feedback": (("received_at", "actioned_at"), ("received_at", "replied_at")),
    "referrals": (("invited_at", "registered_at"), ("registered_at", "first_order_at")),
    "loyalty_events": (("occurred_at", "expires_at"),),
    "problems": (
        ("opened_at", "root_cause_found_at"), ("root_cause_found_at", "corrective_action_at"),
        ("opened_at", "closed_at"),
    ),
}  # fmt: skip
