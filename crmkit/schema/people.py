"""Who: customers, and those who may become customers."""

from __future__ import annotations

from crmkit.schema.columns import (
    ACQUISITION_CHANNELS,
    CHANNELS,
    TIERS,
    Column,
    Table,
    at,
    grade,
    key,
    link,
    money,
    one_of,
)

TABLES = (
    Table(
        "customers",
        "management",
        ("customer_id",),
        (
            key("customer_id"),
            one_of("customer_type", "individual", "company"),
            Column("name", "text", personal=True),
            Column("name_kana", "text", personal=True),
            Column("email", "text", personal=True),
            Column("phone", "text", personal=True),
            Column("postal_code", "text", personal=True),
            Column("prefecture", "text"),
            Column("city", "text"),
            Column("birth_date", "date", personal=True),
            Column("gender", "text"),
            at("registered_at"),
            one_of("acquisition_channel", *ACQUISITION_CHANNELS),
            one_of("source_system", "ec", "pos", "call_center"),
            at("member_since"),
            one_of("member_tier", *TIERS),
            Column("email_opt_in", "flag"),
            at("opted_out_at"),
            one_of("preferred_channel", *CHANNELS),
        ),
    ),
    Table(
        "leads",
        "management",
        ("lead_id",),
        (
            key("lead_id"),
            at("created_at", required=True),
            one_of("lead_source", *ACQUISITION_CHANNELS),
            link("campaign_id", "campaigns.campaign_id"),
            Column("owner_id", "id"),
            grade("score", 0, 100),
            one_of("status", "new", "contacted", "mql", "sql", "converted", "disqualified"),
            at("first_contacted_at"),
            at("mql_at"),
            at("sql_at"),
            at("converted_at"),
            at("disqualified_at"),
            Column("lost_reason", "text"),
            money("expected_amount"),
            link("customer_id", "customers.customer_id"),
        ),
    ),
)
