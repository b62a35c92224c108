"""What they think and whom they tell: surveys, feedback, referrals and the loyalty programme."""

from __future__ import annotations

from crmkit.schema.columns import CHANNELS, TIERS, Column, Table, at, grade, key, link, money, one_of

TABLES = (
    Table(
        "survey_responses",
        "relationship",
        ("survey_id",),
        (
            key("survey_id"),
            one_of("kind", "csat", "nps", "ces", "trust", "expectation", "brand", "driver"),
            one_of("scope", "relational", "transactional"),
            link("customer_id", "customers.customer_id"),
            link("order_id", "orders.order_id"),
            link("ticket_id", "tickets.ticket_id"),
            at("sent_at", required=True),
            at("responded_at"),
            Column("score", "number", unit="points on the row's own scale"),
            Column("scale_min", "number", unit="points"),
            Column("scale_max", "number", unit="points"),
            Column("driver", "text"),
            one_of("channel", *CHANNELS),
            Column("comment", "text", personal=True),
        ),
    ),
    Table(
        "feedback",
        "relationship",
        ("feedback_id",),
        (
            key("feedback_id"),
            link("customer_id", "customers.customer_id"),
            at("received_at", required=True),
            one_of("source", "review", "sns", "survey_comment", "desk", "ticket", "interview"),
            Column("is_public", "flag"),
            grade("rating", 1, 5),
            Column("text", "text", personal=True),
            Column("topic", "text"),
            Column("sentiment", "number", unit="from -1 to 1", low=-1, high=1),
            Column("need_code", "text"),
            link("product_id", "products.product_id"),
            one_of("status", "new", "triaged", "planned", "done", "declined"),
            at("actioned_at"),
            at("replied_at"),
        ),
    ),
    Table(
        "referrals",
        "relationship",
        ("referral_id",),
        (
            key("referral_id"),
            link("referrer_customer_id", "customers.customer_id", required=True),
            link("campaign_id", "campaigns.campaign_id"),
            at("invited_at", required=True),
            one_of("channel", *CHANNELS),
            link("invitee_customer_id", "customers.customer_id"),
            at("registered_at"),
            at("first_order_at"),
            one_of("status", "invited", "registered", "purchased"),
            money("referrer_reward_amount"),
            money("invitee_reward_amount"),
        ),
    ),
    Table(
        "loyalty_events",
        "retention",
        ("loyalty_event_id",),
        (
            key("loyalty_event_id"),
            link("customer_id", "customers.customer_id", required=True),
            at("occurred_at", required=True),
            one_of("kind", "join", "earn", "redeem", "expire", "tier_change", "benefit"),
            one_of("benefit", "points", "member_discount", "anniversary_gift", "thank_you"),
            Column("points", "integer", unit="loyalty points", low=0),  # like amounts: `kind` says which way they go
            money("value_amount"),
            link("order_id", "orders.order_id"),
            at("expires_at"),
            one_of("to_tier", *TIERS),
        ),
    ),
)
